// What a checker finds, and how it says so.

/** What must hold of every history. */
export type Invariant =
  /** What was acknowledged reaches every Client that must get it. */
  | 'lost'
  /** An application gets no QoS 2 message, and no QoS 0 message, twice. */
  | 'duplicated'
  /** What is delivered was sent, to a Topic Filter that the Client held at the time. */
  | 'phantom'
  /** What is delivered is what was sent: payload, topic, the lower QoS of the two, Retain flag. */
  | 'corrupt'
  /** Messages of one publisher, topic and QoS come in the order in which they were sent, at first. */
  | 'order'
  /** Session Present tells the truth, and a Clean Start leaves nothing. */
  | 'session-present'
  /** A Will Message comes once if its Client left without taking it back, and never if it did. */
  | 'will';

/** One breach of an invariant. */
export interface Violation {
  readonly invariant: Invariant;
  /** The Client that was wronged, or is wrongly told about. */
  readonly client: string;
  readonly why: string;
  /** When it was found. */
  readonly atMs: number;
  /** The message, if there is one. */
  readonly publisher?: string;
  readonly n?: number;
}

/** How much there was. */
export interface Counts {
  events: number;
  published: number;
  acknowledged: number;
  refused: number;
  /** PUBLISH packets that came, repeats included. */
  delivered: number;
  /** Pairs of message and Client that had to be, at QoS 1 or 2. */
  owed: number;
  /** The same at QoS 0, where the Client stayed connected. */
  owedQos0: number;
  /** Of those, how many never came. At QoS 0 that is allowed; the server's books must explain it. */
  missingQos0: number;
  /** PUBLISH packets that repeated one before them, as QoS 1 and an unfinished QoS 2 allow. */
  repeated: number;
  /** Copies of retained messages. */
  retained: number;
  /** Will Messages that had to be published. */
  wills: number;
  /** Breaches, by invariant. */
  violations: Record<Invariant, number>;
}

/**
 * What is to be thought of a history. `invalid` means that it proves nothing: it contradicts itself, too little of it
 * succeeded, or it ended before everything could arrive.
 */
export type Verdict =
  | { readonly is: 'ok'; readonly counts: Counts }
  /** The first violations; `counts` has all of them. */
  | { readonly is: 'violation'; readonly counts: Counts; readonly violations: readonly Violation[] }
  | { readonly is: 'invalid'; readonly counts: Counts; readonly reasons: readonly string[] };

/** Collects what a checker finds. */
export class Findings {
  readonly counts: Counts = {
    events: 0,
    published: 0,
    acknowledged: 0,
    refused: 0,
    delivered: 0,
    owed: 0,
    owedQos0: 0,
    missingQos0: 0,
    repeated: 0,
    retained: 0,
    wills: 0,
    violations: { lost: 0, duplicated: 0, phantom: 0, corrupt: 0, order: 0, 'session-present': 0, will: 0 },
  };
  readonly #violations: Violation[] = [];
  readonly #contradictions: string[] = [];
  readonly #listedMax: number;

  /** @param listedMax violations that are told one by one; the others are counted */
  constructor(listedMax: number) {
    this.#listedMax = listedMax;
  }

  violation(violation: Violation): void {
    this.counts.violations[violation.invariant]++;
    if (this.#violations.length < this.#listedMax) this.#violations.push(violation);
  }

  /** The history cannot have happened: whoever wrote it made a mistake. */
  contradiction(why: string): void {
    if (this.#contradictions.length < this.#listedMax) this.#contradictions.push(why);
  }

  /** @param shortcomings why the history would prove nothing even without a violation */
  verdict(shortcomings: readonly string[]): Verdict {
    const { counts } = this;
    if (this.#contradictions.length > 0) return { is: 'invalid', counts, reasons: [...this.#contradictions] };
    if (this.#violations.length > 0) return { is: 'violation', counts, violations: [...this.#violations] };
    if (shortcomings.length > 0) return { is: 'invalid', counts, reasons: shortcomings };
    return { is: 'ok', counts };
  }
}
