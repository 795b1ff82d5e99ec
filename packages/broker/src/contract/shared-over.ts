// What every store must do when a member of a shared group is over: others get what they may, and nothing of it is lost
// before that is done with [MQTT 4.8.2].

import { messageOn, subscriptionTo, textOf } from './samples.ts';
import { awayMs, give, jobs, leftOf, leftSession, member, overSession, takenMs, texts } from './shared-members.ts';
import { type OpenTrial, type TestWords, unfenced } from './trial.ts';

/** The suite of {@link Shared} and {@link Sessions.ended}, for members that are over. */
export function describeSharedOver({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('a member whose Session is over', () => {
    it('is named at once, and is dismantled when others have what they can have', async () => {
      await using trial = await open();
      const { shared, sessions } = trial.store;
      const left = await overSession(trial, ['1', '2']);
      expect(await sessions.ended(10)).toEqual([]);
      expect(await shared.left(10)).toEqual([left]);
      const taken = await shared.take(left, [jobs], 10);
      expect(taken.map(({ message }) => textOf(message))).toEqual(['1', '2']);
      expect(await sessions.ended(10)).toEqual([]);
      await shared.done(taken.slice(0, 1));
      expect(await sessions.ended(10)).toEqual([]);
      await shared.done(taken);
      const ended = await sessions.ended(10);
      expect(ended).toEqual([{ clientId: 'one', generation: left.generation, topicFilters: [jobs], undelivered: 0 }]);
      await sessions.forget(ended);
      expect(await shared.left(10)).toEqual([]);
    });

    it('does not come in the way of the one that has taken its place', async () => {
      await using trial = await open();
      const left = await overSession(trial, ['1', '2']);
      const { claim } = await member(trial, 'one');
      expect(claim.generation === left.generation).toBe(false);
      await give(trial, claim, ['3']);
      expect(await trial.enqueue({ ...claim, generation: left.generation }, messageOn('jobs'), [jobs])).toEqual({
        is: 'no_session',
      });
      expect(await texts(trial, left)).toEqual(['1', '2']);
      expect((await trial.readAll(claim)).map(({ message }) => textOf(message))).toEqual(['3']);
      expect(await trial.store.sessions.count()).toBe(1);
    });

    it('counts as undelivered what nobody else may have, and what nobody would', async () => {
      await using trial = await open();
      const { shared, sessions } = trial.store;
      const one = await member(trial, 'one');
      unfenced(await sessions.subscribe(one.claim, [subscriptionTo('mine')]));
      await give(trial, one.claim, ['begun'], 2);
      await trial.queue(one.claim, messageOn('mine'));
      await give(trial, one.claim, ['1', '2', '3']);
      await trial.release(one, { sessionExpirySeconds: 0, sentSeq: 1 });
      const left = { ...leftOf(one.claim), isOver: true };
      expect(await shared.left(10)).toEqual([left]);
      const taken = await shared.take(left, [jobs], 1);
      expect(taken.map(({ message }) => textOf(message))).toEqual(['1']);
      await shared.done(taken);
      await shared.pass(left);
      expect(await shared.left(10)).toEqual([]);
      const [ended] = await sessions.ended(10);
      expect({ ...ended, topicFilters: [...(ended?.topicFilters ?? [])].sort() }).toEqual({
        clientId: 'one',
        generation: one.claim.generation,
        topicFilters: [jobs, 'mine'],
        undelivered: 4,
      });
    });

    it('keeps what it holds from whoever passed it while its Client was only away: others count now', async () => {
      await using trial = await open();
      const { shared, sessions } = trial.store;
      const left = await leftSession(trial, ['1']);
      expect(await shared.left(10)).toEqual([left]);
      await trial.acquire('one', { cleanStart: true });
      await shared.pass(left);
      expect(await sessions.ended(10)).toEqual([]);
      expect(await shared.left(10)).toEqual([{ ...left, isOver: true }]);
      expect(await texts(trial, left)).toEqual(['1']);
    });

    it('is dismantled at once if others could have nothing of it', async () => {
      await using trial = await open();
      const one = await member(trial, 'one');
      await give(trial, one.claim, ['begun'], 2);
      await trial.release(one, { sessionExpirySeconds: 0, sentSeq: 1 });
      expect(await trial.store.shared.left(10)).toEqual([]);
      expect(await trial.store.sessions.ended(10)).toMatchObject([{ clientId: 'one', undelivered: 1 }]);
    });

    it('keeps what was taken before it was over, until that is done with', async () => {
      await using trial = await open();
      const { shared, sessions } = trial.store;
      const one = await member(trial, 'one');
      await give(trial, one.claim, ['1']);
      await trial.release(one, { sessionExpirySeconds: 6 });
      await trial.clock.advance(awayMs);
      const taken = await shared.take(leftOf(one.claim), [jobs], 10);
      await trial.clock.advance(1000);
      expect(await sessions.ended(10)).toEqual([]);
      expect(await shared.left(10)).toEqual([]);
      await trial.clock.advance(takenMs - 1000);
      const left = { ...leftOf(one.claim), isOver: true };
      expect(await shared.left(10)).toEqual([left]);
      expect((await shared.take(left, [jobs], 10)).map(({ uid }) => uid)).toEqual(taken.map(({ uid }) => uid));
      await shared.done(taken);
      expect(await sessions.ended(10)).toMatchObject([{ clientId: 'one', undelivered: 0 }]);
    });

    it('that was passed over waits for whoever has taken from it just now', async () => {
      await using trial = await open();
      const { shared, sessions } = trial.store;
      const left = await overSession(trial, ['1', '2']);
      const taken = await shared.take(left, [jobs], 1);
      await shared.pass(left);
      expect(await sessions.ended(10)).toEqual([]);
      await shared.done(taken);
      expect(await sessions.ended(10)).toMatchObject([{ undelivered: 1 }]);
    });
  });
}
