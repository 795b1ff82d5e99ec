// What enqueue answers, as outcomes: names and texts once each, and numbers in one word (functions/enqueue.lua).

import type { EnqueueOutcome, EnqueueTarget, Message, Owner, QueueEntry } from '@skein/broker';
import { identifiersOf } from './blob.ts';
import { bytesOf, listOf, type Reply, textOf } from './calls.ts';
import { type EnqueueCall, sharedFilterOf } from './enqueue-call.ts';

/** Codes of outcomes. */
const queued = 1;
const qos0 = 2;
const duplicate = 3;
const noSubscription = 4;
const noSession = 5;
const skipped = 6;
const full = 7;
const offline = 8;
/** Marks a code behind which there is more. */
const hasMore = 128;

/** For each message, undefined if it was refused as a whole, or what became of it for each target. */
export function outcomesOf(
  { batch, sessionCount, hasShared }: EnqueueCall,
  reply: readonly Reply[],
): (readonly EnqueueOutcome[] | undefined)[] {
  const [names, epochs, identifierTexts, numbers] = reply;
  const reader = new OutcomeReader(bytesOf(numbers), listOf(identifierTexts));
  const owners = ownersOf(reader, listOf(names).map(textOf), textOf(epochs), sessionCount);
  return batch.map(({ item: { message, targets }, sessions }) => {
    if (sessions.length === 0) return []; // it was not sent
    if (reader.refused()) return undefined;
    return sessions.map((session, i) => reader.outcome(message, hasShared ? targets[i] : undefined, owners[session]));
  });
}

function ownersOf(
  reader: OutcomeReader,
  names: readonly string[],
  epochs: string,
  count: number,
): (Owner | undefined)[] {
  const owners: (Owner | undefined)[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const end = epochs.indexOf(' ', at);
    const node = names[reader.number() - 1];
    owners.push(node === undefined ? undefined : { node, epoch: Number(epochs.slice(at, end)) });
    at = end + 1;
  }
  return owners;
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** Reads the numbers of an answer, one outcome after the other. */
class OutcomeReader {
  readonly #numbers: Buffer;
  readonly #identifiers: readonly (readonly number[] | undefined)[];
  #at = 0;

  constructor(numbers: Buffer, identifierTexts: readonly Reply[]) {
    this.#numbers = numbers;
    this.#identifiers = [undefined, ...identifierTexts.map((text) => identifiersOf(textOf(text)))];
  }

  number(): number {
    const number = this.#numbers.readDoubleLE(this.#at);
    this.#at += 8;
    return number;
  }

  /** Whether the next message was refused as a whole. */
  refused(): boolean {
    if (this.#numbers.readDoubleLE(this.#at) !== 0) return false;
    this.#at += 8;
    return true;
  }

  outcome(message: Message, target: EnqueueTarget | undefined, owner: Owner | undefined): EnqueueOutcome {
    const word = this.number();
    const code = word & 15;
    const more = (word & hasMore) !== 0;
    switch (code) {
      case queued: {
        const seq = this.number();
        const sentSeq = this.number();
        const dropped = more ? this.number() : 0;
        const expired = more ? this.number() : 0;
        const entry = this.#entry(message, seq, word);
        const sharedFilter = target === undefined ? undefined : sharedFilterOf(target);
        if (sharedFilter !== undefined) entry.sharedFilter = sharedFilter;
        return { is: 'queued', entry, owner, sentSeq, dropped, expired };
      }
      case qos0:
        return { is: 'qos0', entry: this.#entry(message, 0, word), owner };
      case duplicate:
        return { is: 'duplicate', owner };
      case noSubscription:
        return { is: 'no_subscription' };
      case noSession:
        return { is: 'no_session' };
      case skipped:
        return { is: 'skipped' };
      case full:
        return { is: 'full', expired: more ? this.number() : 0 };
      case offline:
        return { is: 'offline' };
      default:
        throw new Error(`enqueue answered ${word}, which means nothing`);
    }
  }

  #entry(message: Message, seq: number, word: number): Writable<QueueEntry> {
    const flags = (word >>> 4) & 7;
    const subscriptionIdentifiers = word & hasMore ? this.#identifiers[this.number()] : undefined;
    return { seq, message, qos: (flags & 3) as QueueEntry['qos'], retain: flags >= 4, subscriptionIdentifiers };
  }
}
