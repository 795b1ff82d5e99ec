// A history as it is being written: stamped, judged on the way, and kept, so that a violation can be told with its story.

import { Checker, type CheckerOptions } from './checker.ts';
import type { Happening, HistoryEvent } from './event.ts';
import type { Verdict, Violation } from './verdict.ts';

/** Events of one message, and of one Client, that are told with a violation. */
const toldMax = 15;
/** Violations that are told. */
const explainedMax = 5;

/** What Clients do and see, in one process. */
export class History {
  readonly #events: HistoryEvent[] = [];
  readonly #checker: Checker;
  readonly #startMs: number = performance.now();

  constructor(options: CheckerOptions = {}) {
    this.#checker = new Checker(options);
  }

  get length(): number {
    return this.#events.length;
  }

  /** Writes down what has just happened. */
  record(happening: Happening): void {
    const event = { ...happening, atMs: performance.now() - this.#startMs };
    this.#events.push(event);
    this.#checker.observe(event);
  }

  /** Deliveries at QoS 1 and 2 that must still come. */
  get outstanding(): number {
    return this.#checker.outstanding;
  }

  /** Deliveries at QoS 0 that should still come. */
  get outstandingQos0(): number {
    return this.#checker.outstandingQos0;
  }

  /** Judges the whole, once, when everything has come that ever will. */
  verdict(): Verdict {
    return this.#checker.verdict();
  }

  /** A verdict in words: the first violations, each with what happened to its message and its Client. */
  explain(verdict: Verdict): string {
    if (verdict.is === 'ok') return 'ok';
    if (verdict.is === 'invalid') return `invalid: ${verdict.reasons.join('; ')}`;
    const told = verdict.violations.slice(0, explainedMax).map((violation) => this.#tell(violation));
    return `${JSON.stringify(verdict.counts.violations)}\n${told.join('\n')}`;
  }

  #tell(violation: Violation): string {
    const { invariant, client, publisher, n, why, atMs } = violation;
    const whose = publisher === undefined ? '' : ` message ${n} of ${publisher}:`;
    const story = this.#events.filter((event) => event.atMs <= atMs && belongsTo(event, violation));
    const isOfMessage = (event: HistoryEvent): boolean => 'publisher' in event || event.is === 'delivered';
    // What became of the message is told from its beginning, connections and requests from shortly before the end.
    const about = [
      ...story.filter(isOfMessage).slice(0, toldMax),
      ...story.filter((event) => !isOfMessage(event)).slice(-toldMax),
    ];
    const lines = about.sort((one, other) => one.atMs - other.atMs).map((event) => `  ${JSON.stringify(event)}`);
    return [`${invariant}: ${client},${whose} ${why} (at ${atMs.toFixed(1)} ms)`, ...lines].join('\n');
  }
}

/** Whether an event is part of what led to a violation: of its message, or of its Client's connections and requests. */
function belongsTo(event: HistoryEvent, { client, publisher, n }: Violation): boolean {
  if ('publisher' in event) return event.publisher === publisher && event.n === n;
  if (event.client !== client || event.is === 'released') return false;
  return event.is !== 'delivered' || (event.content?.publisher === publisher && event.content?.n === n);
}
