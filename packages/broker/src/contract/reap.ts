// What every store must do with the Sessions of a dead node: each is let go once, as if its Network Connection had been
// lost, whoever reaps and however often [MQTT 3.1.2.5, 3.1.2.11.2, 4.1].

import type { Acquire, Acquired } from '../ports.ts';
import { memberOf, messageOn, subscriptionTo, textOf, willOn } from './samples.ts';
import { type OpenTrial, type StoreTrial, type TestWords, unfenced } from './trial.ts';

/** The suite of {@link Members.reap}. */
export function describeReap(words: TestWords, open: OpenTrial): void {
  describeParked(words, open);
  describeEnded(words, open);
  describeWillsOfTheDead(words, open);
  describeRepeats(words, open);
}

const dead = memberOf('dead');
const alive = memberOf('alive');

/** Reaps may come in as many pages as a store likes, but not without end. */
const pagesMax = 100_000;

function describeParked({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('a stored Session of a dead node', () => {
    it('is parked: nobody owns it, and the next connection resumes it', async () => {
      await using trial = await open();
      const lamp = await subscribedThere(trial, 'lamp');
      expect(await reap(trial)).toBe(1);
      expect(await trial.queue(lamp.claim, messageOn('a'))).toMatchObject({ owner: undefined });
      const next = await trial.acquire('lamp', { owner: alive.node });
      expect(next).toMatchObject({
        sessionPresent: true,
        stored: true,
        previousOwner: undefined,
        subscriptions: [subscriptionTo('a')],
        wills: [],
      });
      expect(next.claim.generation).toBe(lamp.claim.generation);
      expect(next.claim.epoch).toBeGreaterThan(lamp.claim.epoch);
    });

    it('keeps its queue for the next owner, all that was stored before and after', async () => {
      await using trial = await open();
      const { claim } = await subscribedThere(trial, 'lamp');
      for (const text of ['1', '2']) await trial.queue(claim, messageOn('a', text));
      await reap(trial);
      for (const text of ['3', '4']) await trial.queue(claim, messageOn('a', text, { qos: 2 }));
      const next = await trial.acquire('lamp', { owner: alive.node });
      const entries = await trial.readAll(next.claim, next.headSeq);
      expect(entries.map(({ seq, qos, message }) => `${seq} ${qos} ${textOf(message)}`)).toEqual([
        '1 1 1',
        '2 1 2',
        '3 2 3',
        '4 2 4',
      ]);
    });

    it('keeps the PUBRELs it owes, and the QoS 2 messages it has sent and not released [MQTT-4.3.3]', async () => {
      await using trial = await open();
      const { claim } = await subscribedThere(trial, 'lamp');
      for (let i = 1; i <= 4; i++) await trial.queue(claim, messageOn('a', `${i}`, { qos: 2 }));
      await trial.store.queues.rec([{ ...claim, seqs: [3, 1] }]);
      await trial.store.inbound.ingress([5, 9].map((packetId) => ({ claim, packetId, uid: `u${packetId}` })));
      await trial.store.inbound.done([{ claim, packetId: 9, uid: 'u9' }]);
      await reap(trial);
      // What it had acknowledged may come to the store only now.
      await trial.store.queues.ack([{ ...claim, seqs: [2] }]);
      const next = await trial.acquire('lamp', { owner: alive.node });
      expect(next.releases).toEqual([3, 1]);
      expect([...next.inbound].sort((x, y) => x.packetId - y.packetId)).toEqual([
        { packetId: 5, uid: 'u5', isDone: false },
        { packetId: 9, uid: 'u9', isDone: true },
      ]);
      expect((await trial.readAll(next.claim)).map(({ seq }) => seq)).toEqual([4]);
    });

    it('counts as sent what was reserved and is there, for nobody can say any more: not what came later', async () => {
      await using trial = await open();
      const { claim } = await subscribedThere(trial, 'lamp');
      const expiresAtMs = trial.clock.nowMs() + 1000;
      for (const text of ['1', '2']) {
        const { sentSeq } = await trial.queue(claim, messageOn('a', text, { expiresAtMs }));
        expect(sentSeq).toBeGreaterThan(2);
      }
      await reap(trial);
      for (const text of ['3', '4']) await trial.queue(claim, messageOn('a', text, { expiresAtMs }));
      await trial.clock.advance(1000);
      const next = await trial.acquire('lamp', { owner: alive.node });
      expect(next).toMatchObject({ headSeq: 1, sentSeq: 2 });
      const { entries, ...read } = unfenced(await trial.store.queues.read(next.claim, 1, 10));
      expect(entries.map(({ message }) => textOf(message))).toEqual(['1', '2']);
      expect(read).toMatchObject({ expired: 2, nextSeq: 5 });
    });

    it('counts nothing as sent that was never reserved', async () => {
      await using trial = await open();
      const first = await subscribedThere(trial, 'lamp');
      await trial.release(first);
      for (let i = 0; i < 3; i++) await trial.queue(first.claim, messageOn('a'));
      const second = await trial.acquire('lamp', { owner: dead.node });
      unfenced(await trial.store.queues.read(second.claim, 1, 1));
      await reap(trial);
      expect(await trial.acquire('lamp', { owner: alive.node })).toMatchObject({ headSeq: 1, sentSeq: 1 });
    });

    it('takes nothing more from the node that is dead', async () => {
      await using trial = await open();
      const { sessions, queues, inbound } = trial.store;
      const { claim } = await subscribedThere(trial, 'lamp', { will: willOn('status/lamp') });
      await reap(trial);
      expect(await sessions.subscribe(claim, [subscriptionTo('b')])).toBe('fenced');
      expect(await sessions.unsubscribe(claim, ['a'])).toBe('fenced');
      expect(await queues.read(claim, 1, 10)).toBe('fenced');
      expect(await queues.ends([claim])).toEqual(['fenced']);
      expect(await inbound.ingress([{ claim, packetId: 1, uid: 'u1' }])).toEqual(['fenced']);
      expect(await sessions.release({ claim, sessionExpirySeconds: 0, will: 'drop', sentSeq: 0 })).toBe('fenced');
      expect(await trial.acquire('lamp')).toMatchObject({
        sessionPresent: true,
        subscriptions: [subscriptionTo('a')],
        inbound: [],
        wills: [{ will: { topic: 'status/lamp' } }],
      });
    });

    it('expires by its Session Expiry Interval, which runs from the reap [MQTT-3.1.2-23]', async () => {
      await using trial = await open();
      const lamp = await subscribedThere(trial, 'lamp', { sessionExpirySeconds: 60 });
      const never = await subscribedThere(trial, 'never', { sessionExpirySeconds: 0xffff_ffff });
      await trial.queue(lamp.claim, messageOn('a'));
      await trial.clock.advance(3_600_000);
      expect(await reap(trial)).toBe(2);
      await trial.clock.advance(59_999);
      expect(await trial.store.sessions.ended(10)).toEqual([]);
      await trial.clock.advance(1);
      expect(await trial.store.sessions.ended(10)).toEqual([
        { clientId: 'lamp', generation: lamp.claim.generation, undelivered: 1, topicFilters: ['a'] },
      ]);
      expect((await trial.acquire('never')).claim.generation).toBe(never.claim.generation);
    });
  });
}

function describeEnded({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('a Session of a dead node that does not outlive its Network Connection', () => {
    it('ends if it is volatile, and leaves nothing to be dismantled', async () => {
      await using trial = await open();
      const lamp = await subscribedThere(trial, 'lamp', { sessionExpirySeconds: 0 });
      expect(await reap(trial)).toBe(1);
      expect(await trial.store.sessions.count()).toBe(0);
      expect(await trial.store.sessions.ended(10)).toEqual([]);
      expect(await trial.enqueue(lamp.claim, messageOn('a'))).toEqual({ is: 'no_session' });
      expect(await trial.acquire('lamp')).toMatchObject({ sessionPresent: false, previousOwner: undefined });
    });

    it('ends if it was stored and resumed with Session Expiry 0, to be dismantled', async () => {
      await using trial = await open();
      const first = await subscribedThere(trial, 'lamp');
      await trial.queue(first.claim, messageOn('a'));
      const second = await trial.acquire('lamp', { owner: dead.node, sessionExpirySeconds: 0 });
      expect(second.sessionPresent).toBe(true);
      expect(await reap(trial)).toBe(1);
      expect(await trial.store.sessions.count()).toBe(0);
      expect(await trial.store.sessions.ended(10)).toEqual([
        { clientId: 'lamp', generation: first.claim.generation, undelivered: 1, topicFilters: ['a'] },
      ]);
      expect((await trial.acquire('lamp')).sessionPresent).toBe(false);
    });
  });
}

function describeWillsOfTheDead({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('a Will of a Client whose node has died', () => {
    it('is due at once without a delay, for its Network Connection is lost [MQTT-3.1.2-8]', async () => {
      await using trial = await open();
      const lamp = await there(trial, 'lamp', { will: willOn('status/lamp'), username: 'ada' });
      expect(await trial.store.wills.claim(10)).toEqual([]);
      await reap(trial);
      expect(await trial.store.wills.claim(10)).toMatchObject([
        { ...lamp.claim, will: willOn('status/lamp'), username: 'ada' },
      ]);
    });

    it('is due when its delay has passed since the reap, or the Session has expired [MQTT-3.1.3-9]', async () => {
      await using trial = await open();
      const { wills } = trial.store;
      await there(trial, 'delay', { will: willOn('status/delay', 20) });
      await there(trial, 'expiry', { will: willOn('status/expiry', 20), sessionExpirySeconds: 5 });
      await trial.clock.advance(100_000);
      expect(await reap(trial)).toBe(2);
      await trial.clock.advance(4999);
      expect(await wills.claim(10)).toEqual([]);
      await trial.clock.advance(1);
      const first = await wills.claim(10);
      expect(first).toMatchObject([{ clientId: 'expiry' }]);
      await wills.done(first);
      await trial.clock.advance(14_999);
      expect(await wills.claim(10)).toEqual([]);
      await trial.clock.advance(1);
      expect(await wills.claim(10)).toMatchObject([{ clientId: 'delay' }]);
    });

    it('is due at once in spite of a delay if the Session ends with its connection [MQTT-3.1.3-9]', async () => {
      await using trial = await open();
      await there(trial, 'volatile', { will: willOn('status/volatile', 20), sessionExpirySeconds: 0 });
      await there(trial, 'resumed');
      await trial.acquire('resumed', {
        owner: dead.node,
        will: willOn('status/resumed', 20),
        sessionExpirySeconds: 0,
      });
      await reap(trial);
      const due = (await trial.store.wills.claim(10)).map(({ clientId }) => clientId);
      expect(due.sort()).toEqual(['resumed', 'volatile']);
    });

    it('is void if the Client is back before its delay has passed, and goes to the new connection if it is due', async () => {
      await using trial = await open();
      await there(trial, 'back', { will: willOn('status/back', 20) });
      await there(trial, 'late', { will: willOn('status/late', 20) });
      await reap(trial);
      await trial.clock.advance(19_999);
      expect((await trial.acquire('back', { owner: alive.node })).wills).toEqual([]);
      await trial.clock.advance(1);
      expect((await trial.acquire('late', { owner: alive.node })).wills).toMatchObject([
        { will: { topic: 'status/late' } },
      ]);
      expect(await trial.store.wills.claim(10)).toEqual([]);
    });

    it('is due once, though two nodes reap at the same time, and one of them again', async () => {
      await using trial = await open();
      const { members, wills } = trial.store;
      const clientIds = Array.from({ length: 20 }, (_, i) => `c${i}`);
      await Promise.all(clientIds.map((clientId) => there(trial, clientId, { will: willOn(`status/${clientId}`) })));
      await bury(trial);
      const counts = await Promise.all([reapAll(trial), reapAll(trial)]);
      expect(counts[0] + counts[1]).toBe(20);
      const due = await wills.claim(100);
      await wills.done(due);
      expect(due.map(({ clientId }) => clientId).sort()).toEqual(clientIds.sort());
      expect(await reapAll(trial)).toBe(0);
      await members.forget(dead.node);
      expect(await reapAll(trial)).toBe(0);
      await trial.clock.advance(60_000);
      expect(await wills.claim(100)).toEqual([]);
    });
  });
}

function describeRepeats({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('reap', () => {
    it('leaves alone a Session that another node has acquired, before it or between', async () => {
      await using trial = await open();
      await there(trial, 'taken', { will: willOn('status/old') });
      const taken = await trial.acquire('taken', { owner: alive.node, will: willOn('status/new') });
      await trial.store.wills.done(taken.wills);
      await there(trial, 'parked', { will: willOn('status/parked', 20) });
      expect(await reap(trial)).toBe(1);
      const parked = await trial.acquire('parked', { owner: alive.node, will: willOn('status/parked') });
      expect(await reapAll(trial)).toBe(0);
      for (const { claim } of [taken, parked]) {
        unfenced(await trial.store.sessions.subscribe(claim, [subscriptionTo('a')]));
        expect(await trial.queue(claim, messageOn('a'))).toMatchObject({
          owner: { node: alive.node, epoch: claim.epoch },
        });
      }
      await trial.clock.advance(60_000);
      expect(await trial.store.wills.claim(10)).toEqual([]);
      expect(await trial.release(taken, { will: 'publish' })).toMatchObject({ willDueInMs: 0 });
    });

    it('leaves alone a volatile Session in the place of one that the dead node had', async () => {
      await using trial = await open();
      await there(trial, 'lamp', { sessionExpirySeconds: 0 });
      const { claim } = await trial.acquire('lamp', { owner: alive.node, sessionExpirySeconds: 0 });
      expect(await reap(trial)).toBe(0);
      expect(await trial.store.sessions.subscribe(claim, [subscriptionTo('a')])).toEqual([false]);
      expect(await trial.store.sessions.count()).toBe(1);
    });

    it('leaves alone the Sessions of all other nodes, a namesake among them, and those that nobody owns', async () => {
      await using trial = await open();
      const again = memberOf('dead', '2');
      const owners = [alive.node, again.node, `${dead.node}0`, 'dead'];
      const theirs: Acquired[] = [];
      for (const owner of owners) theirs.push(await trial.acquire(`of ${owner}`, { owner, will: willOn('status') }));
      const away = await trial.acquire('away', { owner: dead.node, sessionExpirySeconds: 60 });
      await trial.release(away, { sessionExpirySeconds: 60, will: 'drop' });
      await there(trial, 'lamp');
      await trial.clock.advance(30_000);
      expect(await reap(trial)).toBe(1);
      expect(await trial.store.queues.ends(theirs.map(({ claim }) => claim))).toEqual([1, 1, 1, 1]);
      expect(await trial.store.wills.claim(10)).toEqual([]);
      // The interval of a Session whose Client had left runs on.
      await trial.clock.advance(30_000);
      expect(await trial.store.sessions.ended(10)).toMatchObject([{ clientId: 'away' }]);
    });

    it('lets go of all there are, some at a time, each once', async () => {
      await using trial = await open();
      const count = 1000;
      const clientIds = Array.from({ length: count }, (_, i) => `c${i}`);
      const sessionExpirySeconds = (i: number): number => (i % 2 === 0 ? 0 : 3600);
      await Promise.all(
        clientIds.map((clientId, i) => there(trial, clientId, { sessionExpirySeconds: sessionExpirySeconds(i) })),
      );
      const others = await Promise.all(
        clientIds.slice(0, 50).map((clientId) => trial.acquire(`other ${clientId}`, { owner: alive.node })),
      );
      await bury(trial);
      const pages: number[] = [];
      expect(await reapAll(trial, (sessions) => pages.push(sessions))).toBe(count);
      expect(pages.length).toBeGreaterThan(1);
      expect(Math.max(...pages)).toBeLessThan(count);
      expect(await trial.store.sessions.count()).toBe(count / 2 + others.length);
      expect(await reapAll(trial)).toBe(0);
      const ends = await trial.store.queues.ends(others.map(({ claim }) => claim));
      expect(ends.filter((end) => end === 'fenced')).toEqual([]);
    });

    it('finds nothing to let go of where a node had no Sessions, or is not known', async () => {
      await using trial = await open();
      await trial.acquire('lamp', { owner: alive.node });
      expect(await reap(trial)).toBe(0);
      await trial.store.members.forget(dead.node);
      expect(await reapAll(trial)).toBe(0);
      expect(await trial.acquire('lamp')).toMatchObject({ sessionPresent: true, previousOwner: alive.node });
    });
  });
}

/** Acquires a Session for the node that will die. */
function there(trial: StoreTrial, clientId: string, fields: Partial<Acquire> = {}): Promise<Acquired> {
  return trial.acquire(clientId, { owner: dead.node, ...fields });
}

/** The same, subscribed to `a`. */
function subscribedThere(trial: StoreTrial, clientId: string, fields: Partial<Acquire> = {}): Promise<Acquired> {
  return trial.subscribed(clientId, [subscriptionTo('a')], { owner: dead.node, ...fields });
}

/** The node dies, and all that it owned is let go. @returns how many Sessions that were */
async function reap(trial: StoreTrial): Promise<number> {
  await bury(trial);
  return reapAll(trial);
}

/** The node has joined, and its lease is ended. */
async function bury(trial: StoreTrial): Promise<void> {
  const { members } = trial.store;
  await members.join(dead);
  await members.join(alive);
  const lease = (await members.renew(alive.node)).members.find(({ node }) => node === dead.node);
  if (!(await members.bury(dead.node, lease?.renewals ?? -1))) throw new Error('the node that was to be dead is not');
}

/** Reaps page by page to the end. @returns how many Sessions were let go */
async function reapAll(trial: StoreTrial, page?: (sessions: number) => void): Promise<number> {
  let total = 0;
  let cursor: number | undefined = 0;
  for (let pages = 0; cursor !== undefined; pages++) {
    if (pages === pagesMax) throw new Error('the reap does not end');
    const reaped: { readonly sessions: number; readonly next: number | undefined } = await trial.store.members.reap(
      dead.node,
      cursor,
    );
    page?.(reaped.sessions);
    total += reaped.sessions;
    cursor = reaped.next;
  }
  return total;
}
