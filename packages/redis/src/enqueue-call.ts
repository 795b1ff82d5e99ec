// One call of enqueue: which messages and Sessions it carries, and the words in which it says so.

import type { Message } from '@skein/broker';
import { encodeMessage } from './blob.ts';
import type { Argument } from './calls.ts';
import type { Keys } from './keys.ts';
import type { Enqueue, EnqueueTarget } from './ports.ts';

/** Sessions in one call: 10 µs each is what Redis may be kept from everybody else. */
const sessionsMax = 200;
/** Messages for Sessions in one call. */
const copiesMax = 1000;
/** Bytes of messages in one call, stored once for each Session that gets them. */
const bytesMax = 1024 * 1024;

/** A message, and by number the Sessions that it is for. */
interface Carried {
  readonly message: Message;
  readonly sessions: number[];
}

/** Messages and Sessions that one call of enqueue carries. */
export class EnqueueCall {
  readonly batch: Carried[] = [];
  /** Whether a message expires, so that the queues' times are needed. */
  hasExpiry = false;
  #hasUid = false;
  readonly #sessions: EnqueueTarget[] = [];
  /** By Client Identifier and generation. */
  readonly #numbers = new Map<string, number>();
  readonly #words: Argument[] = [];
  #copies = 0;
  #bytes = 0;

  /** The calls that a batch takes, in order; a message is never split, since it may be refused as a whole. */
  static *split(batch: readonly Enqueue[]): Generator<EnqueueCall> {
    let call = new EnqueueCall();
    for (const item of batch) {
      if (call.#isFullFor(item)) {
        yield call;
        call = new EnqueueCall();
      }
      call.#add(item);
    }
    if (call.batch.length > 0) yield call;
  }

  /** The keys, and behind each queue its times if they are wanted. */
  keys(keys: Keys, withTimes: boolean): string[] {
    const named: string[] = [];
    for (const { clientId, generation } of this.#sessions) {
      named.push(keys.session(clientId), keys.subscriptions(clientId, generation), keys.queue(clientId, generation));
      if (withTimes) named.push(keys.times(clientId, generation));
      if (this.#hasUid) named.push(keys.seen(clientId, generation));
    }
    return named;
  }

  /** The arguments, from the sixth on. */
  get args(): Argument[] {
    const generations = this.#sessions.map(({ generation }) => generation);
    return [this.#hasUid ? 1 : 0, generations.length, ...generations, ...this.#words];
  }

  #isFullFor({ message, targets }: Enqueue): boolean {
    if (this.batch.length === 0) return false;
    const bytes = message.payload.length * Math.max(1, targets.length);
    return (
      this.#sessions.length + this.#newAmong(targets) > sessionsMax ||
      this.#copies + targets.length > copiesMax ||
      this.#bytes + bytes > bytesMax
    );
  }

  #newAmong(targets: Enqueue['targets']): number {
    if (this.#sessions.length + targets.length <= sessionsMax) return targets.length;
    return targets.filter((target) => !this.#numbers.has(nameOf(target))).length;
  }

  #add({ message, targets, isRefusable, uid }: Enqueue): void {
    const sessions: number[] = [];
    let own = 0;
    const words: Argument[] = [];
    for (const target of targets) {
      const name = nameOf(target);
      let number = this.#numbers.get(name);
      if (number === undefined) {
        number = this.#sessions.length;
        this.#numbers.set(name, number);
        this.#sessions.push(target);
      }
      sessions.push(number);
      if (target.clientId === message.publisherId) own = number + 1;
      words.push(number + 1, target.retained === true ? 1 : 0, target.topicFilters.length, ...target.topicFilters);
    }
    const flags = message.qos + (message.retain ? 4 : 0) + (isRefusable ? 8 : 0);
    this.#words.push(encodeMessage(message), flags, message.expiresAtMs, own, uid ?? '', targets.length, ...words);
    if (message.expiresAtMs > 0) this.hasExpiry = true;
    if (uid !== undefined) this.#hasUid = true;
    this.batch.push({ message, sessions });
    this.#copies += targets.length;
    this.#bytes += message.payload.length * Math.max(1, targets.length);
  }
}

function nameOf({ clientId, generation }: EnqueueTarget): string {
  return `${clientId}\0${generation}`;
}
