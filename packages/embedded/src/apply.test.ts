import { type Acquire, memory } from '@skein/broker';
import type { QoS } from '@skein/protocol';
import { Reader, Texts, Writer } from '@skein/stored';
import { expect, it } from 'vitest';
import { apply } from './apply.ts';
import { type Call, decodeCall, encodeCall } from './call.ts';
import type { Claim } from './parts.ts';

const limits = {
  queueMaxMessages: 10,
  queueMaxBytes: 100_000,
  queueFull: 'drop-new',
  retainedMaxMessages: 10,
} as const;
const { sessions, queues, feeds, inbound, shared } = memory;
const jobs = '$share/g/jobs';

/** A state on which calls are made, and one on which they are made again, from their records. */
class Twins {
  readonly lived: memory.MemoryState = new memory.MemoryState(limits);
  readonly replayed: memory.MemoryState = new memory.MemoryState(limits);
  readonly kinds: Set<string> = new Set();
  nowMs = 1_000_000;

  /** Makes a call, and makes it again. */
  make<Answer>(call: Call, live: (state: memory.MemoryState, nowMs: number) => Answer): Answer {
    const answer = live(this.lived, this.nowMs);
    const out = new Writer();
    encodeCall(out, call, this.nowMs);
    const record = decodeCall(new Reader(out.take(), 'journal', new Texts()));
    apply(this.replayed, record.call, record.nowMs);
    this.kinds.add(call.is);
    expect(piecesOf(this.replayed), call.is).toEqual(piecesOf(this.lived));
    return answer;
  }

  acquire(clientId: string, changed: Partial<Acquire> = {}): Claim {
    const request = requestOf(clientId, changed);
    const generation = `g-${clientId}`;
    const call = { is: 'acquire', request, generation, lastEpoch: this.lived.epoch } as const;
    return this.make(call, (state, nowMs) => sessions.acquire(state, request, generation, nowMs)).claim;
  }

