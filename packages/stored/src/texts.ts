// Texts that were read before, found again by their bytes: what is kept names the same topics and Clients over and over.
//
// A table of fixed size in which a text has exactly one slot, and a newer one takes it. Only short ASCII texts are kept:
// their characters are their bytes, so that comparing needs no copy of these. A hit costs half of a new string, and a
// million messages of one topic share one text.

/** Longer texts are not kept. */
const keptBytes = 64;
const slots = 4096;

/** The texts of what is read together. */
export class Texts {
  readonly #slots: string[] = new Array(slots).fill('');

  /** The text that bytes from one place to another are, in UTF-8. */
  read(bytes: Buffer, at: number, end: number): string {
    const size = end - at;
    if (size > keptBytes) return bytes.toString('utf8', at, end);
    let hash = size;
    for (let i = at; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
    const slot = (hash ^ (hash >>> 15)) & (slots - 1);
    const known = this.#slots[slot] as string;
    if (isText(known, bytes, at, size)) return known;
    const text = bytes.toString('utf8', at, end);
    // As many characters as bytes: ASCII.
    if (text.length === size) this.#slots[slot] = text;
    return text;
  }
}

function isText(text: string, bytes: Buffer, at: number, size: number): boolean {
  if (text.length !== size) return false;
  for (let i = 0; i < size; i++) if (text.charCodeAt(i) !== bytes[at + i]) return false;
  return true;
}
