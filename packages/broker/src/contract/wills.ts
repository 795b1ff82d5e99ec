// What every store must do with Will Messages: due once, or cancelled, never both [MQTT 3.1.2.5, 3.1.3.2.2].

import type { DueWill } from '../ports.ts';
import { textOf, willOn } from './samples.ts';
import type { OpenTrial, StoreTrial, TestWords } from './trial.ts';

/** The suite of {@link Wills}, and of what acquire and release do to a Will. */
export function describeWills({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('a Will when its Network Connection ends', () => {
    it('is due at once without a delay [MQTT-3.1.2-8]', async () => {
      await using trial = await open();
      const lamp = await trial.acquire('lamp', { will: willOn('status/lamp') });
      expect(await trial.release(lamp, { will: 'publish' })).toEqual({ ended: false, willDueInMs: 0 });
      expect(await trial.store.wills.claim(10)).toMatchObject([{ ...lamp.claim, will: willOn('status/lamp') }]);
    });

    it('bears the user name of its connection, for permission is asked again when it is due', async () => {
      await using trial = await open();
      const asked = { will: willOn('status/lamp'), username: 'ada' };
      await trial.release(await trial.acquire('lamp', asked), { will: 'publish' });
      expect(await published(trial)).toMatchObject([{ clientId: 'lamp', username: 'ada' }]);
      await trial.acquire('lamp', asked);
      expect((await trial.acquire('lamp', { username: 'bob' })).wills).toMatchObject([{ username: 'ada' }]);
    });

    it('is deleted by a DISCONNECT that says so [MQTT-3.1.2-10]', async () => {
      await using trial = await open();
      const lamp = await trial.acquire('lamp', { will: willOn('status/lamp') });
      expect(await trial.release(lamp, { will: 'drop' })).toEqual({ ended: false, willDueInMs: undefined });
      await trial.clock.advance(3_600_000);
      expect(await trial.store.wills.claim(10)).toEqual([]);
      expect((await trial.acquire('lamp')).wills).toEqual([]);
    });

    it('is due when its delay has passed, and not before [MQTT-3.1.3-9]', async () => {
      await using trial = await open();
      const lamp = await trial.acquire('lamp', { will: willOn('status/lamp', 10) });
      expect(await trial.release(lamp, { will: 'publish' })).toEqual({ ended: false, willDueInMs: 10_000 });
      await trial.clock.advance(9999);
      expect(await trial.store.wills.claim(10)).toEqual([]);
      await trial.clock.advance(1);
      expect(await trial.store.wills.claim(10)).toHaveLength(1);
    });

    it('is due at the end of the Session if that comes first [MQTT-3.1.3-9]', async () => {
      await using trial = await open();
      const soon = await trial.acquire('soon', { will: willOn('status/soon', 100) });
      expect(await trial.release(soon, { will: 'publish', sessionExpirySeconds: 20 })).toMatchObject({
        willDueInMs: 20_000,
      });
      const now = await trial.acquire('now', { will: willOn('status/now', 100), sessionExpirySeconds: 0 });
      expect(await trial.release(now, { will: 'publish', sessionExpirySeconds: 0 })).toEqual({
        ended: true,
        willDueInMs: 0,
      });
      expect(await published(trial)).toMatchObject([{ clientId: 'now' }]);
      await trial.clock.advance(20_000);
      expect(await published(trial)).toMatchObject([{ clientId: 'soon' }]);
    });
  });

  describe('a Will when its Client comes back', () => {
    it('is cancelled while it waits, if the Session is resumed [MQTT-3.1.3-9]', async () => {
      await using trial = await open();
      const first = await trial.acquire('lamp', { will: willOn('status/lamp', 10) });
      await trial.release(first, { will: 'publish' });
      await trial.clock.advance(9999);
      expect((await trial.acquire('lamp')).wills).toEqual([]);
      await trial.clock.advance(10_000);
      expect(await trial.store.wills.claim(10)).toEqual([]);
    });

    it('is due at once if the Session ends by a Clean Start [MQTT-3.1.3-9]', async () => {
      await using trial = await open();
      const first = await trial.acquire('lamp', { will: willOn('status/lamp', 10) });
      await trial.release(first, { will: 'publish' });
      const second = await trial.acquire('lamp', { cleanStart: true });
      expect(second.wills).toMatchObject([{ ...first.claim, will: { topic: 'status/lamp' } }]);
      await trial.store.wills.done(second.wills);
      await trial.clock.advance(100_000);
      expect(await trial.store.wills.claim(10)).toEqual([]);
    });

    it('goes to the new connection if it is due and nobody has taken it, and to nobody else', async () => {
      await using trial = await open();
      await trial.release(await trial.acquire('lamp', { will: willOn('status/lamp', 1) }), { will: 'publish' });
      await trial.clock.advance(1000);
      expect((await trial.acquire('lamp')).wills).toHaveLength(1);
      expect(await trial.store.wills.claim(10)).toEqual([]);
    });

    it('of a Session that has expired is published, though nobody swept it', async () => {
      await using trial = await open();
      const first = await trial.acquire('lamp', { will: willOn('status/lamp', 100) });
      await trial.release(first, { will: 'publish', sessionExpirySeconds: 10 });
      await trial.clock.advance(10_000);
      expect((await trial.acquire('lamp')).wills).toMatchObject([{ will: { topic: 'status/lamp' } }]);
      expect(await trial.store.wills.claim(10)).toEqual([]);
    });

    it('belongs to its connection: the new one has its own, or none', async () => {
      await using trial = await open();
      await trial.release(await trial.acquire('lamp', { will: willOn('status/old') }), { will: 'drop' });
      const second = await trial.acquire('lamp');
      expect(await trial.release(second, { will: 'publish' })).toMatchObject({ willDueInMs: undefined });
      expect(await trial.store.wills.claim(10)).toEqual([]);
    });
  });

  describe('a Will when its connection is taken over [MQTT-3.1.4-3]', () => {
    it('is due at once without a delay, since the old Network Connection ends', async () => {
      await using trial = await open();
      const first = await trial.acquire('lamp', { will: willOn('status/old') });
      const second = await trial.acquire('lamp', { will: willOn('status/new') });
      expect(second.wills).toMatchObject([{ ...first.claim, will: { topic: 'status/old' } }]);
      await trial.store.wills.done(second.wills);
      await trial.release(second, { will: 'publish' });
      expect(await trial.store.wills.claim(10)).toMatchObject([{ ...second.claim, will: { topic: 'status/new' } }]);
    });

    it('and not yet published comes again before the one of the later connection: its node may have died', async () => {
      await using trial = await open();
      const first = await trial.acquire('lamp', { will: willOn('status/old') });
      const second = await trial.acquire('lamp', { will: willOn('status/new') });
      expect(second.wills).toHaveLength(1);
      await trial.release(second, { will: 'publish' });
      const claimed = await trial.store.wills.claim(10);
      expect(claimed).toMatchObject([first.claim, second.claim]);
      await trial.store.wills.done(claimed);
      await trial.clock.advance(60_000);
      expect(await trial.store.wills.claim(10)).toEqual([]);
    });

    it('is void with a delay, since the Client is back before it began', async () => {
      await using trial = await open();
      await trial.acquire('lamp', { will: willOn('status/old', 5) });
      expect((await trial.acquire('lamp')).wills).toEqual([]);
      await trial.clock.advance(10_000);
      expect(await trial.store.wills.claim(10)).toEqual([]);
    });

    it('is due at once in spite of a delay, if the Session ends with it', async () => {
      await using trial = await open();
      await trial.acquire('clean', { will: willOn('status/clean', 5) });
      expect((await trial.acquire('clean', { cleanStart: true })).wills).toMatchObject([
        { will: { topic: 'status/clean' } },
      ]);
      await trial.acquire('brief', { will: willOn('status/brief', 5), sessionExpirySeconds: 0 });
      expect((await trial.acquire('brief')).wills).toMatchObject([{ will: { topic: 'status/brief' } }]);
    });
  });

  describe('claim', () => {
    it('gives each Will once, in the order in which they are due, and no more than asked for', async () => {
      await using trial = await open();
      for (const delay of [3, 1, 2, 5, 4]) {
        const client = await trial.acquire(`c${delay}`, { will: willOn(`status/${delay}`, delay) });
        await trial.release(client, { will: 'publish' });
      }
      await trial.clock.advance(4000);
      const pages = [
        await trial.store.wills.claim(3),
        await trial.store.wills.claim(3),
        await trial.store.wills.claim(3),
      ];
      expect(pages.map((page) => page.map(({ clientId }) => clientId))).toEqual([['c1', 'c2', 'c3'], ['c4'], []]);
      for (const page of pages) await trial.store.wills.done(page);
      await trial.clock.advance(1000);
      expect(await trial.store.wills.claim(3)).toMatchObject([{ clientId: 'c5' }]);
    });

    it('offers a Will again if nobody says that it is published, for the answer may have been lost', async () => {
      await using trial = await open();
      await trial.release(await trial.acquire('lamp', { will: willOn('status/lamp') }), { will: 'publish' });
      const first = await trial.store.wills.claim(10);
      await trial.clock.advance(60_000);
      expect(await trial.store.wills.claim(10)).toMatchObject(first);
      await trial.store.wills.done(first);
      await trial.clock.advance(60_000);
      expect(await trial.store.wills.claim(10)).toEqual([]);
    });

    it('names a Will once, though it is due itself and comes before another of its Client', async () => {
      await using trial = await open();
      const first = await trial.acquire('lamp', { will: willOn('status/old') });
      const second = await trial.acquire('lamp', { will: willOn('status/new') });
      await trial.release(second, { will: 'publish' });
      await trial.clock.advance(60_000);
      expect(await trial.store.wills.claim(10)).toMatchObject([first.claim, second.claim]);
    });

    it('offers one that a takeover left to the newcomer again, though nothing was due at the last look', async () => {
      await using trial = await open();
      const first = await trial.acquire('lamp', { will: willOn('status/lamp') });
      expect(await trial.store.wills.claim(10)).toEqual([]);
      expect((await trial.acquire('lamp')).wills).toHaveLength(1);
      await trial.clock.advance(3999);
      expect(await trial.store.wills.claim(10)).toEqual([]);
      await trial.clock.advance(1);
      expect(await trial.store.wills.claim(10)).toMatchObject([first.claim]);
    });

    it('gives Wills that are claimed and not done to the next connection as well, oldest first', async () => {
      await using trial = await open();
      for (const text of ['1', '2']) {
        const lamp = await trial.acquire('lamp', { will: willOn('status/lamp', 0, text), cleanStart: true });
        if (text === '2') expect(lamp.wills.map(({ will }) => textOf(will))).toEqual(['1']);
        await trial.release(lamp, { will: 'publish' });
        await trial.store.wills.claim(10);
      }
      const third = await trial.acquire('lamp', { will: willOn('status/lamp', 0, '3') });
      expect(third.wills.map(({ will }) => textOf(will))).toEqual(['1', '2']);
      await trial.store.wills.done(third.wills.slice(0, 1));
      const fourth = await trial.acquire('lamp');
      expect(fourth.wills.map(({ will }) => textOf(will))).toEqual(['2', '3']);
      await trial.store.wills.done(fourth.wills);
      expect((await trial.acquire('lamp')).wills).toEqual([]);
    });

    it('gives a Will that is done to no later connection, and leaves that connection its own', async () => {
      await using trial = await open();
      await trial.release(await trial.acquire('lamp', { will: willOn('status/lamp') }), { will: 'publish' });
      const claimed = await trial.store.wills.claim(10);
      await trial.store.wills.done(claimed);
      await trial.store.wills.done(claimed);
      const second = await trial.acquire('lamp', { cleanStart: true, will: willOn('status/again') });
      expect(second.wills).toEqual([]);
      await trial.release(second, { will: 'publish' });
      expect(await trial.store.wills.claim(10)).toMatchObject([{ will: { topic: 'status/again' } }]);
    });
  });
}

/** Claims the Wills that are due, and says that they are published. */
async function published(trial: StoreTrial): Promise<readonly DueWill[]> {
  const due = await trial.store.wills.claim(10);
  await trial.store.wills.done(due);
  return due;
}
