// The memory store is the model: whatever is asked of both, in whatever order, Redis answers the same.
//
// Both live by one clock that stands still. What may differ is taken out before answers are compared: names that each
// store makes for itself (generations, epochs) become numbers in the order of their appearance, and a head of a queue that
// lags behind is as good as one that does not.

import { defaultLimits, type Limits, memoryStore, type Store } from '@skein/broker';
import { ManualClock, SeededRandom } from '@skein/broker/contract';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Command, commands, messageOf, nodes, routeOf, subscriptionOf, willOf } from '../testing/commands.ts';
import { RedisServer } from '../testing/redis-server.ts';
import { openRedisStore } from './connect.ts';
import type { Acquired, Claim, Enqueue, EnqueueOutcome, QueueRead, Reaped, Route, RouteChange } from './ports.ts';

/** `SKEIN_SEED` repeats a run, `SKEIN_RUNS` makes it longer. */
const seed = Number(process.env.SKEIN_SEED ?? Math.trunc(Math.random() * 0x7fffffff));
const runs = Number(process.env.SKEIN_RUNS ?? 40);

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

/** One of the two stores, and what it calls things. */
class Side {
  readonly store: Store;
  readonly claims: Claim[] = [];
  /** What was told of routes since the last command. */
  told: RouteChange[] = [];
  /** The version of each route as it was told. */
  readonly versions: Map<string, number> = new Map();
  readonly #generations = new Map<string, number>();
  readonly #epochs = new Map<string, number>();

  constructor(store: Store) {
    this.store = store;
  }

  /** The claim of an earlier acquire, or of one that never was. */
  claim(at: number): Claim {
    return this.claims[at % Math.max(1, this.claims.length)] ?? { clientId: 'c0', generation: 'none', epoch: 1 };
  }

  async follow(): Promise<void> {
    await this.store.routes.follow((changes) => {
      this.told.push(...changes);
      for (const change of changes) this.versions.set(nameOf(change), change.version);
    });
  }

  generation(name: string): string {
    return `g${numbered(this.#generations, name)}`;
  }

  epoch(clientId: string, epoch: number): string {
    return `e${numbered(this.#epochs, `${clientId} ${epoch}`)}`;
  }

  claimed({ clientId, generation, epoch }: Claim): string {
    return `${clientId} ${this.generation(generation)} ${this.epoch(clientId, epoch)}`;
  }
}

function numbered(numbers: Map<string, number>, name: string): number {
  const number = numbers.get(name) ?? numbers.size;
  numbers.set(name, number);
  return number;
}

describe(`Redis answers as the model does (SKEIN_SEED=${seed})`, () => {
  const limits: readonly (readonly [string, Partial<Limits>])[] = [
    ['drop-new, few messages', { queueMaxMessages: 4, queueFull: 'drop-new', retainedMaxMessages: 3 }],
    ['drop-old, few messages', { queueMaxMessages: 4, queueFull: 'drop-old' }],
    ['drop-old, few bytes', { queueMaxBytes: 47_000, queueMaxMessages: 5, queueFull: 'drop-old' }],
    ['refuse, few messages', { queueMaxMessages: 3, queueFull: 'refuse' }],
    ['refuse, few bytes', { queueMaxBytes: 47_000, queueMaxMessages: 5, queueFull: 'refuse' }],
  ];
  it.each(limits)('%s', { timeout: 2000 * runs }, async (_, changed) => {
    await fc.assert(
      fc.asyncProperty(fc.array(commands, { minLength: 10, maxLength: 60 }), (sequence) =>
        runBoth(sequence, { ...defaultLimits, ...changed }),
      ),
      { seed, numRuns: runs, interruptAfterTimeLimit: 1500 * runs },
    );
  });
});

