import { describe, expect, it } from 'vitest';
import { SeededRandom } from './contract/seeded-random.ts';
import { defaultLimits } from './limits.ts';
import { Marks } from './marks.ts';
import { memoryStore } from './memory/store.ts';
import { mark, type Store, StoreUnavailable } from './ports.ts';
import { Router } from './router.ts';
import { Surroundings } from './testing/surroundings.ts';
import { type PendingCall, UnreliableStore } from './testing/unreliable-store.ts';

const both = mark.any | mark.volatile;
const minute = 60_000;

class Trial {
  readonly around = new Surroundings();
  readonly router = new Router('here:1');
  readonly behind: Store = memoryStore(this.around.clock, new SeededRandom(1), defaultLimits);
  readonly calls: PendingCall[] = [];
  /** What happens to a call. */
  meet: (call: PendingCall) => unknown = (call) => call.answer();
  readonly store = new UnreliableStore(this.behind, (call) => {
    this.calls.push(call);
    this.meet(call);
  });
  readonly marks = new Marks({
    routes: this.store.routes,
    router: this.router,
    node: 'here:1',
    clock: this.around.clock,
    persistence: this.around.persistence,
  });

  static async start(): Promise<Trial> {
    const trial = new Trial();
    trial.router.interest = trial.marks;
    await trial.behind.routes.follow((changes, version) => trial.router.apply(changes, version));
    trial.marks.start();
    return trial;
  }

  /** The marks that the table bears for a filter. */
  stored(topicFilter: string): number {
    return this.router.routeTo(topicFilter, 'here:1')?.marks ?? 0;
  }

  /** How often something was asked of the table. */
  asked(name: string): number {
    return this.calls.filter((call) => call.name === name).length;
  }

  /** A Client that subscribes. */
  async subscribe(topicFilter: string, isVolatile = true): Promise<void> {
    const stored = this.marks.ensure([topicFilter], isVolatile);
    await this.around.clock.settle();
    await stored;
    this.marks.came(topicFilter, isVolatile);
    await this.around.clock.settle();
  }
}

