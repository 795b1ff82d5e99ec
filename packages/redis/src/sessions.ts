// Who owns which Session, and what it has subscribed to: the port over functions/acquire, release, subscribe.
//
// Which keys a resumed Session has depends on its generation, which only Redis knows. So acquire guesses the one that
// this node saw last; if that is wrong nothing has been written, and the answer says which to name.

import type {
  Acquire,
  Acquired,
  Claim,
  DueWill,
  EndedSession,
  Release,
  Released,
  Sessions,
  StoredSubscription,
} from '@skein/broker';
import { decodeWill, encodeWill } from '@skein/stored';
import { bucketOf } from './bucket.ts';
import { type Argument, bytesOf, listOf, numberOf, type Reply, textOf } from './calls.ts';
import { Endings } from './endings.ts';
import { awayMs, willLeaseMs } from './looks.ts';
import type { Surroundings } from './surroundings.ts';

/** Most entries an owned Session is reserved ahead. */
const reserveMax = 32;
/** Guesses that may be wrong one after the other: each time another connection of the Client came in between. */
const attemptsMax = 5;
/** Generations remembered for guessing. */
const rememberedMax = 65_536;
const neverExpires = 0xffffffff;
const noBytes = Buffer.alloc(0);

/** Sessions in Redis. */
export class RedisSessions implements Sessions {
  readonly #around: Surroundings;
  readonly #endings: Endings;
  /** The generation that each Client Identifier had when it was last let go here. */
  readonly #generations = new Map<string, string>();

  constructor(surroundings: Surroundings) {
    this.#around = surroundings;
    this.#endings = new Endings(surroundings);
  }

  /** @inheritdoc */
  async acquire(request: Acquire): Promise<Acquired> {
    const { clientId, nonce, will, sessionExpirySeconds } = request;
    const args: Argument[] = [
      clientId,
      nonce,
      request.cleanStart ? 1 : 0,
      sessionExpirySeconds,
      request.owner,
      Math.min(request.receiveMaximum, reserveMax),
      hexOf(this.#around.random.bytes(6)),
      will === undefined ? noBytes : encodeWill(will, request.username),
      will?.properties?.willDelayInterval ?? 0,
    ];
    const guess = this.#generations.get(clientId) ?? '';
    this.#generations.delete(clientId);
    const reply = await this.#withGuess('acquire', clientId, args, guess);
    if (listOf(reply)[11] === 1) this.#generationOver(clientId);
    const acquired = acquiredOf(clientId, reply);
    // They are claimed by this call. If nobody says that they are done, a sweep takes them when the claim is over.
    if (acquired.wills.length > 0) this.#around.willLooks.expect(bucketOf(clientId), willLeaseMs);
    return acquired;
  }

  /** @inheritdoc */
  async abandon(clientId: string, nonce: string): Promise<boolean> {
    const reply = await this.#withGuess('abandon', clientId, [clientId, nonce], '');
    if (numberOf(reply) === 0) return false;
    this.#generationOver(clientId);
    this.#around.willLooks.expect(bucketOf(clientId), 0);
    return true;
  }

  /** @inheritdoc */
  async release({ claim, sessionExpirySeconds, will, sentSeq }: Release): Promise<Released | 'fenced'> {
    const { clientId, generation, epoch } = claim;
    const { calls, keys, nowMs } = this.#around;
    const reply = await calls.call('release', keys.ownership(clientId, generation), [
      nowMs(),
      clientId,
      generation,
      epoch,
      sessionExpirySeconds,
      will,
      sentSeq,
    ]);
    if (reply === null) return 'fenced';
    const [endedWith, dueIn, holds] = listOf(reply);
    const ended = endedWith === 1;
    const willDueInMs = numberOf(dueIn);
    const bucket = bucketOf(clientId);
    if (ended) this.#generationOver(clientId);
    else {
      if (holds === 1) this.#around.leftLooks.expect(bucket, awayMs);
      this.#remember(clientId, generation);
      if (sessionExpirySeconds !== neverExpires) this.#around.endings.expect(bucket, sessionExpirySeconds * 1000);
    }
    if (willDueInMs >= 0) this.#around.willLooks.expect(bucket, willDueInMs);
    return { ended, willDueInMs: willDueInMs < 0 ? undefined : willDueInMs };
  }

  /** @inheritdoc */
  subscribe(claim: Claim, subscriptions: readonly StoredSubscription[]): Promise<readonly boolean[] | 'fenced'> {
    return this.#change(
      'subscribe',
      claim,
      subscriptions.flatMap((subscription) => [subscription.topicFilter, optionsOf(subscription)]),
    );
  }

  /** @inheritdoc */
  unsubscribe(claim: Claim, topicFilters: readonly string[]): Promise<readonly boolean[] | 'fenced'> {
    return this.#change('unsubscribe', claim, topicFilters);
  }

