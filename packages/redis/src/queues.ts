// The queues of stored Sessions: the port over functions/enqueue, append, read, settle.
//
// A call carries as many messages and Sessions as it may. What is too much for one call is several, each of them all or
// nothing, in order.
//
// rule: Unknown outcome. What Redis refuses for a reason that passes, or with no answer, is the caller's to repeat. What
// it refuses having written nothing, and would refuse again, is halved until one message for one Session stands alone:
// that one is refused, and everybody else goes on.

import type {
  Append,
  Appended,
  Claim,
  Enqueue,
  EnqueueOutcome,
  EnqueueTarget,
  QueueAck,
  QueueEntry,
  QueueRead,
  Queues,
} from '@skein/broker';
import { append } from './append-call.ts';
import { decodeEntry } from './blob.ts';
import { bucketOf } from './bucket.ts';
import { bytesOf, FunctionFailed, listOf, numberOf, type Reply } from './calls.ts';
import { EnqueueCall } from './enqueue-call.ts';
import { outcomesOf } from './enqueue-reply.ts';
import { SettleCall } from './settle-call.ts';
import type { Surroundings } from './surroundings.ts';

/** Sessions whose ends one call asks for. */
const endsMax = 500;

/** Queues in Redis. */
export class RedisQueues implements Queues {
  readonly #around: Surroundings;

  constructor(surroundings: Surroundings) {
    this.#around = surroundings;
  }

  /** @inheritdoc */
  async enqueue(batch: readonly Enqueue[]): Promise<readonly (readonly EnqueueOutcome[] | undefined)[]> {
    const outcomes: (readonly EnqueueOutcome[] | undefined)[] = [];
    for (const call of EnqueueCall.split(batch)) {
      // One after the other: a message is stored for a Session before those that came after it.
      for (const outcome of await this.#enqueueOrHalve(call)) outcomes.push(outcome);
    }
    return outcomes;
  }

  async #enqueueOrHalve(call: EnqueueCall): Promise<readonly (readonly EnqueueOutcome[] | undefined)[]> {
    try {
      return await this.#enqueue(call);
    } catch (error) {
      if (!(error instanceof FunctionFailed)) throw error;
      const items = call.batch.map(({ item }) => item);
      const [item] = items as [Enqueue];
      if (items.length > 1) {
        const half = Math.ceil(items.length / 2);
        return [...(await this.enqueue(items.slice(0, half))), ...(await this.enqueue(items.slice(half)))];
      }
      const { targets } = item;
      if (targets.length === 1) return [[{ is: 'refused' }]];
      const half = Math.ceil(targets.length / 2);
      const [first] = await this.enqueue([{ ...item, targets: targets.slice(0, half) }]);
      if (first === undefined) return [undefined];
      // A queue that is full here refuses the message, though others may have it by now, as with two calls.
      const [second] = await this.enqueue([{ ...item, targets: targets.slice(half) }]);
      return [second === undefined ? undefined : [...first, ...second]];
    }
  }

  async #enqueue(call: EnqueueCall): Promise<(readonly EnqueueOutcome[] | undefined)[]> {
    if (call.sessionCount === 0) return call.batch.map(() => []);
    const { calls, keys, limits, nowMs } = this.#around;
    for (let withTimes = call.hasExpiry; ; withTimes = true) {
      const reply = listOf(await calls.send(call.frame(calls, keys, limits, nowMs(), withTimes)));
      if (reply.length > 1) {
        const outcomes = outcomesOf(call, reply);
        if (call.hasShared) this.#expectLeft(call, outcomes);
        return outcomes;
      }
      if (withTimes) throw new Error('enqueue asked for keys that it had');
    }
  }

  /** What came by a shared filter for a Client that is away is to go to another in time. */
  #expectLeft({ batch }: EnqueueCall, outcomes: readonly (readonly EnqueueOutcome[] | undefined)[]): void {
    for (const [i, { item }] of batch.entries()) {
      for (const [n, outcome] of (outcomes[i] ?? []).entries()) {
        if (outcome.is !== 'queued' || outcome.owner !== undefined || outcome.entry.sharedFilter === undefined)
          continue;
        const { clientId } = item.targets[n] as EnqueueTarget;
        this.#around.leftLooks.expect(bucketOf(clientId), 0);
      }
    }
  }

  /** @inheritdoc */
  append(page: Append): Promise<Appended> {
    return append(this.#around, page);
  }

  /** @inheritdoc */
  async read(claim: Claim, fromSeq: number, limit: number): Promise<QueueRead | 'fenced'> {
    const { calls, keys, nowMs } = this.#around;
    const { clientId, generation, epoch } = claim;
    const named = [
      keys.session(clientId),
      keys.queue(clientId, generation),
      keys.releases(clientId, generation),
      keys.times(clientId, generation),
    ];
    const reply = await calls.call('read', named, [nowMs(), generation, epoch, fromSeq, limit]);
    if (reply === null) return 'fenced';
    const [nextSeq, endSeq, expired, releases, ...flat] = listOf(reply);
    const entries: QueueEntry[] = [];
    for (let at = 0; at < flat.length; at += 2) entries.push(decodeEntry(numberOf(flat[at]), bytesOf(flat[at + 1])));
    return {
      entries,
      nextSeq: numberOf(nextSeq),
      endSeq: numberOf(endSeq),
      expired: numberOf(expired),
      releases: listOf(releases).map(numberOf),
    };
  }

  /** @inheritdoc */
  ack(acks: readonly QueueAck[]): Promise<void> {
    return this.#settle('ack', acks);
  }

  /** @inheritdoc */
  rec(recs: readonly QueueAck[]): Promise<void> {
    return this.#settle('rec', recs);
  }

  /** @inheritdoc */
  async ends(claims: readonly Claim[]): Promise<readonly (number | 'fenced')[]> {
    const { calls, keys } = this.#around;
    const under: Promise<Reply>[] = [];
    for (let at = 0; at < claims.length; at += endsMax) {
      const some = claims.slice(at, at + endsMax);
      const named = some.map(({ clientId }) => keys.session(clientId));
      under.push(
        calls.call(
          'ends',
          named,
          some.flatMap(({ generation, epoch }) => [generation, epoch]),
        ),
      );
    }
    const replies = await Promise.all(under);
    return replies.flatMap((reply) => listOf(reply).map((end) => (numberOf(end) < 0 ? 'fenced' : numberOf(end))));
  }

  async #settle(name: 'ack' | 'rec', settled: readonly QueueAck[]): Promise<void> {
    // One at a time: whoever has something to store waits for one of these calls at most, not for all of them.
    for (const call of SettleCall.split(name, settled)) await this.#settleOrHalve(name, call);
  }

  async #settleOrHalve(name: 'ack' | 'rec', call: SettleCall): Promise<void> {
    const { calls, keys } = this.#around;
    try {
      await calls.send(call.frame(calls, keys));
    } catch (error) {
      if (!(error instanceof FunctionFailed)) throw error;
      const { settled } = call;
      // A queue that takes no acknowledgement gives no message either; the others' must not wait for it.
      if (settled.length === 1) return;
      const half = Math.ceil(settled.length / 2);
      await this.#settle(name, settled.slice(0, half));
      await this.#settle(name, settled.slice(half));
    }
  }
}
