// Whether the server must have a Client's Session, must not, or may.
//
// While the Client is away a Session lives for its Session Expiry Interval, by the server's clock and from when the
// server noticed. So there are two moments: until the first one it is certainly there, from the second one certainly
// not. A CONNECT or DISCONNECT that may or may not have arrived moves both apart.

/** A Session Expiry Interval that never ends [§3.1.2.11.2]. */
const neverSeconds = 0xffff_ffff;

/** When something happened that a Client cannot see: not before the one, not after the other. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** What is known of a Session whose Client is away. */
export class Existence {
  readonly #slackMs: number;
  #presentUntilMs = Number.NEGATIVE_INFINITY;
  #absentFromMs = Number.NEGATIVE_INFINITY;

  /** @param slackMs how far the server's noticing and its clock may be off */
  constructor(slackMs: number) {
    this.#slackMs = slackMs;
  }

  /** Whether there is a Session; undefined if that cannot be known. */
  at(nowMs: number): boolean | undefined {
    if (nowMs < this.#presentUntilMs) return true;
    return nowMs >= this.#absentFromMs ? false : undefined;
  }

  /** The Client left, and its Session expires from some moment between the two on. */
  left(span: Span, expirySeconds: number): void {
    const [presentUntilMs, absentFromMs] = this.#ends(span, expirySeconds);
    this.#presentUntilMs = presentUntilMs;
    this.#absentFromMs = absentFromMs;
  }

  /** The same, if the server knows of it. */
  perhapsLeft(span: Span, expirySeconds: number): void {
    const [presentUntilMs, absentFromMs] = this.#ends(span, expirySeconds);
    this.#presentUntilMs = Math.min(this.#presentUntilMs, presentUntilMs);
    this.#absentFromMs = Math.max(this.#absentFromMs, absentFromMs);
  }

  #ends({ fromMs, toMs }: Span, expirySeconds: number): [presentUntilMs: number, absentFromMs: number] {
    // It ends with the Network Connection; a CONNECT that comes first ends that one too.
    if (expirySeconds === 0) return [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
    if (expirySeconds === neverSeconds) return [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    return [fromMs + expirySeconds * 1000 - this.#slackMs, toMs + expirySeconds * 1000 + this.#slackMs];
  }
}
