// When a Session must end in every store, and how what it leaves behind is found [MQTT 3.1.2.11.2, 4.1].

import { messageOn, subscriptionTo } from './samples.ts';
import type { OpenTrial, TestWords } from './trial.ts';

const neverExpires = 0xffff_ffff;

/** The suite of the Session Expiry Interval, of {@link Sessions.ended} and {@link Sessions.forget}. */
export function describeExpiry({ describe, it, expect }: TestWords, open: OpenTrial): void {
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
      await trial.clock.advance(0xffff_ffff * 1000 + 1000);
      expect(await trial.store.sessions.ended(10)).toEqual([]);
      expect((await trial.acquire('lamp')).sessionPresent).toBe(true);
    });

    it('of a Session that a Clean Start has ended does not end the one in its place', async () => {
      await using trial = await open();
      const first = await trial.acquire('lamp', { sessionExpirySeconds: 2 });
      await trial.release(first, { sessionExpirySeconds: 2 });
      const second = await trial.acquire('lamp', { cleanStart: true, sessionExpirySeconds: 3600 });
      await trial.clock.advance(3000);
      expect(await trial.store.sessions.ended(10)).toMatchObject([{ generation: first.claim.generation }]);
      expect(await trial.store.sessions.subscribe(second.claim, [])).toEqual([]);
      expect(await trial.store.sessions.count()).toBe(1);
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
