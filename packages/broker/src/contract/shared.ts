// What every store must do for Shared Subscriptions: agree on who gets a message, and pass on what a member that is away,
// or over, will not get; once, and without losing any of it on the way [MQTT 4.8.2].

import { messageOn, subscriptionTo, textOf } from './samples.ts';
import { awayMs, give, jobs, leftOf, leftSession, member, takenMs, texts } from './shared-members.ts';
import { type OpenTrial, type TestWords, unfenced } from './trial.ts';

/** The suite of {@link Shared}, for members that go on. */
export function describeShared(words: TestWords, open: OpenTrial): void {
  describeChoose(words, open);
  describeLeft(words, open);
  describeTake(words, open);
}

const news = '$queue/news';

function describeChoose({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('rule: Shared groups, who gets a message that may be published again', () => {
    const choiceOf = (member: string, instead?: string, uid = 'u1', sharedFilter = jobs) => [
      { uid, sharedFilter, member, instead },
    ];

    it('is whoever was chosen first, until another is chosen in the place of that one', async () => {
      await using trial = await open();
      const { choose } = trial.store.shared;
      expect(await choose(choiceOf('g1'))).toEqual(['g1']);
      expect(await choose(choiceOf('g2'))).toEqual(['g1']);
      expect(await choose(choiceOf('g2', 'g1'))).toEqual(['g2']);
      expect(await choose(choiceOf('g2', 'g1'))).toEqual(['g2']);
      expect(await choose(choiceOf('g3', 'g1'))).toEqual(['g2']);
      expect(await choose(choiceOf('g1'))).toEqual(['g2']);
    });

    it('is asked for many at once, in order, each for its uid and its filter', async () => {
      await using trial = await open();
      const choices = [
        ...choiceOf('g1'),
        ...choiceOf('g2'),
        ...choiceOf('g3', undefined, 'u2'),
        ...choiceOf('g4', undefined, 'u1', news),
        ...choiceOf('g5', 'g1'),
      ];
      expect(await trial.store.shared.choose(choices)).toEqual(['g1', 'g1', 'g3', 'g4', 'g5']);
      expect(await trial.store.shared.choose([])).toEqual([]);
    });

    it('is remembered for as long as the message may be published again', async () => {
      await using trial = await open();
      const { choose } = trial.store.shared;
      await choose(choiceOf('g1'));
      await trial.clock.advance(4 * 60_000);
      await choose(choiceOf('g9', undefined, 'u9'));
      expect(await choose(choiceOf('g2'))).toEqual(['g1']);
    });
  });
}

function describeLeft({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('messages of a Shared Subscription', () => {
    it('bear its filter in the queue, and no others do', async () => {
      await using trial = await open();
      const { claim } = await member(trial, 'one', [jobs, news], { cleanStart: true });
      unfenced(await trial.store.sessions.subscribe(claim, [subscriptionTo('jobs')]));
      await trial.queue(claim, messageOn('jobs'), [jobs]);
      await trial.queue(claim, messageOn('jobs'), ['jobs']);
      await trial.queue(claim, messageOn('news'), [news]);
      expect((await trial.readAll(claim)).map(({ sharedFilter }) => sharedFilter)).toEqual([jobs, undefined, news]);
    });

    it('are named with the Session that holds them when its Client has been away for 5 seconds', async () => {
      await using trial = await open();
      const one = await member(trial, 'one');
      await give(trial, one.claim, ['1']);
      expect(await trial.store.shared.left(10)).toEqual([]);
      await trial.release(one);
      await trial.clock.advance(awayMs - 1);
      expect(await trial.store.shared.left(10)).toEqual([]);
      await trial.clock.advance(1);
      const left = [leftOf(one.claim)];
      expect(await trial.store.shared.left(10)).toEqual(left);
      expect(await trial.store.shared.left(10)).toEqual(left); // whoever asked may be dead by now
    });

    it('are named also if they came when the Client was away already', async () => {
      await using trial = await open();
      const one = await member(trial, 'one', [jobs, news]);
      await trial.release(one);
      await trial.clock.advance(awayMs * 2);
      expect(await trial.store.shared.left(10)).toEqual([]);
      await give(trial, one.claim, ['1'], 1, news);
      expect(await trial.store.shared.left(10)).toEqual([leftOf(one.claim, [news])]);
      await give(trial, one.claim, ['2'], 1, jobs);
      const [left] = await trial.store.shared.left(10);
      expect([...(left?.sharedFilters ?? [])].sort()).toEqual([news, jobs]);
    });

    it('are not named while the Client is there, nor where all of them are the Client’s alone', async () => {
      await using trial = await open();
      const back = await member(trial, 'back');
      await give(trial, back.claim, ['1']);
      await trial.release(back);
      const begun = await member(trial, 'begun');
      await give(trial, begun.claim, ['1'], 2);
      await trial.release(begun, { sentSeq: 1 });
      const other = await trial.subscribed('other', [subscriptionTo('jobs')]);
      await trial.queue(other.claim, messageOn('jobs'));
      await trial.release(other);
      await trial.clock.advance(awayMs - 1);
      await trial.acquire('back');
      await trial.clock.advance(awayMs);
      expect(await trial.store.shared.left(10)).toEqual([]);
    });

    it('are named when the Client has left again, 5 seconds after that', async () => {
      await using trial = await open();
      const first = await member(trial, 'one');
      await give(trial, first.claim, ['1']);
      await trial.release(first);
      await trial.clock.advance(awayMs - 1);
      await trial.release(await trial.acquire('one'));
      await trial.clock.advance(awayMs - 1);
      expect(await trial.store.shared.left(10)).toEqual([]);
      await trial.clock.advance(1);
      expect(await trial.store.shared.left(10)).toEqual([leftOf(first.claim)]);
    });

    it('are named of as many Sessions as are asked for', async () => {
      await using trial = await open();
      for (const clientId of ['one', 'two', 'three']) {
        const each = await member(trial, clientId);
        await give(trial, each.claim, ['1']);
        await trial.release(each);
      }
      await trial.clock.advance(awayMs);
      expect(await trial.store.shared.left(2)).toHaveLength(2);
      expect(await trial.store.shared.left(10)).toHaveLength(3);
    });

    it('are named again 5 seconds after they were passed over', async () => {
      await using trial = await open();
      const left = await leftSession(trial, ['1']);
      await trial.store.shared.pass(left);
      expect(await trial.store.shared.left(10)).toEqual([]);
      await trial.clock.advance(awayMs);
      expect(await trial.store.shared.left(10)).toEqual([left]);
      expect(await texts(trial, left)).toEqual(['1']);
    });
  });
}

function describeTake({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('taking messages of a Shared Subscription for other members [MQTT-4.8.2-4, MQTT-4.8.2-5]', () => {
    it('takes what was not begun, and what was begun at QoS 1; what was begun at QoS 2 stays', async () => {
      await using trial = await open();
      const one = await member(trial, 'one');
      for (const [text, qos] of [
        ['1', 2],
        ['2', 1],
        ['3', 2],
        ['4', 1],
      ] as const)
        await give(trial, one.claim, [text], qos);
      await trial.release(one, { sentSeq: 2 });
      await trial.clock.advance(awayMs);
      const taken = await trial.store.shared.take(leftOf(one.claim), [jobs], 10);
      expect(taken.map(({ message }) => textOf(message))).toEqual(['2', '3', '4']);
      expect(taken).toMatchObject(
        taken.map(() => ({ clientId: 'one', generation: one.claim.generation, sharedFilter: jobs })),
      );
      const { claim } = await trial.acquire('one');
      expect((await trial.readAll(claim)).map(({ message }) => textOf(message))).toEqual(['1']);
    });

    it('takes only what came by the filters named, in order, so many at once', async () => {
      await using trial = await open();
      const one = await member(trial, 'one', [jobs, news]);
      for (const [i, filter] of [jobs, news, jobs, news, jobs].entries())
        await give(trial, one.claim, [`${i}`], 1, filter);
      await trial.release(one);
      await trial.clock.advance(awayMs);
      const left = leftOf(one.claim, [jobs, news]);
      const take = async (filters: readonly string[], limit: number): Promise<readonly string[]> =>
        (await trial.store.shared.take(left, filters, limit)).map(({ message }) => textOf(message));
      expect(await take([jobs], 2)).toEqual(['0', '2']);
      expect(await take([jobs], 2)).toEqual(['4']);
      expect(await take([jobs], 2)).toEqual([]);
      expect(await take([news, jobs], 10)).toEqual(['1', '3']);
    });

    it('keeps the message whole, with a name that no other has', async () => {
      await using trial = await open();
      const one = await member(trial, 'one');
      const message = messageOn('jobs', 'whole', {
        qos: 2,
        retain: true,
        publisherId: 'boss',
        properties: { contentType: 'x' },
      });
      await trial.queue(one.claim, message, [jobs]);
      await trial.queue(one.claim, messageOn('jobs', 'other'), [jobs]);
      await trial.release(one);
      const [first, second] = await trial.store.shared.take(leftOf(one.claim), [jobs], 10);
      expect({ ...first?.message, frames: undefined }).toEqual(message);
      expect(first?.uid === second?.uid).toBe(false);
    });

    it('takes nothing if the Client is back', async () => {
      await using trial = await open();
      const left = await leftSession(trial, ['1']);
      const { claim } = await trial.acquire('one');
      expect(await texts(trial, left)).toEqual([]);
      expect(await trial.readAll(claim)).toHaveLength(1);
      await trial.subscribed('one', []);
      expect(await trial.store.shared.take({ ...left, generation: 'never' }, [jobs], 10)).toEqual([]);
    });

    it('takes again, under the same names, what nobody has said to be done with, after 4 seconds', async () => {
      await using trial = await open();
      const { shared } = trial.store;
      const left = await leftSession(trial, ['1', '2', '3']);
      const first = await shared.take(left, [jobs], 2);
      expect(first).toHaveLength(2);
      await shared.done(first.slice(0, 1));
      await trial.clock.advance(takenMs - 1);
      expect(await texts(trial, left)).toEqual(['3']);
      await trial.clock.advance(1);
      expect(await shared.left(10)).toEqual([left]);
      const again = await shared.take(left, [jobs], 10);
      expect(again.map(({ uid }) => uid)).toEqual(first.slice(1).map(({ uid }) => uid));
      await shared.done([...first, ...again]);
      await trial.clock.advance(takenMs);
      expect((await shared.take(left, [jobs], 10)).map(({ message }) => textOf(message))).toEqual(['3']);
    });

    it('takes again though the Client is back by then: it will not get them', async () => {
      await using trial = await open();
      const { shared } = trial.store;
      const left = await leftSession(trial, ['1', '2']);
      const first = await shared.take(left, [jobs], 1);
      const { claim } = await trial.acquire('one');
      expect((await trial.readAll(claim)).map(({ message }) => textOf(message))).toEqual(['2']);
      await trial.clock.advance(takenMs);
      expect(await shared.left(10)).toEqual([left]);
      expect((await shared.take(left, [jobs], 10)).map(({ uid }) => uid)).toEqual(first.map(({ uid }) => uid));
      await shared.done(first);
      await trial.clock.advance(takenMs);
      expect(await shared.left(10)).toEqual([]);
    });

    it('names nobody when all is done with', async () => {
      await using trial = await open();
      const { shared } = trial.store;
      const left = await leftSession(trial, ['1']);
      const taken = await shared.take(left, [jobs], 10);
      expect(await shared.left(10)).toEqual([]);
      await shared.done(taken);
      await shared.done(taken);
      await trial.clock.advance(awayMs * 2);
      expect(await shared.left(10)).toEqual([]);
      expect(await trial.acquire('one')).toMatchObject({ sessionPresent: true, headSeq: 2 });
    });
  });
}
