// How publishers are to send: what all of them are told when it begins.

/** So many a second, looked at so often. */
export interface Pace {
  /** Of all together; 0 if there are no fixed times. */
  rate: number;
  /** Milliseconds between two looks at what is due. */
  tickMs: number;
}

/** A stretch of publishing: at a pace, or to fill the windows. */
export interface Load extends Pace {
  /** When it begins; milliseconds. */
  startMs: number;
  /** Deliveries of a message that the window waits for; 0 if nobody receives yet. */
  fanOut: number;
  /** How many messages each publisher sends, at most; Infinity for no such end. */
  limits: readonly number[] | undefined;
  /** Messages due from here on are recorded, milliseconds … */
  recordFromMs: number;
  /** … up to here. With a rate nothing is due later either. */
  recordToMs: number;
}

/** The shortest step of a schedule. */
const tickMsMin = 0.25;

/** The step of a schedule: each message by itself, or several together where they are closer than a thread can wake. */
export function tickOf(rate: number): number {
  return rate === 0 ? 0 : Math.max(tickMsMin, 1000 / rate);
}

/** How many messages are due `elapsedMs` after the beginning. */
export function dueCount({ rate, tickMs }: Pace, elapsedMs: number): number {
  if (elapsedMs < 0) return 0;
  const ticks = Math.floor(elapsedMs / tickMs + 1e-6);
  return Math.floor((ticks * tickMs * rate) / 1000 + 1e-6) + 1;
}

/** When the message of that number is due, counted from the beginning: at the tick at which it is first counted. */
export function dueMsOf({ rate, tickMs }: Pace, number: number): number {
  return Math.ceil((number * 1000) / rate / tickMs - 1e-6) * tickMs;
}
