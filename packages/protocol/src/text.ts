// UTF-8 Encoded Strings [§1.5.4]: which bytes are text, and the text.
//
// Nearly all text is ASCII, so one pass asks for that and looks for U+0000 on the way; only what is left goes through
// the table of well-formed sequences (Unicode 15, table 3-7). The decoders at hand would replace a bad byte or strip
// a byte order mark, both of which the specification forbids, so the check is ours and the conversion Node's.

import { type Bytes, uint8 } from './bytes.ts';
import { MqttError } from './error.ts';
import { ReasonCode } from './reason-code.ts';

/**
 * The text in `bytes` from `at` to `end`.
 *
 * @param field what the text is, for the error: `CONNECT: Client Identifier`
 * @throws MqttError Malformed Packet if it is no UTF-8 or has U+0000 in it [MQTT-1.5.4-1, MQTT-1.5.4-2]
 */
export function decodeText(bytes: Bytes, at: number, end: number, field: string): string {
  let union = 0;
  for (let i = at; i < end; i++) {
    const byte = uint8(bytes, i);
    if (byte === 0) throw new MqttError(ReasonCode.malformedPacket, `${field} contains U+0000`, 'MQTT-1.5.4-2');
    union |= byte;
  }
  if (union < 0x80) return bytes.latin1Slice(at, end);
  if (isWellFormed(bytes, at, end)) return bytes.utf8Slice(at, end);
  throw new MqttError(ReasonCode.malformedPacket, `${field} is not well-formed UTF-8`, 'MQTT-1.5.4-1');
}

/** Whether the bytes from `at` to `end` are well-formed UTF-8: shortest forms, no surrogates, up to U+10FFFF. */
export function isWellFormed(bytes: Uint8Array, at: number, end: number): boolean {
  let i = at;
  while (i < end) {
    const lead = uint8(bytes, i);
    const size = sequenceBytes(lead);
    if (size === 0 || i + size > end) return false;
    if (size > 1 && !isSecondByte(lead, uint8(bytes, i + 1))) return false;
    for (let k = 2; k < size; k++) {
      if ((uint8(bytes, i + k) & 0xc0) !== 0x80) return false;
    }
    i += size;
  }
  return true;
}

/** How many bytes the sequence has that begins with `lead`; 0 where none may begin. */
function sequenceBytes(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead < 0xc2) return 0; // a continuation, or two bytes for what fits in one
  if (lead < 0xe0) return 2;
  if (lead < 0xf0) return 3;
  return lead < 0xf5 ? 4 : 0;
}

/** Four leads narrow what may follow: no longer forms, no surrogates, nothing past U+10FFFF. */
function isSecondByte(lead: number, byte: number): boolean {
  if (lead === 0xe0) return byte >= 0xa0 && byte <= 0xbf;
  if (lead === 0xed) return byte >= 0x80 && byte <= 0x9f;
  if (lead === 0xf0) return byte >= 0x90 && byte <= 0xbf;
  if (lead === 0xf4) return byte >= 0x80 && byte <= 0x8f;
  return (byte & 0xc0) === 0x80;
}
