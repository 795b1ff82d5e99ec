// What every store must do with the register of nodes: a lease is a number that grows, and once ended it stays ended.
//
// No store times a lease. Whoever watches one says what was seen last, so that no clock is asked, and a store that was
// away for a while makes nobody look dead.

import type { MemberLease } from '../peer-ports.ts';
import { memberOf } from './samples.ts';
import type { OpenTrial, StoreTrial, TestWords } from './trial.ts';

/** The suite of {@link Members}, but for what becomes of Sessions. */
export function describeMembers(words: TestWords, open: OpenTrial): void {
  describeLeases(words, open);
  describeDeath(words, open);
  describeMissed(words, open);
}

const one = memberOf('one');
const other = memberOf('other');

function describeLeases({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('a node that joins', () => {
    it('is shown to all as it described itself, alive', async () => {
      await using trial = await open();
      const { members } = trial.store;
      await members.join(one);
      await members.join(other);
      const { held, missed } = await members.renew(one.node);
      expect({ held, missed }).toEqual({ held: true, missed: false });
      expect(withoutRenewals(await registered(trial, other.node))).toEqual([
        { ...one, isDead: false },
        { ...other, isDead: false },
      ]);
    });

    it('may come with any text in its description', async () => {
      await using trial = await open();
      const odd = { ...one, nodeId: 'Küche "1"\\n', address: '[2001:db8::1]:7000', secret: '{"\u{1f511}": "\t%s"}' };
      await trial.store.members.join(odd);
      expect(withoutRenewals(await registered(trial, odd.node))).toEqual([{ ...odd, isDead: false }]);
    });

    it('joins once, however often it says so', async () => {
      await using trial = await open();
      const { members } = trial.store;
      await members.join(one);
      await members.renew(one.node);
      const before = await registered(trial, 'a node that looks on');
      await members.join(one);
      await members.join({ ...one, address: 'elsewhere:1', secret: 'another' });
      expect(await registered(trial, 'a node that looks on')).toEqual(before);
    });

    it('is not the one that had its name before', async () => {
      await using trial = await open();
      const { members } = trial.store;
      const again = memberOf('one', '2');
      await members.join(one);
      await members.join(again);
      expect(withoutRenewals(await registered(trial, again.node))).toEqual([
        { ...one, isDead: false },
        { ...again, isDead: false },
      ]);
    });
  });

  describe('a renewal', () => {
    it('is seen by all: this lease has grown, and no other', async () => {
      await using trial = await open();
      const { members } = trial.store;
      await members.join(one);
      await members.join(other);
      const first = await renewalsOf(trial, one.node);
      await members.renew(one.node);
      const second = await renewalsOf(trial, one.node);
      expect(second).toBeGreaterThan(first);
      await members.renew(other.node);
      expect(await renewalsOf(trial, one.node)).toBe(second);
    });

    it('answers with the register as it is after it', async () => {
      await using trial = await open();
      await trial.store.members.join(one);
      const seen: number[] = [];
      for (let i = 0; i < 3; i++) {
        const renewal = await trial.store.members.renew(one.node);
        seen.push(renewal.members[0]?.renewals ?? -1);
      }
      expect(await renewalsOf(trial, one.node)).toBe(seen[2]);
      expect(seen).toEqual([...new Set(seen)].sort((x, y) => x - y));
    });

    it('is refused to a node that never joined, enters it nowhere, and shows it the register', async () => {
      await using trial = await open();
      const { members } = trial.store;
      await members.join(one);
      const renewal = await members.renew('nobody');
      expect(renewal.held).toBe(false);
      expect(renewal.members).toMatchObject([one]);
      expect(renewal.members).toEqual(await registered(trial, 'nobody'));
    });
  });
}

function describeDeath({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('a node that is buried', () => {
    it('is dead for all who look, itself too, and may not come back under this name', async () => {
      await using trial = await open();
      const { members } = trial.store;
      await members.join(one);
      await members.join(other);
      const renewals = await renewalsOf(trial, one.node);
      expect(await members.bury(one.node, renewals)).toBe(true);
      const dead = await registered(trial, other.node);
      expect(withoutRenewals(dead)).toEqual([
        { ...one, isDead: true },
        { ...other, isDead: false },
      ]);
      expect((await members.renew(one.node)).held).toBe(false);
      await members.join(one);
      expect((await members.renew(one.node)).held).toBe(false);
      expect(withoutRenewals(await registered(trial, other.node))).toEqual(withoutRenewals(dead));
    });

    it('lives on if it has renewed its lease since it was seen', async () => {
      await using trial = await open();
      const { members } = trial.store;
      await members.join(one);
      const renewals = await renewalsOf(trial, one.node);
      await members.renew(one.node);
      expect(await members.bury(one.node, renewals)).toBe(false);
      expect(withoutRenewals(await registered(trial, 'a node that looks on'))).toEqual([{ ...one, isDead: false }]);
      expect((await members.renew(one.node)).held).toBe(true);
    });

    it('may never have renewed its lease', async () => {
      await using trial = await open();
      const { members } = trial.store;
      await members.join(one);
      expect(await members.bury(one.node, await renewalsOf(trial, one.node))).toBe(true);
      expect((await members.renew(one.node)).held).toBe(false);
    });

    it('is buried as well if somebody else was first, whatever was last seen of it, or if nobody knows it', async () => {
      await using trial = await open();
      const { members } = trial.store;
      await members.join(one);
      const renewals = await renewalsOf(trial, one.node);
      const burials = await Promise.all([members.bury(one.node, renewals), members.bury(one.node, renewals)]);
      expect(burials).toEqual([true, true]);
      expect(await members.bury(one.node, renewals + 7)).toBe(true);
      expect(await members.bury('nobody', 0)).toBe(true);
      expect(await registered(trial, 'nobody')).toHaveLength(1);
    });
  });

  describe('forget', () => {
    it('strikes a dead node off the register, and no other', async () => {
      await using trial = await open();
      const { members } = trial.store;
      await members.join(one);
      await members.join(other);
      await members.forget(one.node);
      expect(await registered(trial, other.node)).toHaveLength(2);
      await members.bury(one.node, await renewalsOf(trial, one.node));
      await members.forget(one.node);
      await members.forget(one.node);
      await members.forget('nobody');
      expect(withoutRenewals(await registered(trial, other.node))).toEqual([{ ...other, isDead: false }]);
      expect((await members.renew(one.node)).held).toBe(false);
      expect(await members.bury(one.node, 0)).toBe(true);
    });
  });
}

function describeMissed({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('messages for the volatile Sessions of a node that were given up', () => {
    it('are told to it once, with its next renewal', async () => {
      await using trial = await open();
      const { members } = trial.store;
      await members.join(one);
      await members.join(other);
      await members.miss(one.node);
      await members.miss(one.node);
      expect(await members.renew(other.node)).toMatchObject({ held: true, missed: false });
      expect(await members.renew(one.node)).toMatchObject({ held: true, missed: true });
      expect(await members.renew(one.node)).toMatchObject({ held: true, missed: false });
      await members.miss(one.node);
      expect(await members.renew(one.node)).toMatchObject({ held: true, missed: true });
    });

    it('bring nobody back who is dead or was never there', async () => {
      await using trial = await open();
      const { members } = trial.store;
      await members.join(one);
      await members.bury(one.node, await renewalsOf(trial, one.node));
      await members.miss(one.node);
      await members.miss('nobody');
      expect((await members.renew(one.node)).held).toBe(false);
      expect((await members.renew('nobody')).held).toBe(false);
      expect(withoutRenewals(await registered(trial, 'nobody'))).toEqual([{ ...one, isDead: true }]);
    });
  });
}

/** The register as a node finds it that renews its lease, sorted by name. */
async function registered(trial: StoreTrial, node: string): Promise<readonly MemberLease[]> {
  const { members } = await trial.store.members.renew(node);
  return [...members].sort((x, y) => (x.node < y.node ? -1 : 1));
}

/** How often a lease has been renewed, as seen by a node that is not in the register. */
async function renewalsOf(trial: StoreTrial, node: string): Promise<number> {
  const lease = (await registered(trial, 'a node that looks on')).find((each) => each.node === node);
  if (lease === undefined) throw new Error(`${node} is not in the register`);
  return lease.renewals;
}

function withoutRenewals(leases: readonly MemberLease[]): readonly Omit<MemberLease, 'renewals'>[] {
  return leases.map(({ renewals: _, ...lease }) => lease);
}