  /** @inheritdoc */
  ended(limit: number): Promise<readonly EndedSession[]> {
    return this.#endings.ended(limit);
  }

  /** @inheritdoc */
  forget(sessions: readonly EndedSession[]): Promise<void> {
    return this.#endings.forget(sessions);
  }

  /** @inheritdoc */
  async count(): Promise<number> {
    const keys = this.#around.keys.buckets.map(({ bucket }) => bucket);
    return numberOf(await this.#around.calls.call('session_count', keys));
  }

  /** A generation may wait to be dismantled, or for others to have what it holds. */
  #generationOver(clientId: string): void {
    const bucket = bucketOf(clientId);
    this.#around.endings.expect(bucket, 0);
    this.#around.leftLooks.expect(bucket, 0);
  }

  async #change(
    name: 'subscribe' | 'unsubscribe',
    { clientId, generation, epoch }: Claim,
    words: readonly string[],
  ): Promise<readonly boolean[] | 'fenced'> {
    const { calls, keys } = this.#around;
    const named = [
      keys.session(clientId),
      keys.subscriptions(clientId, generation),
      keys.cursors(clientId, generation),
    ];
    const reply = await calls.call(name, named, [generation, epoch, ...words]);
    return reply === null ? 'fenced' : listOf(reply).map((had) => had === 1);
  }

  /** Calls a function that may need the keys of another generation than the one guessed. */
  async #withGuess(
    name: 'acquire' | 'abandon',
    clientId: string,
    args: readonly Argument[],
    firstGuess: string,
  ): Promise<Reply> {
    const { calls, keys, nowMs } = this.#around;
    let guess = firstGuess;
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const named = keys.ownership(clientId, guess === '' ? undefined : guess);
      const reply = await calls.call(name, named, [nowMs(), ...args, guess]);
      const [first, actual] = listOf(reply);
      if (!Buffer.isBuffer(first) || textOf(first) !== 'RETRY') return reply;
      guess = textOf(actual);
    }
    throw new Error(`the Session of ${clientId} changed hands ${attemptsMax} times while it was acquired`);
  }

  #remember(clientId: string, generation: string): void {
    // Forgetting everything now and then is cheaper than remembering what was used when: a miss costs a round trip.
    if (this.#generations.size >= rememberedMax) this.#generations.clear();
    this.#generations.set(clientId, generation);
  }
}

function acquiredOf(clientId: string, reply: Reply): Acquired {
  const [generation, epoch, kept, present, previous, head, sent, subscriptions, releases, inbound, wills, , feeds] =
    listOf(reply);
  const previousOwner = textOf(previous);
  return {
    claim: { clientId, generation: textOf(generation), epoch: numberOf(epoch) },
    stored: textOf(kept) === '1',
    sessionPresent: textOf(present) === '1',
    previousOwner: previousOwner === '' ? undefined : previousOwner,
    subscriptions: pairsOf(subscriptions).map(([filter, options]) => subscriptionOf(textOf(filter), textOf(options))),
    headSeq: numberOf(head),
    sentSeq: numberOf(sent),
    releases: listOf(releases).map(numberOf),
    inbound: pairsOf(inbound).map(([packetId, state]) => {
      const text = textOf(state);
      return { packetId: numberOf(packetId), uid: text.slice(1), isDone: text.startsWith('1') };
    }),
    wills: pairsOf(wills).map(([id, will]) => dueWillOf(textOf(id), bytesOf(will))),
    feeds: pairsOf(feeds).map(([filter, from]) => ({ topicFilter: textOf(filter), from: textOf(from) })),
  };
}

/** A Will as functions name and hold it. */
export function dueWillOf(id: string, bytes: Buffer): DueWill {
  const [epoch = '', generation = '', clientId = ''] = id.split('\0');
  return { clientId, generation, epoch: Number(epoch), ...decodeWill(bytes) };
}

/** A flat reply, two by two. */
export function pairsOf(reply: Reply | undefined): [Reply, Reply][] {
  const flat = listOf(reply);
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[i * 2] as Reply, flat[i * 2 + 1] as Reply]);
}

/** A Subscription's options as functions read them: a digit each, then the identifier. */
export function optionsOf({
  qos,
  noLocal,
  retainAsPublished,
  retainHandling,
  subscriptionIdentifier,
}: StoredSubscription): string {
  return `${qos}${noLocal ? 1 : 0}${retainAsPublished ? 1 : 0}${retainHandling}${subscriptionIdentifier ?? ''}`;
}

function subscriptionOf(topicFilter: string, options: string): StoredSubscription {
  return {
    topicFilter,
    qos: Number(options[0]) as StoredSubscription['qos'],
    noLocal: options[1] === '1',
    retainAsPublished: options[2] === '1',
    retainHandling: Number(options[3]) as StoredSubscription['retainHandling'],
    subscriptionIdentifier: options.length > 4 ? Number(options.slice(4)) : undefined,
  };
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}
