// What every store must do with Sessions: who owns one, whether it is resumed, when it ends [MQTT 3.1.2.4, 3.1.4, 4.1].

import { messageOn, subscriptionTo, willOn } from './samples.ts';
import { type OpenTrial, type TestWords, unfenced } from './trial.ts';

const neverExpires = 0xffff_ffff;

/** The suite of {@link Sessions}. */
export function describeSessions(words: TestWords, open: OpenTrial): void {
  describeAcquire(words, open);
  describeExpiry(words, open);
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
      });
      expect(await trial.store.sessions.count()).toBe(1);
    });

    it('resumes the Session that a connection left behind, with all it had [MQTT-3.1.2-5]', async () => {
      await using trial = await open();
      const first = await trial.subscribed('lamp', [subscriptionTo('a', { subscriptionIdentifier: 7 })]);
      await trial.store.inbound.ingress([{ claim: first.claim, packetId: 5 }]);
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
        inbound: [5],
      });
      expect(second.claim.generation).toBe(first.claim.generation);
      expect(second.claim.epoch).toBeGreaterThan(first.claim.epoch);
      expect(await trial.readAll(second.claim)).toHaveLength(1);
    });

    it('begins anew with Clean Start, whatever there was [MQTT-3.1.2-4]', async () => {
      await using trial = await open();
      const first = await trial.subscribed('lamp', [subscriptionTo('a')]);
      await trial.queue(first.claim, messageOn('a'));
      await trial.store.inbound.ingress([{ claim: first.claim, packetId: 5 }]);
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
      expect(await trial.queue(second.claim, messageOn('a'))).toMatchObject({ owner: 'node-b' });
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
      await trial.store.inbound.ingress([{ claim: old.claim, packetId: 1 }]);
      const now = await trial.acquire('lamp', { will: willOn('will/new') });
      await trial.queue(now.claim, messageOn('a'));

      expect(await store.sessions.subscribe(old.claim, [subscriptionTo('b')])).toBe('fenced');
      expect(await store.sessions.unsubscribe(old.claim, ['a'])).toBe('fenced');
      expect(await store.queues.read(old.claim, 1, 10)).toBe('fenced');
      expect(
        await store.sessions.release({ claim: old.claim, sessionExpirySeconds: 0, will: 'publish', sentSeq: 9 }),
      ).toBe('fenced');
      expect(await store.inbound.ingress([{ claim: old.claim, packetId: 2 }])).toEqual(['fenced']);
      expect(await store.wills.claim(10)).toEqual([]);

      const next = await trial.acquire('lamp');
      expect(next).toMatchObject({ sessionPresent: true, subscriptions: [subscriptionTo('a')], inbound: [1] });
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
      expect(await store.inbound.ingress([{ claim, packetId: 1 }])).toEqual(['fenced']);
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

function describeExpiry({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('the Session Expiry Interval [MQTT-3.1.2-23]', () => {
    it('keeps a Session up to its last moment, and no longer', async () => {
      await using trial = await open();
      const first = await trial.acquire('lamp');
      await trial.release(first, { sessionExpirySeconds: 60 });
      await trial.clock.advance(59_999);
      const second = await trial.acquire('lamp');
      expect(second.sessionPresent).toBe(true);
      await trial.release(second, { sessionExpirySeconds: 60 });
      await trial.clock.advance(60_000);
      const third = await trial.acquire('lamp');
      expect(third.sessionPresent).toBe(false);
      expect(third.claim.generation === first.claim.generation).toBe(false);
    });

    it('does not run while the Client is connected', async () => {
      await using trial = await open();
      await trial.acquire('lamp', { sessionExpirySeconds: 1 });
      await trial.clock.advance(3_600_000);
      expect(await trial.store.sessions.ended(10)).toEqual([]);
      expect(await trial.acquire('lamp')).toMatchObject({ sessionPresent: true });
    });

    it('never passes if it is 0xFFFFFFFF', async () => {
      await using trial = await open();
      const first = await trial.acquire('lamp', { sessionExpirySeconds: neverExpires });
      await trial.release(first, { sessionExpirySeconds: neverExpires });
      await trial.clock.advance(0xffff_ffff * 1000 * 10);
      expect(await trial.store.sessions.ended(10)).toEqual([]);
      expect((await trial.acquire('lamp')).sessionPresent).toBe(true);
    });

    it('is the one named at the end of the connection, shorter or longer than CONNECT asked', async () => {
      await using trial = await open();
      const short = await trial.acquire('short', { sessionExpirySeconds: 3600 });
      const long = await trial.acquire('long', { sessionExpirySeconds: 1 });
      await trial.release(short, { sessionExpirySeconds: 10 });
      await trial.release(long, { sessionExpirySeconds: 3600 });
      await trial.clock.advance(10_000);
      expect((await trial.acquire('short')).sessionPresent).toBe(false);
      expect((await trial.acquire('long')).sessionPresent).toBe(true);
    });

    it('of 0 ends the Session with its connection', async () => {
      await using trial = await open();
      const first = await trial.acquire('lamp');
      expect(await trial.release(first, { sessionExpirySeconds: 0 })).toEqual({ ended: true, willDueInMs: undefined });
      expect((await trial.acquire('lamp')).sessionPresent).toBe(false);
    });

    it('of 0 ends it as well if the connection is taken over', async () => {
      await using trial = await open();
      const first = await trial.acquire('lamp', { sessionExpirySeconds: 0 });
      const second = await trial.acquire('lamp', { sessionExpirySeconds: 0 });
      expect(second).toMatchObject({ sessionPresent: false, previousOwner: 'node-a' });
      expect(second.claim.generation === first.claim.generation).toBe(false);
    });
  });

  describe('ended', () => {
    it('names Sessions whose expiry has passed, with what they leave behind, until they are forgotten', async () => {
      await using trial = await open();
      const { sessions } = trial.store;
      const lamp = await trial.subscribed('lamp', [subscriptionTo('a'), subscriptionTo('b/#')]);
      await trial.release(lamp, { sessionExpirySeconds: 5 });
      await trial.queue(lamp.claim, messageOn('a', '1'));
      await trial.queue(lamp.claim, messageOn('a', '2'));
      await trial.clock.advance(4999);
      expect(await sessions.ended(10)).toEqual([]);
      await trial.clock.advance(1);

      const ended = await sessions.ended(10);
      expect(ended).toEqual([
        { clientId: 'lamp', generation: lamp.claim.generation, undelivered: 2, topicFilters: ['a', 'b/#'] },
      ]);
      expect(await sessions.ended(10)).toEqual(ended);
      expect(await sessions.count()).toBe(0);
      await sessions.forget(ended);
      await sessions.forget(ended);
      expect(await sessions.ended(10)).toEqual([]);
    });

    it('names a stored generation that release or Clean Start has ended', async () => {
      await using trial = await open();
      const released = await trial.acquire('released');
      await trial.release(released, { sessionExpirySeconds: 0 });
      const replaced = await trial.acquire('replaced');
      await trial.acquire('replaced', { cleanStart: true });
      const generations = (await trial.store.sessions.ended(10)).map(({ generation }) => generation);
      expect(generations.sort()).toEqual([released.claim.generation, replaced.claim.generation].sort());
    });

    it('leaves alone a Session whose Client has come back, or has come back and gone again', async () => {
      await using trial = await open();
      await trial.release(await trial.acquire('back'), { sessionExpirySeconds: 5 });
      await trial.release(await trial.acquire('again'), { sessionExpirySeconds: 5 });
      await trial.clock.advance(4000);
      await trial.acquire('back');
      await trial.release(await trial.acquire('again'), { sessionExpirySeconds: 5 });
      await trial.clock.advance(4000);
      expect(await trial.store.sessions.ended(10)).toEqual([]);
      await trial.clock.advance(1000);
      expect(await trial.store.sessions.ended(10)).toMatchObject([{ clientId: 'again' }]);
    });

    it('takes no more at once than it is asked for, and gets to all of them', async () => {
      await using trial = await open();
      for (let i = 0; i < 25; i++) await trial.release(await trial.acquire(`c${i}`), { sessionExpirySeconds: 1 });
      await trial.clock.advance(1000);
      const clientIds = new Set<string>();
      for (let calls = 0; calls < 3; calls++) {
        const ended = await trial.store.sessions.ended(10);
        expect(ended).toHaveLength(calls < 2 ? 10 : 5);
        for (const { clientId } of ended) clientIds.add(clientId);
        await trial.store.sessions.forget(ended);
      }
      expect(clientIds.size).toBe(25);
      expect(await trial.store.sessions.count()).toBe(0);
    });
  });
}

function describeGenerations({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('one path per session: whether a generation is stored', () => {
    it('follows from the CONNECT that made it', async () => {
      await using trial = await open();
      expect((await trial.acquire('a', { sessionExpirySeconds: 0 })).stored).toBe(false);
      expect((await trial.acquire('b', { sessionExpirySeconds: 1 })).stored).toBe(true);
      expect((await trial.acquire('c', { sessionExpirySeconds: neverExpires })).stored).toBe(true);
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
