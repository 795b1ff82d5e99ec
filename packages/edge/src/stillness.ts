// Whether this process has stood still: stopped by a signal, swapped out, frozen with its machine, or too busy.
//
// Who stood still for long may have been taken for dead, and its Sessions given to others; what its sockets held
// meanwhile must then not be worked off. The loop is seen alive at the beginning of each turn and by a slow beat. The
// first to come after a gap finds it, whichever that is: a socket may well be read before the timer is looked at.

/** Calls `beat` again and again until the returned function is called. */
export type Beats = (beat: () => void) => () => void;

/** How often the loop is looked at while nothing arrives. */
const beatMs = 1000;

const systemBeats: Beats = (beat) => {
  const timer = setInterval(beat, beatMs).unref();
  return () => clearInterval(timer);
};

/** Watches for gaps in the life of the event loop. */
export class Stillness {
  readonly #monotonicMs: () => number;
  readonly #longestMs: number;
  readonly #found: (gapMs: number) => void;
  readonly #beats: Beats;
  #seenMs = 0;
  #stop: (() => void) | undefined;

  /**
   * @param options.longestMs what is no gap yet
   * @param options.found called once for each gap, before anything that happens after it
   */
  constructor(options: {
    readonly monotonicMs: () => number;
    readonly longestMs: number;
    readonly found: (gapMs: number) => void;
    readonly beats?: Beats;
  }) {
    this.#monotonicMs = options.monotonicMs;
    this.#longestMs = options.longestMs;
    this.#found = options.found;
    this.#beats = options.beats ?? systemBeats;
  }

  /** Begins to watch. */
  start(): void {
    if (this.#stop !== undefined) return;
    this.#seenMs = this.#monotonicMs();
    this.#stop = this.#beats(() => this.look());
  }

  /** The loop is alive now. Costs one look at the clock; nothing while it is not watching. */
  look(): void {
    if (this.#stop === undefined) return;
    const nowMs = this.#monotonicMs();
    const gapMs = nowMs - this.#seenMs;
    this.#seenMs = nowMs;
    if (gapMs > this.#longestMs) this.#found(gapMs);
  }

  /** Watches no more. */
  stop(): void {
    this.#stop?.();
    this.#stop = undefined;
  }
}