async function runBoth(sequence: readonly Command[], limits: Limits): Promise<void> {
  const clock = new ManualClock();
  await using redis = await openRedisStore({
    url: server.url,
    cluster: server.newCluster(),
    limits,
    clock,
    random: new SeededRandom(seed),
    onEvent: () => undefined,
    time: 'clock',
  });
  const model = new Side(memoryStore(clock, new SeededRandom(seed), limits));
  const real = new Side(redis);
  for (const side of [model, real]) await side.follow();
  for (const [i, command] of sequence.entries()) {
    if (command.is === 'advance') {
      await clock.advance(command.ms);
      continue;
    }
    const nowMs = clock.nowMs();
    const wanted = await answer(model, command, nowMs);
    const got = await answer(real, command, nowMs);
    const [levelGot, levelWanted] = levelled(got, wanted);
    expect(real.told.splice(0), `routes after command ${i}`).toEqual(model.told.splice(0));
    expect(levelGot, `command ${i}: ${JSON.stringify(command)}`).toEqual(levelWanted);
  }
  // What is left in the end is the same too: every Session, what it owes, and its queue.
  for (const clientId of ['c0', 'c1', 'c2'] as const) {
    const acquire = {
      is: 'acquire',
      clientId,
      node: 0,
      clean: false,
      expiry: 100,
      will: undefined,
      receiveMaximum: 3,
      repeat: false,
    } as const;
    const [got, wanted] = levelled(await answer(real, acquire, 0), await answer(model, acquire, 0));
    expect(got).toEqual(wanted);
    const read = { is: 'read', claim: model.claims.length - 1, from: 0, limit: 100 } as const;
    expect(await answer(real, read, 0)).toEqual(await answer(model, read, 0));
  }
  // And so is who owns what.
  for (const node of nodes.keys()) {
    expect(await answer(real, { is: 'reap', node }, 0)).toEqual(await answer(model, { is: 'reap', node }, 0));
  }
}

/** Lets a head that lags behind catch up with the other's, and what was sent with it: nothing live lies between. */
function levelled(one: unknown, other: unknown): readonly [unknown, unknown] {
  if (!hasQueue(one) || !hasQueue(other)) return [one, other];
  const headSeq = Math.max(one.queue.headSeq, other.queue.headSeq);
  const level = (answered: HasQueue): HasQueue => ({
    ...answered,
    queue: { headSeq, sentSeq: Math.max(answered.queue.sentSeq, headSeq - 1) },
  });
  return [level(one), level(other)];
}

interface HasQueue {
  readonly queue: { readonly headSeq: number; readonly sentSeq: number };
}

function hasQueue(answered: unknown): answered is HasQueue {
  return typeof answered === 'object' && answered !== null && 'queue' in answered;
}

/** Gives one command to one store, and answers what may be compared. */
async function answer(side: Side, command: Exclude<Command, { is: 'advance' }>, nowMs: number): Promise<unknown> {
  const { sessions, queues, inbound, wills, retained, members, routes } = side.store;
  switch (command.is) {
    case 'acquire': {
      const nonce = `n${side.claims.length}`;
      const request = {
        clientId: command.clientId,
        nonce,
        cleanStart: command.clean,
        sessionExpirySeconds: command.expiry,
        will: willOf(command.will),
        username: command.will === undefined ? undefined : 'ada',
        owner: nodes[command.node] as string,
        receiveMaximum: command.receiveMaximum,
      };
      const acquired = await sessions.acquire(request);
      side.claims.push(acquired.claim);
      const repeated = command.repeat ? await sessions.acquire(request) : acquired;
      expect(repeated).toEqual(acquired);
      return acquiredOf(side, acquired);
    }
    case 'abandon': {
      const at = command.attempt % Math.max(1, side.claims.length);
      return sessions.abandon(side.claim(at).clientId, `n${at}`);
    }
    case 'release': {
      const claim = side.claim(command.claim);
      return sessions.release({
        claim,
        sessionExpirySeconds: command.expiry,
        will: command.will,
        sentSeq: command.sent,
      });
    }
    case 'subscribe':
      return sessions.subscribe(side.claim(command.claim), command.subscriptions.map(subscriptionOf));
    case 'unsubscribe':
      return sessions.unsubscribe(side.claim(command.claim), command.filters);
    case 'enqueue': {
      const batch = command.messages.map(
        (message): Enqueue => ({
          message: messageOf(message, nowMs),
          targets: message.targets.map(({ claim, filters, retained: isRetained }) => {
            const { clientId, generation } = side.claim(claim);
            return { clientId, generation, topicFilters: filters, retained: isRetained };
          }),
          isRefusable: message.refusable,
          uid: message.uid,
        }),
      );
      const outcomes = await queues.enqueue(batch);
      return outcomes.map((each, i) =>
        each?.map((outcome, n) => outcomeOf(side, batch[i]?.targets[n]?.clientId ?? '', outcome)),
      );
    }
    case 'read': {
      const read = await queues.read(side.claim(command.claim), command.from, command.limit);
      return read === 'fenced' ? read : readOf(read);
    }
    case 'ack':
    case 'rec': {
      const { clientId, generation } = side.claim(command.claim);
      return queues[command.is]([{ clientId, generation, seqs: command.seqs }]);
    }
    case 'inbound': {
      const message = { claim: side.claim(command.claim), packetId: command.packetId, uid: `u${command.uid}` };
      return inbound[command.what]([message, { ...message, packetId: 3 }]);
    }
    case 'ended': {
      const ended = await sessions.ended(100);
      if (command.forget) await sessions.forget(ended);
      return ended
        .map(({ clientId, generation, undelivered, topicFilters }) =>
          [clientId, side.generation(generation), undelivered, ...[...topicFilters].sort()].join(' '),
        )
        .sort();
    }
    case 'wills': {
      const due = await wills.claim(100);
      if (command.done) await wills.done(due);
      return due.map(({ will, username, ...claim }) => [side.claimed(claim), username, will]).sort(byFirst);
    }
    case 'retain':
      return retained.set(
        command.messages.map((of) => ({
          message: { ...messageOf(of, nowMs), retain: true },
          // A uid names one message, and so one topic.
          uid: of.uid === undefined ? undefined : `${of.uid} ${of.topic}`,
        })),
      );
    case 'match': {
      const found: string[] = [];
      for await (const page of retained.match(command.filter)) {
        for (const { topic, payload, qos } of page) found.push(`${topic} ${payload.length} ${qos}`);
      }
      return found.sort();
    }
    case 'count':
      return sessions.count();
    case 'ends':
      return queues.ends(command.claims.map((each) => side.claim(each)));
    case 'member':
      return memberAnswer(side, command);
    case 'reap': {
      let reaped = 0;
      for (let cursor: number | undefined = 0; cursor !== undefined; ) {
        const { sessions: some, next }: Reaped = await members.reap(nodes[command.node] as string, cursor);
        reaped += some;
        cursor = next;
      }
      return reaped;
    }
    case 'route': {
      if (command.what === 'put') return routes.put(command.routes.map(routeOf));
      const named = command.routes.map((of) => ({ ...routeOf(of), isStale: of.stale }));
      await routes.removeIf(
        named.map(({ isStale, ...route }) => ({
          ...route,
          version: (side.versions.get(nameOf(route)) ?? 1) - (isStale ? 1 : 0),
        })),
      );
      return routes.version();
    }
  }
}

