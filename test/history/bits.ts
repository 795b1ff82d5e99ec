// A set of small numbers that come in clusters: a bit each, in pages that are made when they are needed.

const pageBits = 2048;

/** A set of whole numbers from 0. */
export class Bits {
  readonly #pages = new Map<number, Uint8Array>();
  #lastNumber = -1;
  #last: Uint8Array = new Uint8Array(0);

  has(member: number): boolean {
    const page = this.#page(Math.floor(member / pageBits));
    if (page === undefined) return false;
    return ((page[(member % pageBits) >>> 3] as number) & (1 << (member & 7))) !== 0;
  }

  add(member: number): void {
    const number = Math.floor(member / pageBits);
    let page = this.#page(number);
    if (page === undefined) {
      page = new Uint8Array(pageBits / 8);
      this.#pages.set(number, page);
    }
    (page[(member % pageBits) >>> 3] as number) |= 1 << (member & 7);
  }

  #page(number: number): Uint8Array | undefined {
    if (number === this.#lastNumber) return this.#last;
    const page = this.#pages.get(number);
    if (page === undefined) return undefined;
    this.#lastNumber = number;
    this.#last = page;
    return page;
  }
}
