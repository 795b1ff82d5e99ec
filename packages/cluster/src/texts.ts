// Texts that were read before, found again by their bytes: who publishes once publishes again.
//
// A table of fixed size in which a text has exactly one slot, and a newer one takes it. Only short ASCII texts are kept:
// their characters are their bytes, so that comparing needs no copy of these. A hit costs half of a new string, and
// leaves nothing to be collected.

/** Longer texts are not kept. */
const keptBytes = 64;
const slots = 1024;

/** The texts of one reader. */
export class Texts {
  readonly #slots: string[] = new Array(slots).fill('');

  /** The text that some bytes are, in UTF-8. */
  read(bytes: Buffer, at: number, end: number): string {
    if (end - at > keptBytes) return bytes.toString('utf8', at, end);
    let hash = end - at;
    for (let i = at; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
    const slot = (hash ^ (hash >>> 15)) & (slots - 1);
    const known = this.#slots[slot] as string;
    if (isText(known, bytes, at, end)) return known;
    const text = bytes.toString('utf8', at, end);
    // As many characters as bytes: ASCII.
    if (text.length === end - at) this.#slots[slot] = text;
    return text;
  }
}

function isText(text: string, bytes: Uint8Array, at: number, end: number): boolean {
  if (text.length !== end - at) return false;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== bytes[at + i]) return false;
  return true;
}