async function memberAnswer(side: Side, command: Extract<Command, { is: 'member' }>): Promise<unknown> {
  const { members } = side.store;
  const node = nodes[command.node] as string;
  switch (command.what) {
    case 'join':
      return members.join({ node, nodeId: node, address: `127.0.0.1:${command.renewals}`, secret: 'hush' });
    case 'renew': {
      const renewal = await members.renew(node);
      return { ...renewal, members: [...renewal.members].sort((a, b) => (a.node < b.node ? -1 : 1)) };
    }
    case 'bury':
      return members.bury(node, command.renewals);
    case 'forget':
    case 'miss':
      return members[command.what](node);
  }
}

function nameOf(route: Route): string {
  return `${route.topicFilter} ${'node' in route ? route.node : route.generation}`;
}

function acquiredOf(
  side: Side,
  { claim, headSeq, sentSeq, subscriptions, inbound, wills, ...rest }: Acquired,
): unknown {
  return {
    ...rest,
    claim: side.claimed(claim),
    queue: { headSeq, sentSeq },
    subscriptions: [...subscriptions].sort((a, b) => (a.topicFilter < b.topicFilter ? -1 : 1)),
    inbound: inbound.map(({ packetId, uid, isDone }) => `${packetId} ${uid} ${isDone}`).sort(),
    wills: wills.map(({ will, username, ...of }) => [side.claimed(of), username, will]),
  };
}

function outcomeOf(side: Side, clientId: string, outcome: EnqueueOutcome): unknown {
  const owner =
    'owner' in outcome && outcome.owner !== undefined
      ? `${outcome.owner.node} ${side.epoch(clientId, outcome.owner.epoch)}`
      : undefined;
  if (outcome.is !== 'queued') return { ...outcome, owner };
  const { entry, sentSeq } = outcome;
  return { ...outcome, owner, sentSeq: sentSeq >= entry.seq ? sentSeq : 'below' };
}

function readOf({ entries, ...rest }: QueueRead): unknown {
  return { ...rest, entries: entries.map((entry) => ({ ...entry, message: { ...entry.message, frames: undefined } })) };
}

function byFirst([one]: readonly unknown[], [other]: readonly unknown[]): number {
  return String(one) < String(other) ? -1 : 1;
}