describe('rule: Marks', () => {
  it('the first Client of a filter waits until its mark is stored, who comes later waits for nothing', async () => {
    const trial = await Trial.start();
    trial.meet = () => {};
    let isStored = false;
    const stored = trial.marks.ensure(['a'], true)?.then(() => {
      isStored = true;
    });
    await trial.around.clock.settle();
    expect(isStored).toBe(false);
    trial.calls[0]?.answer();
    await stored;
    expect(trial.stored('a')).toBe(both);
    expect(trial.marks.ensure(['a'], true)).toBeUndefined();
    expect(trial.marks.ensure(['a'], false)).toBeUndefined();
  });

  it('a second Client that comes while the mark is being put waits for that same put', async () => {
    const trial = await Trial.start();
    trial.meet = () => {};
    const first = trial.marks.ensure(['a', 'b'], true);
    await trial.around.clock.settle();
    const second = trial.marks.ensure(['b'], true);
    expect(second).toBeDefined();
    for (const call of trial.calls) call.answer();
    await Promise.all([first, second]);
    expect(trial.asked('routes.put')).toBe(1);
  });

  it('many Clients of one turn share one call', async () => {
    const trial = await Trial.start();
    const put = [
      trial.marks.ensure(['a'], true),
      trial.marks.ensure(['b'], false),
      trial.marks.ensure(['c', 'a'], true),
    ];
    await trial.around.clock.settle();
    await Promise.all(put);
    expect(trial.asked('routes.put')).toBe(1);
    expect([trial.stored('a'), trial.stored('b'), trial.stored('c')]).toEqual([both, mark.any, both]);
  });

  it('a volatile Session behind a stored one of the same filter adds its mark', async () => {
    const trial = await Trial.start();
    await trial.subscribe('a', false);
    await trial.subscribe('a', true);
    expect(trial.stored('a')).toBe(both);
    expect(trial.asked('routes.put')).toBe(2);
  });

  it('a store that does not answer refuses who waits, and a mark left behind goes with time', async () => {
    const trial = await Trial.start();
    trial.meet = (call) => {
      call.do(); // it was done, but nobody knows
      call.fail();
    };
    const refused = trial.marks.ensure(['a'], true);
    await trial.around.clock.settle();
    await expect(refused).rejects.toThrow(StoreUnavailable);
    expect(trial.stored('a')).toBe(both);
    trial.meet = (call) => call.answer();
    await trial.around.clock.advance(minute + 10_000);
    expect(trial.stored('a')).toBe(0);
  });

  it('what Clients bring along when they return is put without anybody waiting, and until it is', async () => {
    const trial = await Trial.start();
    trial.meet = (call) => call.fail();
    trial.marks.came('a', false);
    await trial.around.clock.advance(100);
    expect(trial.stored('a')).toBe(0);
    trial.meet = (call) => call.answer();
    await trial.around.clock.advance(2000);
    expect(trial.stored('a')).toBe(mark.any);
  });

  it('a SUBSCRIBE does not wait behind marks that the store has no answer for', async () => {
    const trial = await Trial.start();
    trial.meet = (call) => call.fail();
    trial.marks.came('a', false);
    await trial.around.clock.advance(100);
    const refused = trial.marks.ensure(['b'], true);
    await trial.around.clock.settle();
    await expect(refused).rejects.toThrow(StoreUnavailable);
  });

  it('many marks of Clients that are gone go together', async () => {
    const trial = await Trial.start();
    const filters = Array.from({ length: 1700 }, (_, i) => `reply/${i}`);
    const put = trial.marks.ensure(filters, true);
    await trial.around.clock.settle();
    await put;
    for (const filter of filters) trial.marks.came(filter, true);
    for (const filter of filters) trial.marks.went(filter, true);
    expect(trial.router.routes).toBe(1700);
    await trial.around.clock.advance(minute + 10_000);
    expect(trial.router.routes).toBe(0);
  });

  it('a mark outlives its last Client by a minute, and who returns meanwhile finds it there', async () => {
    const trial = await Trial.start();
    await trial.subscribe('a');
    trial.marks.went('a', true);
    await trial.around.clock.advance(minute / 2);
    await trial.subscribe('a');
    await trial.around.clock.advance(2 * minute);
    expect(trial.stored('a')).toBe(both);
    expect(trial.asked('routes.put')).toBe(1);
    trial.marks.went('a', true);
    await trial.around.clock.advance(minute - 1000);
    expect(trial.stored('a')).toBe(both);
    await trial.around.clock.advance(11_000);
    expect(trial.stored('a')).toBe(0);
    await trial.subscribe('a');
    expect(trial.stored('a')).toBe(both);
  });

  it('one mark goes alone when only the Clients that it stood for are gone', async () => {
    const trial = await Trial.start();
    await trial.subscribe('a', true);
    await trial.subscribe('a', false);
    trial.marks.went('a', true);
    await trial.around.clock.advance(minute + 10_000);
    expect(trial.stored('a')).toBe(mark.any);
  });

  it('a removal that is overtaken by a new Client takes nothing away', async () => {
    const trial = await Trial.start();
    await trial.subscribe('a');
    trial.marks.went('a', true);
    const removals: PendingCall[] = [];
    trial.meet = (call) => (call.name === 'routes.removeIf' ? removals.push(call) : call.answer());
    await trial.around.clock.advance(minute + 10_000);
    expect(removals).toHaveLength(1);
    await trial.subscribe('a');
    removals[0]?.answer();
    await trial.around.clock.settle();
    expect(trial.stored('a')).toBe(both);
  });

  it('a removal whose outcome nobody knows is tried again', async () => {
    const trial = await Trial.start();
    await trial.subscribe('a');
    trial.marks.went('a', true);
    trial.meet = (call) => call.fail();
    await trial.around.clock.advance(minute + 10_000);
    expect(trial.stored('a')).toBe(both);
    trial.meet = (call) => call.answer();
    await trial.around.clock.advance(minute + 10_000);
    expect(trial.stored('a')).toBe(0);
  });

  it('a mark that the table has lost is put again, for Clients that are still there', async () => {
    const trial = await Trial.start();
    await trial.subscribe('a');
    await trial.subscribe('gone');
    trial.marks.went('gone', true);
    for (const topicFilter of ['a', 'gone']) {
      const route = trial.router.routeTo(topicFilter, 'here:1');
      if (route !== undefined) await trial.behind.routes.removeIf([route]);
    }
    await trial.around.clock.settle();
    expect([trial.stored('a'), trial.stored('gone')]).toEqual([both, 0]);
  });

  it('a mark of this node that nobody here knows of goes', async () => {
    const trial = await Trial.start();
    await trial.behind.routes.put([{ topicFilter: 'a', node: 'here:1', marks: mark.any }]);
    await trial.behind.routes.put([{ topicFilter: 'a', node: 'there:1', marks: mark.any }]);
    await trial.around.clock.advance(minute + 10_000);
    expect(trial.stored('a')).toBe(0);
    expect(trial.router.routesTo('there:1')).toHaveLength(1);
  });
});
