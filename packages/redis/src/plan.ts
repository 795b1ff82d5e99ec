// Numbers that a function is given in one word: every word costs both sides half a microsecond, a number in a plan next
// to nothing. Each function says in its file what its plan holds.

/** Numbers in a row, little-endian, in as many bytes each as it is said to take. */
export class Plan {
  #bytes: Buffer = Buffer.allocUnsafe(512);
  #at = 0;

  /** The numbers so far. */
  get written(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  uint8(value: number): void {
    if (this.#at === this.#bytes.length) this.#grow();
    this.#bytes[this.#at++] = value;
  }

  uint16(value: number): void {
    this.uint8(value & 0xff);
    this.uint8(value >>> 8);
  }

  uint32(value: number): void {
    this.uint16(value & 0xffff);
    this.uint16(value >>> 16);
  }

  uint48(value: number): void {
    this.uint32(value % 0x1_0000_0000);
    this.uint16(Math.floor(value / 0x1_0000_0000));
  }

  #grow(): void {
    const bytes = Buffer.allocUnsafe(this.#bytes.length * 2);
    this.#bytes.copy(bytes);
    this.#bytes = bytes;
  }
}
