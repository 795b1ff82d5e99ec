// What every store must do with Sessions: who owns one, whether it is resumed, what it has subscribed to
// [MQTT 3.1.2.4, 3.1.4, 3.8.4, 4.1].

import { acquireOf, messageOn, subscriptionTo, willOn } from './samples.ts';
import { type OpenTrial, type TestWords, unfenced } from './trial.ts';

/** The suite of {@link Sessions}. */
export function describeSessions(words: TestWords, open: OpenTrial): void {
  describeAcquire(words, open);
  describeUnknownOutcome(words, open);
  describeGenerations(words, open);
  describeSubscriptions(words, open);
}

function describeAcquire({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('acquire', () => {
    it('makes a new Session where there is none [MQTT-3.1.2-6]', async () => {
      await using trial = await open();
      const { claim, ...state } = await trial.acquire('lamp');
      expect(claim.clientId).toBe('lamp');
      expect(state).toEqual({
        stored: true,
        sessionPresent: false,
        previousOwner: undefined,
        subscriptions: [],
        headSeq: 1,
        sentSeq: 0,
        releases: [],
        inbound: [],
        wills: [],
        feeds: [],
      });
      expect(await trial.store.sessions.count()).toBe(1);
    });

    it('resumes the Session that a connection left behind, with all it had [MQTT-3.1.2-5]', async () => {
      await using trial = await open();
      const first = await trial.subscribed('lamp', [subscriptionTo('a', { subscriptionIdentifier: 7 })]);
      await trial.store.inbound.ingress([{ claim: first.claim, packetId: 5, uid: 'u5' }]);
      await trial.release(first);
      await trial.queue(first.claim, messageOn('a'));

      const second = await trial.acquire('lamp');
      expect(second).toMatchObject({
        sessionPresent: true,
        stored: true,
        previousOwner: undefined,
        subscriptions: [subscriptionTo('a', { subscriptionIdentifier: 7 })],
        headSeq: 1,
        sentSeq: 0,
        inbound: [{ packetId: 5, uid: 'u5', isDone: false }],
      });
      expect(second.claim.generation).toBe(first.claim.generation);
      expect(second.claim.epoch).toBeGreaterThan(first.claim.epoch);
      expect(await trial.readAll(second.claim)).toHaveLength(1);
    });

    it('begins anew with Clean Start, whatever there was [MQTT-3.1.2-4]', async () => {
      await using trial = await open();
      const first = await trial.subscribed('lamp', [subscriptionTo('a')]);
      await trial.queue(first.claim, messageOn('a'));
      await trial.store.inbound.ingress([{ claim: first.claim, packetId: 5, uid: 'u5' }]);
      await trial.release(first);

      const second = await trial.acquire('lamp', { cleanStart: true });
      expect(second).toMatchObject({ sessionPresent: false, subscriptions: [], headSeq: 1, sentSeq: 0, inbound: [] });
      expect(second.claim.generation === first.claim.generation).toBe(false);
      expect(await trial.readAll(second.claim)).toEqual([]);
      expect(await trial.enqueue(first.claim, messageOn('a'))).toEqual({ is: 'no_session' });
    });

    it('takes a Session over from the node that holds it [MQTT-3.1.4-3]', async () => {
      await using trial = await open();
      const first = await trial.subscribed('lamp', [subscriptionTo('a')], { owner: 'node-a' });
      const second = await trial.acquire('lamp', { owner: 'node-b' });
      expect(second).toMatchObject({ sessionPresent: true, previousOwner: 'node-a' });
      expect(second.claim.generation).toBe(first.claim.generation);
      expect(second.claim.epoch).toBeGreaterThan(first.claim.epoch);
      expect(await trial.queue(second.claim, messageOn('a'))).toMatchObject({
        owner: { node: 'node-b', epoch: second.claim.epoch },
      });
    });

    it('gives every connection of a Client a greater epoch, over generations and in the same millisecond', async () => {
      await using trial = await open();
      let epoch = 0;
      for (let i = 0; i < 12; i++) {
        const { claim } = await trial.acquire('lamp', {
          cleanStart: i % 3 === 0,
          sessionExpirySeconds: i % 2 === 0 ? 0 : 60,
        });
        expect(claim.epoch).toBeGreaterThan(epoch);
        epoch = claim.epoch;
        if (i % 4 === 0) await trial.release({ claim }, { sessionExpirySeconds: 0 });
      }
    });

    it('lets the epoch grow although the wall clock was set back', async () => {
      await using trial = await open();
      const first = await trial.acquire('lamp');
      trial.clock.stepWall(-3_600_000);
      const second = await trial.acquire('lamp');
      expect(second.claim.epoch).toBeGreaterThan(first.claim.epoch);
    });
  });

  describe('a claim that is no longer the current one', () => {
    it('is refused by every write, and changes nothing', async () => {
      await using trial = await open();
      const { store } = trial;
      const old = await trial.subscribed('lamp', [subscriptionTo('a')], { will: willOn('will/old', 10) });
      await trial.store.inbound.ingress([{ claim: old.claim, packetId: 1, uid: 'u1' }]);
      const now = await trial.acquire('lamp', { will: willOn('will/new') });
      await trial.queue(now.claim, messageOn('a'));

      expect(await store.sessions.subscribe(old.claim, [subscriptionTo('b')])).toBe('fenced');
      expect(await store.sessions.unsubscribe(old.claim, ['a'])).toBe('fenced');
      expect(await store.queues.read(old.claim, 1, 10)).toBe('fenced');
      expect(
        await store.sessions.release({ claim: old.claim, sessionExpirySeconds: 0, will: 'publish', sentSeq: 9 }),
      ).toBe('fenced');
      expect(await store.inbound.ingress([{ claim: old.claim, packetId: 2, uid: 'u2' }])).toEqual(['fenced']);
      expect(await store.wills.claim(10)).toEqual([]);

      const next = await trial.acquire('lamp');
      expect(next).toMatchObject({ sessionPresent: true, subscriptions: [subscriptionTo('a')] });
      expect(next.inbound.map(({ packetId }) => packetId)).toEqual([1]);
      expect(next.wills).toMatchObject([{ will: { topic: 'will/new' } }]);
    });

    it('is refused after its own release, until the Client is back', async () => {
      await using trial = await open();
      const { store } = trial;
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('a')]);
      await trial.release({ claim });
      expect(await store.sessions.release({ claim, sessionExpirySeconds: 0, will: 'drop', sentSeq: 0 })).toBe('fenced');
      expect(await store.sessions.subscribe(claim, [subscriptionTo('b')])).toBe('fenced');
      expect(await store.queues.read(claim, 1, 1)).toBe('fenced');
      expect(await store.inbound.ingress([{ claim, packetId: 1, uid: 'u1' }])).toEqual(['fenced']);
      expect(await trial.acquire('lamp')).toMatchObject({
        sessionPresent: true,
        subscriptions: [subscriptionTo('a')],
        inbound: [],
      });
    });

    it('is refused in a newer generation that happens to have its epoch', async () => {
      await using trial = await open();
      const { claim } = await trial.acquire('lamp');
      const forged = { ...claim, generation: 'of-long-ago' };
      expect(await trial.store.sessions.subscribe(forged, [subscriptionTo('a')])).toBe('fenced');
      expect((await trial.acquire('lamp')).subscriptions).toEqual([]);
    });
  });
}

