import { describe, expect, it } from 'vitest';
import { messageOn, subscriptionTo } from '../contract/samples.ts';
import type { SharedStrategy } from '../policy.ts';
import type { Session } from '../session/session.ts';
import { Chooser } from './choose.ts';
import { SharedGroup } from './group.ts';

// [§4.8.2] Who of a group gets a message: online before offline, and of those online in the order of the strategy.

const sharedFilter = '$share/g/t';

/** A group and what one node knows of it. Members are named by a letter, which is their generation too. */
class Trial {
  readonly group = new SharedGroup(sharedFilter, 'here');
  readonly known = new Set(['east', 'west']);
  readonly full = new Set<string>();
  readonly chooser: Chooser;

  constructor(strategy: SharedStrategy, node = 'here') {
    this.chooser = new Chooser({ strategy, node, knows: (other) => this.known.has(other) });
  }

  /** A member that has a route. */
  routed(name: string, heldBy: string, isStored = true): this {
    const route = { topicFilter: sharedFilter, clientId: name, generation: name, isStored, heldBy, version: 1 };
    this.group.told(name, route);
    return this;
  }

  /** A member whose Client is connected here. */
  here(name: string, isStored = false): this {
    this.group.local({ ...subscriptionTo(sharedFilter), session: this.#sessionOf(name, isStored) }, true);
    return this;
  }

  /** Who gets so many messages, one after the other. */
  choices(count: number, publisherId = 'publisher'): string {
    const message = messageOn('t', 'hello', { publisherId });
    return Array.from({ length: count }, () => this.chooser.online(this.group, message)?.generation ?? '-').join('');
  }

  #sessionOf(name: string, isStored: boolean): Session {
    const isFull = (): boolean => this.full.has(name);
    return {
      clientId: name,
      stored: isStored,
      claim: { clientId: name, generation: name, epoch: 1 },
      isFull,
    } as unknown as Session;
  }
}

describe('round-robin', () => {
  it('takes members one after the other, on whatever node', () => {
    const trial = new Trial('round-robin').here('a').routed('b', 'east').routed('c', 'west', false).here('d', true);
    const choices = trial.choices(8);
    expect([...choices.slice(0, 4)].sort().join('')).toBe('abcd');
    expect(choices.slice(4)).toBe(choices.slice(0, 4));
  });

  it('passes over those who are away, and those whose node nobody knows', () => {
    const trial = new Trial('round-robin').here('a').routed('b', '').routed('c', 'dead').routed('d', 'east');
    expect([...trial.choices(4)].sort().join('')).toBe('aadd');
  });

  it('begins elsewhere on every node, so that many nodes with few messages are fair as well', () => {
    const firsts = new Map<string, number>();
    for (let i = 0; i < 400; i++) {
      const trial = new Trial('round-robin', `node-${i}`);
      for (const name of ['a', 'b', 'c', 'd']) trial.here(name);
      const first = trial.choices(1);
      firsts.set(first, (firsts.get(first) ?? 0) + 1);
    }
    expect([...firsts.keys()].sort().join('')).toBe('abcd');
    for (const count of firsts.values()) expect(count).toBeGreaterThan(50);
  });

  it('goes on where it was when somebody comes', () => {
    const trial = new Trial('round-robin').here('a').here('c');
    trial.choices(3);
    trial.here('b');
    expect([...trial.choices(3)].sort().join('')).toBe('abc');
  });
});

describe('the other strategies', () => {
  it('local: those who are connected to this node take turns, and the others only if there are none', () => {
    const trial = new Trial('local').here('a').routed('b', 'east').here('c');
    expect([...trial.choices(4)].sort().join('')).toBe('aacc');
    expect(new Trial('local').routed('b', 'east').choices(2)).toBe('bb');
  });

  it('hash: the same member for the same publisher, on every node, and not the same for all', () => {
    const choose = (node: string, publisherId: string): string => {
      const trial = new Trial('hash', node).routed('a', 'east').routed('b', 'east').routed('c', 'west');
      return trial.choices(1, publisherId);
    };
    const publishers = Array.from({ length: 40 }, (_, i) => `publisher-${i}`);
    const choices = publishers.map((publisherId) => choose('here', publisherId));
    expect(publishers.map((publisherId) => choose('there', publisherId))).toEqual(choices);
    expect(new Set(choices).size).toBe(3);
  });

  it('sticky: one member until it is gone, whoever comes meanwhile', () => {
    const trial = new Trial('sticky').here('b').here('c');
    expect(trial.choices(3)).toBe('bbb');
    trial.here('a');
    expect(trial.choices(2)).toBe('bb');
    trial.group.local({ ...subscriptionTo(sharedFilter), session: trial.group.member('b')?.session as Session }, false);
    const other = trial.choices(1);
    expect(trial.choices(2)).toBe(`${other}${other}`);
  });

  it('sticky: one that is full keeps its place', () => {
    const trial = new Trial('sticky').here('a').here('b');
    expect(trial.choices(1)).toBe('a');
    expect(trial.chooser.online(trial.group, messageOn('t'), new Set(['a']))?.generation).toBe('b');
    expect(trial.choices(1)).toBe('a');
  });
});

describe('who cannot take a message', () => {
  it('a full Session here is passed over', () => {
    const trial = new Trial('round-robin').here('a').here('b');
    trial.full.add('a');
    expect(trial.choices(2)).toBe('bb');
    trial.full.add('b');
    expect(trial.choices(1)).toBe('-');
  });

  it('offline: only stored Sessions', () => {
    const trial = new Trial('round-robin').routed('a', '', false).routed('b', '').routed('c', 'dead', false);
    const stored = (): string | undefined => trial.chooser.stored(trial.group, messageOn('t'))?.generation;
    expect([stored(), stored()]).toEqual(['b', 'b']);
  });
});
