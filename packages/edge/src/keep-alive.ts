// Every deadline of every connection, on one wheel: connect timeout, keep alive, slow consumers, lingering closes.
//
// A timer for each connection would cost more than its packets do. Here a connection only remembers at which tick it
// last heard something, which is a number; the wheel looks at it when its deadline may have come, and if the Client
// has spoken since, puts it to the new deadline. So a busy connection costs the wheel nothing, a silent one a look now
// and then, and with no connections there is no timer at all.
//
// Nothing is early: the wheel may be almost three ticks behind when a stamp is made, so a deadline is rounded up and
// three ticks more, never less. And time in which this process stood still does not count, since the Client may have
// spoken without being heard: the wheel then goes on by one tick.

/** Length of a tick. A deadline is noticed four of these after it at the latest. */
export const tickMs = 125;

/** More ticks than this between two turns of the wheel, and the process must have stood still. */
const stallTicks = 2;

/** Added to every deadline: how far the wheel may be behind when a stamp is made, rounded up. */
const extraTicks = stallTicks + 1;

/** A round of the wheel, 128 s. Whatever is due later is looked at once in each round. */
const slotCount = 1024;

/** A member of a doubly linked ring; where the wheel holds it. */
export interface Link {
  next: Link | undefined;
  previous: Link | undefined;
}

/** Something with deadlines. Its links belong to the wheel. */
export interface Timed extends Link {
  /**
   * Looks whether a deadline has passed, and acts if so; it may be called before any has.
   *
   * @param now the current tick
   * @returns the tick at which to look again, above `now`; 0 for not any more
   */
  due(now: number): number;
}

/** Ticks that are sure to take at least so long, from any stamp {@link Wheel.now}. */
export function ticksOf(durationMs: number): number {
  return Math.ceil(durationMs / tickMs) + extraTicks;
}

/** Calls `turn` every `tickMs` until the returned function is called. */
export type Ticker = (turn: () => void) => () => void;

/** A ticker of the runtime that does not keep the process alive. */
const systemTicker: Ticker = (turn) => {
  const timer = setInterval(turn, tickMs).unref();
  return () => clearInterval(timer);
};

/** One coarse wheel of deadlines; one for a process. */
export class Wheel {
  /** The current tick. It counts time in which the process was there to listen; starts at 1, so that 0 means none. */
  now = 1;

  readonly #monotonicMs: () => number;
  readonly #ticker: Ticker;
  readonly #slots: Link[] = Array.from({ length: slotCount }, ring);
  /** Those being looked at; a ring of its own, so that members may come and go meanwhile. */
  readonly #looked: Link = ring();
  #members = 0;
  #stop: (() => void) | undefined;
  /** When tick {@link now} began. */
  #tickBeganMs = 0;

  /**
   * @param monotonicMs a clock that never steps
   * @param ticker what turns the wheel while it has members
   */
  constructor(monotonicMs: () => number, ticker: Ticker = systemTicker) {
    this.#monotonicMs = monotonicMs;
    this.#ticker = ticker;
  }

  /** How many are waiting for something. */
  get members(): number {
    return this.#members;
  }

  /** Looks at `timed` at `tick`, or a whole number of rounds before; instead of when it was to be looked at. */
  place(timed: Timed, tick: number): void {
    if (timed.next === undefined) this.#members += 1;
    else unlink(timed);
    append(this.#slots[Math.max(tick, this.now + 1) % slotCount] as Link, timed);
    if (this.#stop === undefined) this.#start();
  }

  /** Forgets `timed`, if it is here. */
  remove(timed: Timed): void {
    if (timed.next === undefined) return;
    unlink(timed);
    this.#members -= 1;
    if (this.#members === 0) this.#pause();
  }

  /** Goes on to the present and looks at what may be due. Called by the ticker. */
  turn(): void {
    const elapsedTicks = Math.floor((this.#monotonicMs() - this.#tickBeganMs) / tickMs);
    if (elapsedTicks > stallTicks) {
      this.#tickBeganMs = this.#monotonicMs();
      this.#advance();
      return;
    }
    this.#tickBeganMs += elapsedTicks * tickMs;
    for (let ticks = elapsedTicks; ticks > 0; ticks -= 1) this.#advance();
  }

  #advance(): void {
    this.now += 1;
    moveAll(this.#slots[this.now % slotCount] as Link, this.#looked);
    for (;;) {
      const timed = this.#looked.next as Timed;
      if (timed === this.#looked) return;
      unlink(timed);
      this.#members -= 1;
      const tick = timed.due(this.now);
      // It may have placed itself, or have been placed, while it acted.
      if (tick !== 0 && timed.next === undefined) this.place(timed, tick);
      else if (this.#members === 0) this.#pause();
    }
  }

  #start(): void {
    this.#tickBeganMs = this.#monotonicMs();
    this.#stop = this.#ticker(() => this.turn());
  }

  #pause(): void {
    this.#stop?.();
    this.#stop = undefined;
  }
}

/** An empty ring: its own neighbour. */
function ring(): Link {
  const head: Link = { next: undefined, previous: undefined };
  head.next = head;
  head.previous = head;
  return head;
}

function append(head: Link, link: Link): void {
  const last = head.previous as Link;
  last.next = link;
  link.previous = last;
  link.next = head;
  head.previous = link;
}

function unlink(link: Link): void {
  const { next, previous } = link as Required<Link> & { next: Link; previous: Link };
  previous.next = next;
  next.previous = previous;
  link.next = undefined;
  link.previous = undefined;
}

/** Moves all members of one ring to an empty one. */
function moveAll(from: Link, to: Link): void {
  const first = from.next as Link;
  if (first === from) return;
  const last = from.previous as Link;
  to.next = first;
  first.previous = to;
  to.previous = last;
  last.next = to;
  from.next = from;
  from.previous = from;
}
