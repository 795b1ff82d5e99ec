// How the tables write bytes: hexadecimal, and a few signs that keep lengths and text readable.
//
//   0b ff     bytes
//   "abc"     characters as UTF-8, bare
//   'abc'     a UTF-8 Encoded String: two bytes of length, then the characters
//   < … >     Binary Data: two bytes of length, then what stands between
//   [ … ]     a Variable Byte Integer that counts what stands between, then that: Remaining Length, Property Length

/** The bytes that a piece of notation stands for. */
export function bytesOf(notation: string): Uint8Array {
  const tokens = notation.match(/"[^"]*"|'[^']*'|[0-9a-f]{2}|[<>[\]]|\S/gi) ?? [];
  let next = 0;

  function group(closing: string | undefined): number[] {
    const bytes: number[] = [];
    for (;;) {
      const token = tokens[next++];
      if (token === closing) return bytes;
      if (token === undefined) throw new Error(`${closing} is missing in ${notation}`);
      bytes.push(...meaning(token));
    }
  }

  function meaning(token: string): number[] {
    if (token === '[') return counted(group(']'));
    if (token === '<') return measured(group('>'));
    if (token.startsWith('"')) return [...new TextEncoder().encode(token.slice(1, -1))];
    if (token.startsWith("'")) return measured([...new TextEncoder().encode(token.slice(1, -1))]);
    if (/^[0-9a-f]{2}$/i.test(token)) return [Number.parseInt(token, 16)];
    throw new Error(`${token} is no notation in ${notation}`);
  }

  return Uint8Array.from(group(undefined));
}

/** The other way, for messages. */
export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

function measured(bytes: number[]): number[] {
  return [bytes.length >> 8, bytes.length & 0xff, ...bytes];
}

function counted(bytes: number[]): number[] {
  const length: number[] = [];
  let rest = bytes.length;
  do {
    length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>= 7;
  } while (rest > 0);
  return [...length, ...bytes];
}
