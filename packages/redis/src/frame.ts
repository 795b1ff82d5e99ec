// A command as Redis reads it, built as one piece of bytes: a count of words, then each word behind its length (RESP).
//
// A client library spends half a microsecond to a whole one on every word; a call for many Sessions has thousands. So
// words are written here, once, where they will be sent from, and the library gets the whole.

/** Room at the front for the count of words, which is known last. */
const headBytes = 16;
/** Texts up to this length are written by ourselves: leaving JavaScript costs more. */
const shortText = 128;

/** A command that grows word by word. */
export class Frame {
  /** The first word: what Redis calls the command. */
  readonly command: string;
  #bytes: Buffer;
  #at = headBytes;
  #words = 0;

  /** @param bytes how many it will take, about */
  constructor(command: string, bytes = 512) {
    this.command = command;
    this.#bytes = Buffer.allocUnsafe(headBytes + bytes);
    this.text(command);
  }

  /** The next word is a text. */
  text(text: string): void {
    const { length } = text;
    if (length <= shortText) {
      const at = this.#begin(length, length);
      if (this.#ascii(text, this.#at)) {
        this.#end(length);
        return;
      }
      this.#at = at;
    }
    const size = Buffer.byteLength(text);
    this.#begin(size, size);
    this.#bytes.write(text, this.#at, size, 'utf8');
    this.#end(size);
  }

  /** The next word is a whole number. */
  number(number: number): void {
    this.text(`${number}`);
  }

  /** The next word is these bytes. */
  data(data: Uint8Array): void {
    this.#begin(data.length, data.length);
    this.#bytes.set(data, this.#at);
    this.#end(data.length);
  }

  /** The next word has this size, and is written by the caller: into {@link bytes}, from the place returned on. */
  reserve(size: number): number {
    this.#begin(size, size);
    const at = this.#at;
    this.#end(size);
    return at;
  }

  /** What is written so far; another buffer after every word. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  /** The next word is a name of parts, joined where it is sent from; only `name` may hold other characters than ASCII's. */
  joined(stem: string, tag: string, name: string, end: string): void {
    const size = stem.length + tag.length + name.length + end.length;
    const began = this.#begin(size, size);
    let at = this.#at;
    this.#ascii(stem, at);
    at += stem.length;
    this.#ascii(tag, at);
    at += tag.length;
    if (this.#ascii(name, at)) {
      this.#ascii(end, at + name.length);
      this.#end(size);
    } else {
      this.#at = began;
      this.text(stem + tag + name + end);
    }
  }

  /** The bytes to be sent. */
  finished(): Buffer {
    const head = `*${this.#words}\r\n`;
    const start = headBytes - head.length;
    this.#ascii(head, start);
    return this.#bytes.subarray(start, this.#at);
  }

  /** Writes a word's length; there is room for so many bytes behind it. @returns where it began */
  #begin(length: number, room: number): number {
    const began = this.#at;
    if (began + room + headBytes > this.#bytes.length) this.#grow(room + headBytes);
    const bytes = this.#bytes;
    let at = began;
    bytes[at++] = 36; // $
    if (length < 10) {
      bytes[at++] = 48 + length;
    } else if (length < 100) {
      bytes[at++] = 48 + ((length / 10) | 0);
      bytes[at++] = 48 + (length % 10);
    } else {
      const digits = `${length}`;
      this.#ascii(digits, at);
      at += digits.length;
    }
    bytes[at++] = 13;
    bytes[at++] = 10;
    this.#at = at;
    return began;
  }

  #end(size: number): void {
    const at = this.#at + size;
    this.#bytes[at] = 13;
    this.#bytes[at + 1] = 10;
    this.#at = at + 2;
    this.#words++;
  }

  /** @returns whether that was all of it: a character that is none of ASCII's ends it */
  #ascii(text: string, at: number): boolean {
    const bytes = this.#bytes;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x80) return false;
      bytes[at + i] = unit;
    }
    return true;
  }

  #grow(room: number): void {
    const bytes = Buffer.allocUnsafe((this.#at + room) * 2);
    this.#bytes.copy(bytes, 0, 0, this.#at);
    this.#bytes = bytes;
  }
}
