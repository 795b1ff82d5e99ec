// What goes into a stream, batch by batch: a stream here is a list, and takes the next batch when it is told to.

import { ManualClock } from '@skein/broker/contract';
import { expect, it } from 'vitest';
import { deliveryOf, inboxOf, messageOf } from '../testing/said.ts';
import { FrameReader } from './frame-reader.ts';
import type { Batch } from './generated/peer.ts';
import { batchBytes, Outgoing } from './outgoing.ts';

/** A way whose stream takes one batch at a time. */
class Trial {
  readonly clock = new ManualClock();
  narrowed = 0;
  readonly outgoing: Outgoing;
  readonly batches: Batch[] = [];
  #written: () => void = () => undefined;

  constructor(unsentMaxBytes = 8 * 1024 * 1024) {
    this.outgoing = new Outgoing({
      clock: this.clock,
      unsentMaxBytes,
      firstSequence: 1,
      narrowed: () => {
        this.narrowed += 1;
      },
    });
  }

  open(taken = 0): boolean {
    return this.outgoing.open(taken, (batch, written) => {
      // Its memory is used anew when it has been written.
      this.batches.push({ ...batch, heads: Buffer.from(batch.heads), bodies: Buffer.from(batch.bodies) });
      this.#written = written;
    });
  }

  /** The stream has room for the next batch. */
  written(): void {
    this.#written();
  }

  /** What the batches say to a node that has had deliveries up to a number. */
  said(taken = 0): string[] {
    const inbox = inboxOf();
    const reader = new FrameReader(inbox, undefined);
    const sender = { taken };
    for (const batch of this.batches) reader.read(batch, sender);
    return inbox.said;
  }
}

it('what a turn brings is one batch', () => {
  const trial = new Trial();
  trial.open();
  trial.outgoing.publish(messageOf('1'));
  trial.outgoing.kick('lamp', 2);
  void trial.outgoing.deliver([deliveryOf('3')]);
  expect(trial.batches).toHaveLength(0);
  trial.clock.endTurn();
  expect(trial.batches).toHaveLength(1);
  expect(trial.said()).toEqual(['publish 1', 'kick 2', 'deliver 3']);
});

it('while a batch is on its way into the stream, what comes gathers behind it', () => {
  const trial = new Trial();
  trial.open();
  for (let turn = 0; turn < 5; turn++) {
    trial.outgoing.publish(messageOf(`${turn}`));
    trial.clock.endTurn();
  }
  expect(trial.batches).toHaveLength(1);
  trial.written();
  expect(trial.batches).toHaveLength(2);
  expect(trial.said()).toEqual([0, 1, 2, 3, 4].map((turn) => `publish ${turn}`));
});

it('a batch that is full goes at once, and is not much larger than it may be', () => {
  const trial = new Trial();
  trial.open();
  const large = 'x'.repeat(10_000);
  for (let i = 0; i < 100; i++) trial.outgoing.publish(messageOf(`${i} ${large}`));
  void trial.outgoing.deliver(Array.from({ length: 100 }, (_, i) => deliveryOf(`${i} ${large}`)));
  expect(trial.batches).toHaveLength(1);
  trial.clock.endTurn();
  for (let i = 0; i < 20; i++) trial.written();
  expect(trial.said()).toHaveLength(200);
  for (const { heads, bodies } of trial.batches) expect(heads.length + bodies.length).toBeLessThan(batchBytes + 11_000);
});

it('that a peer does not keep up is told once, until it has caught up', () => {
  const trial = new Trial(1000);
  trial.open();
  const flood = (): number => {
    let taken = 0;
    while (trial.outgoing.publish(messageOf('x'.repeat(90)))) taken += 1;
    trial.outgoing.publish(messageOf('one more'));
    return taken;
  };
  expect(flood()).toBeGreaterThan(5);
  expect(trial.narrowed).toBe(1);
  trial.clock.endTurn();
  trial.written();
  expect(flood()).toBeGreaterThan(5);
  expect(trial.narrowed).toBe(2);
});

it('deliveries go again from the one that was acknowledged on, before what is new', async () => {
  const trial = new Trial();
  trial.open();
  const outcomes = ['1', '2', '3'].map((text) => trial.outgoing.deliver([deliveryOf(text)]));
  trial.clock.endTurn();
  void trial.outgoing.deliver([deliveryOf('4')]);
  trial.outgoing.broken();
  trial.outgoing.publish(messageOf('5'));
  trial.batches.length = 0;
  expect(trial.open(1)).toBe(true);
  trial.written();
  expect(await outcomes[0]).toBe(true);
  expect(trial.batches.map(({ first, floor }) => [first, floor])).toEqual([
    [2, 2],
    [4, 2],
  ]);
  expect(trial.said(1)).toEqual(['deliver 2', 'deliver 3', 'deliver 4', 'publish 5']);
});

it('a call of many deliveries is settled when the last of them is', async () => {
  const trial = new Trial();
  trial.open();
  let outcome: boolean | undefined;
  const many = Array.from({ length: 100 }, (_, i) => deliveryOf(`${i} ${'x'.repeat(10_000)}`));
  const settled = trial.outgoing.deliver(many).then((taken) => {
    outcome = taken;
  });
  trial.clock.endTurn();
  for (let i = 0; i < 20; i++) trial.written();
  trial.outgoing.acknowledge(99);
  await trial.clock.settle();
  expect(outcome).toBe(undefined);
  trial.outgoing.acknowledge(100);
  await settled;
  expect(outcome).toBe(true);
});

it('a peer cannot acknowledge what it has not been sent', () => {
  const trial = new Trial();
  expect(trial.open(1)).toBe(false);
  expect(trial.open(0)).toBe(true);
  void trial.outgoing.deliver([deliveryOf('1')]);
  expect(trial.outgoing.acknowledge(1)).toBe(false);
  trial.clock.endTurn();
  expect(trial.outgoing.acknowledge(1)).toBe(true);
  expect(trial.outgoing.acknowledge(2)).toBe(false);
});

it('a peer may acknowledge what was given up, sent or not', async () => {
  const trial = new Trial();
  const outcome = trial.outgoing.deliver([deliveryOf('1'), deliveryOf('2')]);
  trial.outgoing.giveUp();
  expect(await outcome).toBe(false);
  expect(trial.open()).toBe(true);
  trial.outgoing.kick('lamp', 1);
  trial.clock.endTurn();
  expect(trial.batches.map(({ floor }) => floor)).toEqual([3]);
  expect(trial.outgoing.acknowledge(2)).toBe(true);
});

it('a peer whose streams open and break without an acknowledgement counts as unreachable all the time', async () => {
  const trial = new Trial();
  void trial.outgoing.deliver([deliveryOf('1')]);
  for (let i = 0; i < 10; i++) {
    await trial.clock.advance(100);
    trial.open();
    expect(trial.outgoing.unreachableMs()).toBe(0);
    trial.outgoing.broken();
  }
  expect(trial.outgoing.unreachableMs()).toBe(1000);
  trial.open(1);
  trial.outgoing.broken();
  void trial.outgoing.deliver([deliveryOf('2')]);
  await trial.clock.advance(100);
  expect(trial.outgoing.unreachableMs()).toBe(100);
});

it('a stream that has ended is not heard any more', () => {
  const trial = new Trial();
  trial.open();
  trial.outgoing.publish(messageOf('1'));
  trial.clock.endTurn();
  const { written } = trial;
  trial.outgoing.broken();
  trial.outgoing.publish(messageOf('2'));
  trial.clock.endTurn();
  written.call(trial);
  expect(trial.batches).toHaveLength(1);
});
