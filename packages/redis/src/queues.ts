// The queues of stored Sessions: the port over functions/enqueue, read, settle.
//
// A call carries as many messages and Sessions as it may: every key, generation and filter is a word of its own, since
// taking blobs apart costs Redis, which has one thread, more than it costs us. What is too much for one call is several,
// each of them all or nothing, in order.

import type { Message } from '@skein/broker';
import { decodeEntry, identifiersOf } from './blob.ts';
import { type Argument, bytesOf, listOf, numberOf, type Reply, textOf } from './calls.ts';
import { EnqueueCall } from './enqueue-call.ts';
import type { Claim, Enqueue, EnqueueOutcome, Owner, QueueAck, QueueEntry, QueueRead, Queues } from './ports.ts';
import type { Surroundings } from './surroundings.ts';

/** Seqs settled in one call. */
const settledMax = 2000;
/** Of these, for one Session: what Lua may have on its stack at once. */
const settledPerSessionMax = 500;

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
      for (const outcome of await this.#enqueue(call)) outcomes.push(outcome);
    }
    return outcomes;
  }

  async #enqueue(call: EnqueueCall): Promise<(readonly EnqueueOutcome[] | undefined)[]> {
    const { calls, keys, limits, nowMs } = this.#around;
    for (let withTimes = call.hasExpiry; ; withTimes = true) {
      const reply = listOf(
        await calls.call('enqueue', call.keys(keys, withTimes), [
          nowMs(),
          limits.queueMaxMessages,
          limits.queueMaxBytes,
          limits.queueFull,
          withTimes ? 1 : 0,
          ...call.args,
        ]),
      );
      if (reply.length === 3) return outcomesOf(call.batch, reply);
      if (withTimes) throw new Error('enqueue asked for keys that it had');
    }
  }

  /** @inheritdoc */
  async read(claim: Claim, fromSeq: number, limit: number): Promise<QueueRead | 'fenced'> {
    const { calls, keys, nowMs } = this.#around;
    const { clientId, generation, epoch } = claim;
    const reply = await calls.call('read', settleKeys(keys, clientId, generation), [
      nowMs(),
      generation,
      epoch,
      fromSeq,
      limit,
    ]);
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

  async #settle(name: 'ack' | 'rec', settled: readonly QueueAck[]): Promise<void> {
    const { calls, keys } = this.#around;
    const under: Promise<Reply>[] = [];
    let named: string[] = [];
    let args: Argument[] = [];
    let seqs = 0;
    const send = (): void => {
      if (named.length > 0) under.push(calls.call(name, named, args));
      named = [];
      args = [];
      seqs = 0;
    };
    for (const { clientId, generation, seqs: all } of settled) {
      for (let at = 0; at < all.length; at += settledPerSessionMax) {
        const some = all.slice(at, at + settledPerSessionMax);
        named.push(...settleKeys(keys, clientId, generation));
        args.push(generation, some.length, ...some);
        seqs += some.length;
        if (seqs >= settledMax) send();
      }
    }
    send();
    await Promise.all(under);
  }
}

function settleKeys(keys: Surroundings['keys'], clientId: string, generation: string): string[] {
  return [
    keys.session(clientId),
    keys.queue(clientId, generation),
    keys.releases(clientId, generation),
    keys.times(clientId, generation),
  ];
}

/** What enqueue answers: owners, identifiers, and a code for each message and target with what belongs to it. */
function outcomesOf(batch: EnqueueCall['batch'], reply: readonly Reply[]): (readonly EnqueueOutcome[] | undefined)[] {
  const [ownerWords, names, codes] = reply.map(listOf) as [readonly Reply[], readonly Reply[], readonly number[]];
  const owners: (Owner | undefined)[] = [];
  for (let at = 0; at < ownerWords.length; at += 2) {
    const node = textOf(ownerWords[at]);
    owners.push(node === '' ? undefined : { node, epoch: numberOf(ownerWords[at + 1]) });
  }
  const identifiers = [undefined, ...names.map((name) => identifiersOf(textOf(name)))];
  let at = 0;
  const next = (): number => codes[at++] as number;
  const entryOf = (message: Message, seq: number): QueueEntry => {
    const flags = next();
    const subscriptionIdentifiers = identifiers[next()];
    return { seq, message, qos: (flags & 3) as QueueEntry['qos'], retain: flags >= 4, subscriptionIdentifiers };
  };
  const outcomeOf = (message: Message, owner: Owner | undefined): EnqueueOutcome => {
    const code = next();
    switch (code) {
      case 1: {
        const seq = next();
        const sentSeq = next();
        const dropped = next();
        const expired = next();
        return { is: 'queued', entry: entryOf(message, seq), owner, sentSeq, dropped, expired };
      }
      case 2:
        return { is: 'qos0', entry: entryOf(message, 0), owner };
      case 3:
        return { is: 'duplicate', owner };
      case 4:
        return { is: 'no_subscription' };
      case 5:
        return { is: 'no_session' };
      case 6:
        return { is: 'skipped' };
      case 7:
        return { is: 'full', expired: next() };
      default:
        throw new Error(`enqueue answered ${code}, which means nothing`);
    }
  };
  return batch.map(({ message, sessions }) => {
    if (sessions.length === 0) return []; // no code stands for it; the next one is the next message's
    if (codes[at] === 0) {
      at++;
      return undefined;
    }
    return sessions.map((session) => outcomeOf(message, owners[session]));
  });
}
