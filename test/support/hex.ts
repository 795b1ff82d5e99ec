// Packets written byte by byte, for what no honest Client would send.

/** Bytes from hexadecimal; blanks are for the reader. Throws at anything else: half a byte would be lost quietly. */
export function fromHex(hex: string): Uint8Array {
  const digits = hex.replace(/\s+/g, '');
  if (digits.length % 2 !== 0 || /[^0-9a-fA-F]/.test(digits)) throw new Error(`not hexadecimal: ${hex}`);
  return new Uint8Array(Buffer.from(digits, 'hex'));
}

/** Bytes as lower-case hexadecimal without blanks. */
export function toHex(data: Uint8Array): string {
  return Buffer.from(data).toString('hex');
}

/** A UTF-8 Encoded String, or Binary Data, as it stands on the wire: two bytes of length, then the text [§1.5.4]. */
export function hexString(value: string): string {
  return withLength(toHex(Buffer.from(value, 'utf8')));
}

/** Two bytes of length before bytes that need not be UTF-8. */
export function withLength(hex: string): string {
  return hexNumber(hex.length / 2, 2) + hex;
}

/** A number of so many bytes, the highest first [§1.5.2, §1.5.3]. */
export function hexNumber(value: number, byteCount: 1 | 2 | 4): string {
  return value.toString(16).padStart(2 * byteCount, '0');
}

/** A Variable Byte Integer in as few bytes as possible [§1.5.5]. */
function hexVariable(value: number): string {
  let hex = '';
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    hex += hexNumber(rest > 0 ? low + 128 : low, 1);
  } while (rest > 0);
  return hex;
}

/** Properties with their length before them [§2.2.2]. */
export function hexProperties(hex: string): string {
  const digits = hex.replace(/\s+/g, '');
  return hexVariable(digits.length / 2) + digits;
}

/** A whole packet: the first byte, the Remaining Length that is right for the rest, and the rest [§2.1]. */
export function framed(firstByte: string, rest: string): string {
  const digits = rest.replace(/\s+/g, '');
  return firstByte + hexVariable(digits.length / 2) + digits;
}

/** The fields of a CONNECT, each of which may be wrong. */
export interface RawConnect {
  protocolName?: string;
  protocolLevel?: number;
  /** Default 0x02: Clean Start. */
  flags?: number;
  keepAliveSeconds?: number;
  /** In hexadecimal, without their length; only at level 5. */
  properties?: string;
  /** In hexadecimal, with all lengths. Default a Client Identifier. */
  payload?: string;
  /** Default 10. */
  firstByte?: string;
}

/** A CONNECT in hexadecimal. */
export function rawConnect(fields: RawConnect = {}): string {
  const { protocolName = 'MQTT', protocolLevel = 5, flags = 0x02, keepAliveSeconds = 0 } = fields;
  return framed(
    fields.firstByte ?? '10',
    hexString(protocolName) +
      hexNumber(protocolLevel, 1) +
      hexNumber(flags, 1) +
      hexNumber(keepAliveSeconds, 2) +
      (protocolLevel === 5 ? hexProperties(fields.properties ?? '') : '') +
      (fields.payload ?? hexString('raw')),
  );
}