  subscribe(claim: Claim, topicFilter: string): void {
    const options = { qos: 2, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    const subscriptions = [{ topicFilter, ...options, subscriptionIdentifier: 7 }];
    this.make({ is: 'subscribe', claim, subscriptions }, (state) => sessions.subscribe(state, claim, subscriptions));
  }

  enqueue({ clientId, generation }: Claim, topicFilter: string, qos: QoS): void {
    const targets = [{ clientId, generation, topicFilters: [topicFilter] }];
    const batch = [{ message: messageOf('t', qos), targets, isRefusable: true, uid: 'u' }];
    this.make({ is: 'enqueue', batch }, (state, nowMs) => queues.enqueue(state, batch, nowMs));
  }

  release(claim: Claim, will: 'publish' | 'drop', sessionExpirySeconds: number): void {
    const request = { claim, sessionExpirySeconds, will, sentSeq: 0 };
    this.make({ is: 'release', request }, (state, nowMs) => sessions.release(state, request, nowMs));
  }
}

function requestOf(clientId: string, changed: Partial<Acquire>): Acquire {
  const nothing = { cleanStart: false, will: undefined, username: undefined };
  return {
    clientId,
    nonce: clientId,
    ...nothing,
    sessionExpirySeconds: 60,
    owner: 'n1',
    receiveMaximum: 2,
    ...changed,
  };
}

function messageOf(topic: string, qos: QoS = 1): Parameters<typeof feeds.append>[1]['messages'][number] {
  const payload = Uint8Array.of(1, 2, 3);
  const rest = { retain: true, properties: undefined, publisherId: 'p', expiresAtMs: 0, frames: undefined };
  return { topic, payload, qos, ...rest };
}

function piecesOf(state: memory.MemoryState): memory.StateItem[] {
  const items: memory.StateItem[] = [];
  const snapshot = new memory.Snapshot(state, (item) => items.push(structuredClone(item)));
  while (snapshot.step());
  return items;
}

it('every call that is made again does what it did: a night in a workshop', () => {
  const twins = new Twins();
  const will = { topic: 'gone', payload: Uint8Array.of(1), qos: 1 as const, retain: false, properties: undefined };
  twins.make({ is: 'limits', limits: { ...limits, queueFull: 'drop-old' } }, (state) => {
    state.limits = { ...limits, queueFull: 'drop-old' };
  });
  expect(twins.replayed.limits.queueFull).toBe('drop-old');

  // A lamp connects and subscribes; what comes for it is read, acknowledged, received.
  const lamp = twins.acquire('lamp', { will, username: 'ada' });
  twins.subscribe(lamp, 't');
  twins.subscribe(lamp, 'site/#');
  for (const qos of [1, 2, 1] as const) {
    twins.nowMs += 1;
    const { clientId, generation } = lamp;
    const batch = [
      {
        message: messageOf('t', qos),
        targets: [{ clientId, generation, topicFilters: ['t'] }],
        isRefusable: true,
        uid: undefined,
      },
    ];
    twins.make({ is: 'enqueue', batch }, (state, nowMs) => queues.enqueue(state, batch, nowMs));
  }
  const { clientId, generation } = lamp;
  const read = { claim: lamp, fromSeq: 1, limit: 10 };
  twins.make({ is: 'read', ...read }, (state, nowMs) => queues.read(state, lamp, 1, 10, nowMs));
  const acks = [{ clientId, generation, seqs: [1] }];
  twins.make({ is: 'ack', acks }, (state) => queues.ack(state, acks));
  const recs = [{ clientId, generation, seqs: [2] }];
  twins.make({ is: 'rec', recs }, (state) => queues.rec(state, recs));

  // It gets what was retained, and sends something at QoS 2.
  const sets = [{ message: messageOf('site/1'), uid: 'r1', order: { epoch: 1, n: 1 } }];
  twins.make({ is: 'retain', sets }, (state, nowMs) =>
    sets.map((set) => state.retained.set(set, state.limits.retainedMaxMessages, nowMs)),
  );
  const page = {
    claim: lamp,
    topicFilter: 'site/#',
    from: '',
    to: undefined,
    messages: [messageOf('site/1')],
    sinceSeq: 4,
  };
  const appended = twins.make({ is: 'append', page }, (state) => feeds.append(state, page));
  expect(appended.is).toBe('appended');
  const ingress = [{ claim: lamp, packetId: 9, uid: 'q2' }];
  twins.make({ is: 'ingress', received: ingress }, (state) => inbound.ingress(state, ingress));
  twins.make({ is: 'inbound_done', published: ingress }, (state) => inbound.done(state, ingress));
  twins.make({ is: 'inbound_release', released: ingress }, (state) => inbound.release(state, ingress));
  twins.make({ is: 'unsubscribe', claim: lamp, topicFilters: ['site/#'] }, (state) =>
    sessions.unsubscribe(state, lamp, ['site/#']),
  );

  // It goes without a word: its Will is taken, and published.
  twins.release(lamp, 'publish', 60);
  const keys = sessions.dueWills(twins.lived, 10, twins.nowMs);
  expect(keys).toHaveLength(1);
  const wills = twins.make({ is: 'take_wills', keys }, (state, nowMs) => sessions.takeWills(state, keys, nowMs));
  twins.make({ is: 'wills_done', wills }, (state) => sessions.doneWills(state, wills));

  // Somebody takes its Session, and cannot say whether that happened.
  const taking = twins.acquire('lamp', { nonce: 'again' });
  const effect = sessions.abandonable(twins.lived, 'lamp', 'again');
  if (effect === undefined) throw new Error('nothing was acquired');
  expect(effect.claim).toEqual(taking);
  twins.make({ is: 'abandoned', effect }, (state, nowMs) => sessions.abandoned(state, effect, nowMs));

  // A worker of a shared group leaves what it had to others, or to nobody.
  const worker = twins.acquire('worker');
  twins.subscribe(worker, jobs);
  twins.release(worker, 'drop', 60);
  twins.enqueue(worker, jobs, 1);
  const choices = [{ uid: 'u', sharedFilter: jobs, member: worker.generation, instead: undefined }];
  twins.make({ is: 'choose', choices }, (state, nowMs) => shared.choose(state, choices, nowMs));
  twins.nowMs += 6000;
  const left = { clientId: worker.clientId, generation: worker.generation, isOver: false };
  const taken = twins.make({ is: 'take', session: left, sharedFilters: [jobs], limit: 10 }, (state, nowMs) =>
    shared.take(state, left, [jobs], 10, nowMs),
  );
  expect(taken).toHaveLength(1);
  twins.make({ is: 'taken_done', taken }, (state, nowMs) => shared.done(state, taken, nowMs));
  twins.make({ is: 'pass', session: left }, (state, nowMs) => shared.pass(state, left, nowMs));

  // Sessions end, and are forgotten. Nodes and processes do.
  twins.nowMs += 120_000;
  const expired = sessions.expired(twins.lived, 10, twins.nowMs);
  expect(expired).toHaveLength(2);
  twins.make({ is: 'expire', keys: expired }, (state, nowMs) => sessions.expire(state, expired, nowMs));
  const generations = [...twins.lived.ended.keys()];
  expect(generations).toHaveLength(2);
  twins.make({ is: 'forget', generations }, (state) =>
    sessions.forget(
      state,
      generations.map((each) => ({ generation: each })),
    ),
  );
  twins.acquire('bell', { owner: 'n2' });
  twins.acquire('door');
  const owned = sessions.ownedBy(twins.lived, 'n2', 10);
  expect(owned).toHaveLength(1);
  twins.make({ is: 'let_go', keys: owned }, (state, nowMs) => sessions.letGo(state, owned, nowMs));
  expect(twins.replayed.sessions.get('bell')?.owner).toBeUndefined();
  twins.make({ is: 'skip_ahead', by: 65_536 }, (state) => sessions.skipAhead(state, 65_536));
  expect(twins.replayed.sessions.get('door')?.nextSeq).toBe(65_537);
  twins.make({ is: 'restart' }, (state, nowMs) => sessions.restart(state, nowMs));
  expect(twins.replayed.sessions.get('door')?.owner).toBeUndefined();
  expect(twins.kinds.size).toBe(26);
});

it('an acquire gets its epoch again, also behind others of which no record was made', () => {
  const twins = new Twins();
  sessions.acquire(twins.lived, requestOf('passer-by', { sessionExpirySeconds: 0 }), 'g', twins.nowMs);
  const request = requestOf('lamp', {});
  const { epoch: lastEpoch } = twins.lived;
  const { claim } = sessions.acquire(twins.lived, request, 'g-lamp', twins.nowMs);
  apply(twins.replayed, { is: 'acquire', request, generation: 'g-lamp', lastEpoch }, twins.nowMs);
  expect(twins.replayed.claimed(claim)?.clientId).toBe('lamp');
});
