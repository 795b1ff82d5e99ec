// What was promised and what was delivered, and whether the one follows from the other.
//
// A message is known by its text, which is unique. A Subscriber's part is told by lives: a life is one Session, from its
// beginning to its end, and the promises to a Session end with it. Times are steps of a simulation, and only their order
// counts. What is uncertain is not held against anybody: a Subscription counts from its SUBACK to its UNSUBSCRIBE, a
// message from the moment the broker had it to the moment it was acknowledged.

import { matches } from '../topic/filter.ts';

/** A message that some Client published, or left as its Will. */
export interface Published {
  readonly text: string;
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  /** Messages of one stream stay in order: those of one publisher, topic and QoS. */
  readonly stream: string;
  /** Its place in the stream. */
  number: number;
  /** When the broker had it first; undefined if it never had. */
  receivedAt: number | undefined;
  /** When the broker acknowledged it, or published the Will; undefined if it never did. */
  acknowledgedAt: number | undefined;
  /** Whether it is a Will: it must be published, though nobody is there to hear an acknowledgement. */
  readonly isWill: boolean;
  /** Whether it must not be published at all: the Will of a connection that ended well. */
  isForbidden: boolean;
  /** Of a Will alone. */
  times?: WillTimes;
}

/** When a Will went its way, in milliseconds of the common clock; undefined as long as it has not. */
export interface WillTimes {
  /** The Network Connection was lost. */
  owedMs: number | undefined;
  /** Somebody took it to publish it. */
  claimedMs: number | undefined;
  /** It was published. */
  doneMs: number | undefined;
}

/** A Subscription, as long as it is certain. */
export interface Window {
  readonly topicFilter: string;
  readonly qos: 0 | 1 | 2;
  readonly from: number;
  until: number;
}

/** A PUBLISH that reached a Subscriber. */
export interface Delivered {
  readonly text: string;
  readonly qos: number;
  readonly dup: boolean;
  /** Which of the Client's connections it came by. */
  readonly connection: number;
}

/** One Session of one Client. */
export class Life {
  readonly clientId: string;
  /** Whether it outlives its connections. */
  readonly isStored: boolean;
  readonly windows: Window[] = [];
  /** What the broker sent it, repeats included. */
  readonly sent: Delivered[] = [];
  /** What the application got, in order; the repeats of QoS 2 messages are left out, as a Client does. */
  readonly delivered: Delivered[] = [];
  /** Whether it is over; then nothing more is owed to it. */
  isOver = false;
  /** When that came about. */
  endedAt: number = Number.POSITIVE_INFINITY;

  constructor(clientId: string, isStored = true) {
    this.clientId = clientId;
    this.isStored = isStored;
  }
}

/** All that happened. */
export class History {
  readonly published: Map<string, Published> = new Map();
  readonly lives: Life[] = [];

  /** What is wrong with it, in words. */
  faults(): string[] {
    const unpublished = [...this.published.values()].filter(
      ({ isWill, isForbidden, receivedAt, acknowledgedAt }) =>
        isWill && !isForbidden && receivedAt !== undefined && acknowledgedAt === undefined,
    );
    return [...unpublished.map(({ text }) => `${text} was never published`), ...this.#faultsOfLives()];
  }

  #faultsOfLives(): string[] {
    return this.lives.flatMap((life) => {
      const faults = [...this.#repeats(life), ...this.#disorder(life), ...this.#forbidden(life)];
      if (!life.isOver) faults.push(...this.#losses(life));
      return faults.map((fault) => `${life.clientId}: ${fault}`);
    });
  }

  /** Promises 1 and 2: what was acknowledged after SUBACK is delivered. */
  #losses({ windows, delivered }: Life): string[] {
    const got = new Set(delivered.map(({ text }) => text));
    return [...this.published.values()]
      .filter(
        (message) => message.qos > 0 && !got.has(message.text) && windows.some((window) => isOwed(message, window)),
      )
      .map(({ text, topic }) => `${text} on ${topic} was acknowledged and never delivered`);
  }

  /**
   * Promise 4: what was published at QoS 2 is sent anew to nobody, and goes to the application once. At QoS 0 so it is
   * with each connection: one node may have passed it on before its Client left, and another one only after it came.
   * At QoS 1 a publisher may repeat a message, and the broker a call to its store; but a Will has no publisher that
   * could, and is sent anew to nobody at any QoS.
   */
  #repeats({ sent, delivered }: Life): string[] {
    const faults: string[] = [];
    const twice = (of: readonly Delivered[]): string[] => {
      const names = of.map(({ text, qos, connection }) => (qos === 0 ? `${text} ${connection}` : text));
      return of.filter((_, i) => names.indexOf(names[i] as string) !== i).map(({ text }) => text);
    };
    const once = ({ text }: Delivered): boolean => {
      const message = this.published.get(text);
      return message?.qos !== 1 || message.isWill;
    };
    for (const text of twice(delivered.filter((each) => each.qos !== 1 && once(each)))) {
      faults.push(`${text} was delivered twice`);
    }
    for (const text of twice(sent.filter((each) => !each.dup && once(each)))) faults.push(`${text} was sent anew`);
    return faults;
  }

  /** [MQTT-4.6.0-5, MQTT-4.6.0-6] Messages of one stream come in order, each counted when it comes first. */
  #disorder({ windows, delivered }: Life): string[] {
    const faults: string[] = [];
    const last = new Map<string, Published>();
    const seen = new Set<string>();
    for (const { text, qos } of delivered) {
      const message = this.published.get(text);
      if (message === undefined) {
        faults.push(`${text} came from nowhere`);
        continue;
      }
      // A message that the broker had before the Subscription may come by its publisher's repeat, at any time.
      if (seen.has(text) || (message.qos > 0 && !windows.some((window) => isOwed(message, window)))) continue;
      seen.add(text);
      const stream = `${message.stream} at ${qos}`;
      const before = last.get(stream);
      if (before !== undefined && before.number > message.number) faults.push(`${text} came after ${before.text}`);
      last.set(stream, message);
    }
    return faults;
  }

  #forbidden({ sent }: Life): string[] {
    return sent
      .filter(({ text }) => this.published.get(text)?.isForbidden === true)
      .map(({ text }) => `${text} was published, though it must not be`);
  }
}

/** Whether a Subscription entitles to a message for certain. */
function isOwed({ topic, receivedAt, acknowledgedAt }: Published, { topicFilter, qos, from, until }: Window): boolean {
  if (qos === 0 || receivedAt === undefined || acknowledgedAt === undefined) return false;
  return receivedAt > from && acknowledgedAt < until && matches(topicFilter, topic);
}