function describeUnknownOutcome({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('an acquire whose outcome is unknown', () => {
    it('gets the same answer when it is repeated', async () => {
      await using trial = await open();
      await trial.release(await trial.acquire('lamp', { will: willOn('status/lamp', 100) }), { will: 'publish' });
      const request = acquireOf('lamp', { cleanStart: true });
      const first = await trial.store.sessions.acquire(request);
      const second = await trial.store.sessions.acquire(request);
      expect(second).toEqual(first);
      expect(first.wills).toHaveLength(1);
      unfenced(await trial.store.sessions.subscribe(first.claim, [subscriptionTo('a')]));
    });

    it('can be abandoned: the Session is let go, without the Will of a connection that never was', async () => {
      await using trial = await open();
      const { sessions, wills } = trial.store;
      const request = acquireOf('lamp', { sessionExpirySeconds: 10, will: willOn('status/never') });
      const { claim } = await sessions.acquire(request);
      expect(await sessions.abandon('lamp', request.nonce)).toBe(true);
      await sessions.abandon('lamp', request.nonce);
      expect(await sessions.subscribe(claim, [subscriptionTo('a')])).toBe('fenced');
      await trial.clock.advance(10_000);
      expect(await wills.claim(10)).toEqual([]);
      expect(await sessions.ended(10)).toMatchObject([{ clientId: 'lamp' }]);
    });

    it('gives back, when it is abandoned, the Wills that it was to publish', async () => {
      await using trial = await open();
      await trial.acquire('lamp', { will: willOn('status/lamp') });
      const request = acquireOf('lamp');
      await trial.store.sessions.acquire(request);
      await trial.store.sessions.abandon('lamp', request.nonce);
      expect(await trial.store.wills.claim(10)).toMatchObject([{ will: { topic: 'status/lamp' } }]);
      expect(await trial.store.wills.claim(10)).toEqual([]);
    });

    it('is left alone by an abandon that comes after the Session was acquired again, or was never acquired', async () => {
      await using trial = await open();
      const { sessions } = trial.store;
      expect(await sessions.abandon('lamp', 'never-was')).toBe(false);
      const request = acquireOf('lamp');
      await sessions.acquire(request);
      const { claim } = await trial.acquire('lamp', { will: willOn('status/lamp') });
      expect(await sessions.abandon('lamp', request.nonce)).toBe(false);
      unfenced(await sessions.subscribe(claim, [subscriptionTo('a')]));
      expect(await trial.release({ claim }, { will: 'publish' })).toMatchObject({ willDueInMs: 0 });
    });

    it('leaves the Session as it was, but for who owns it', async () => {
      await using trial = await open();
      const first = await trial.subscribed('lamp', [subscriptionTo('a')]);
      await trial.queue(first.claim, messageOn('a', '1'));
      await trial.release(first, { sentSeq: 0 });
      const request = acquireOf('lamp');
      await trial.store.sessions.acquire(request);
      await trial.store.sessions.abandon('lamp', request.nonce);
      await trial.queue(first.claim, messageOn('a', '2'));
      const second = await trial.acquire('lamp');
      expect(second).toMatchObject({ sessionPresent: true, sentSeq: 0, subscriptions: [subscriptionTo('a')] });
      expect(await trial.readAll(second.claim)).toHaveLength(2);
    });
  });
}

function describeGenerations({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('one path per session: whether a generation is stored', () => {
    it('follows from the CONNECT that made it', async () => {
      await using trial = await open();
      expect((await trial.acquire('a', { sessionExpirySeconds: 0 })).stored).toBe(false);
      expect((await trial.acquire('b', { sessionExpirySeconds: 1 })).stored).toBe(true);
      expect((await trial.acquire('c', { sessionExpirySeconds: 0xffff_ffff })).stored).toBe(true);
    });

    it('stays as it is when a stored Session is resumed with Session Expiry 0, and ends with that connection', async () => {
      await using trial = await open();
      await trial.release(await trial.acquire('lamp'));
      const second = await trial.acquire('lamp', { sessionExpirySeconds: 0 });
      expect(second).toMatchObject({ sessionPresent: true, stored: true });
      expect(await trial.release(second, { sessionExpirySeconds: 0 })).toMatchObject({ ended: true });
      expect(await trial.store.sessions.ended(10)).toHaveLength(1);
    });

    it('begins anew where a volatile Session is followed by a lasting one', async () => {
      await using trial = await open();
      const first = await trial.acquire('lamp', { sessionExpirySeconds: 0 });
      const second = await trial.acquire('lamp', { sessionExpirySeconds: 60 });
      expect(second).toMatchObject({ sessionPresent: false, stored: true });
      expect(second.claim.generation === first.claim.generation).toBe(false);
    });

    it('leaves nothing of a volatile one to be dismantled', async () => {
      await using trial = await open();
      const lamp = await trial.acquire('lamp', { sessionExpirySeconds: 0 });
      expect(await trial.release(lamp, { sessionExpirySeconds: 0 })).toMatchObject({ ended: true });
      expect(await trial.store.sessions.ended(10)).toEqual([]);
      expect(await trial.store.sessions.count()).toBe(0);
    });
  });
}

function describeSubscriptions({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('subscribe and unsubscribe', () => {
    it('say of each filter whether there was a Subscription [MQTT-3.8.4-3, MQTT-3.10.4-5]', async () => {
      await using trial = await open();
      const { sessions } = trial.store;
      const { claim } = await trial.acquire('lamp');
      expect(await sessions.subscribe(claim, [subscriptionTo('a'), subscriptionTo('b/+')])).toEqual([false, false]);
      expect(await sessions.subscribe(claim, [subscriptionTo('c'), subscriptionTo('a'), subscriptionTo('c')])).toEqual([
        false,
        true,
        true,
      ]);
      expect(await sessions.unsubscribe(claim, ['b/+', 'b/#', 'a', 'a'])).toEqual([true, false, true, false]);
      expect((await trial.acquire('lamp')).subscriptions).toEqual([subscriptionTo('c')]);
    });

    it('put the options of the last SUBSCRIBE in place of the earlier ones [MQTT-3.8.4-3]', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('a', { subscriptionIdentifier: 1 })]);
      const latest = subscriptionTo('a', { qos: 1, noLocal: true, retainAsPublished: true, retainHandling: 2 });
      unfenced(await trial.store.sessions.subscribe(claim, [latest]));
      expect((await trial.acquire('lamp')).subscriptions).toEqual([latest]);
      expect((await trial.queue(claim, messageOn('a', 'x', { qos: 2 }))).entry).toMatchObject({
        qos: 1,
        subscriptionIdentifiers: undefined,
      });
    });

    it('may be repeated after an unknown outcome', async () => {
      await using trial = await open();
      const { sessions } = trial.store;
      const { claim } = await trial.acquire('lamp');
      for (let i = 0; i < 2; i++) unfenced(await sessions.subscribe(claim, [subscriptionTo('a'), subscriptionTo('b')]));
      for (let i = 0; i < 2; i++) unfenced(await sessions.unsubscribe(claim, ['b']));
      expect((await trial.acquire('lamp')).subscriptions).toEqual([subscriptionTo('a')]);
    });
  });
}
