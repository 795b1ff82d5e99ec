import { describe, expect, it } from 'vitest';
import type { Claim } from '../ports.ts';
import { DeferredCalls } from '../testing/deferred-calls.ts';
import { Surroundings } from '../testing/surroundings.ts';
import type { Inbound } from './inbound.ts';
import type { Outbound } from './outbound.ts';
import { Settlements } from './settlements.ts';

const lamp: Claim = { clientId: 'lamp', generation: 'g1', epoch: 1 };
const door: Claim = { clientId: 'door', generation: 'g2', epoch: 2 };

class Trial {
  readonly around = new Surroundings();
  readonly calls = new DeferredCalls();
  readonly told: string[] = [];
  readonly settlements: Settlements;
  readonly outbound = { release: (seq: number) => this.told.push(`pubrel ${seq}`) } as unknown as Outbound;
  readonly inbound = { released: (packetId: number) => this.told.push(`pubcomp ${packetId}`) } as unknown as Inbound;

  constructor() {
    const store = { queues: this.calls.port<never>('queues'), inbound: this.calls.port<never>('inbound') };
    this.settlements = new Settlements(store, this.around.clock, this.around.persistence);
  }
}

describe('Settlements', () => {
  it('gathers what a turn brings for all Sessions into one call of each kind', async () => {
    const { settlements, calls, around, outbound, inbound, told } = new Trial();
    settlements.ack(lamp, 1);
    settlements.rec(lamp, 3, outbound);
    settlements.ack(door, 1);
    settlements.ack(lamp, 2);
    settlements.release({ claim: door, packetId: 9, uid: 'v9' }, inbound);
    expect(calls.open).toEqual([]);
    await around.clock.settle();
    expect(calls.open.toSorted()).toEqual(['inbound.release', 'queues.ack', 'queues.rec']);
    const ack = calls.next('queues.ack');
    expect(ack.args).toEqual([
      [
        { clientId: 'lamp', generation: 'g1', seqs: [1, 2] },
        { clientId: 'door', generation: 'g2', seqs: [1] },
      ],
    ]);
    ack.answer(undefined);
    const rec = calls.next('queues.rec');
    expect(rec.args).toEqual([[{ clientId: 'lamp', generation: 'g1', seqs: [3] }]]);
    rec.answer(undefined);
    const release = calls.next('inbound.release');
    expect(release.args).toEqual([[{ claim: door, packetId: 9, uid: 'v9' }]]);
    release.answer(undefined);
    await around.clock.settle();
    expect(told).toEqual(['pubrel 3', 'pubcomp 9']);
  });

  it('[MQTT-4.3.3-5] lets no PUBREL and no PUBCOMP go before the store has answered, however often it fails', async () => {
    const { settlements, calls, around, outbound, inbound, told } = new Trial();
    settlements.rec(lamp, 1, outbound);
    settlements.release({ claim: lamp, packetId: 7, uid: 'u7' }, inbound);
    await around.clock.settle();
    for (let attempt = 0; attempt < 5; attempt++) {
      calls.next('queues.rec').fail();
      if (attempt === 0) calls.next('inbound.release').answer(undefined);
      await around.clock.advance(1000);
      expect(told).toEqual([]);
    }
    calls.next('queues.rec').answer(undefined);
    await around.clock.settle();
    expect(told).toEqual(['pubrel 1', 'pubcomp 7']);
  });

  it('[MQTT-4.6.0-4] keeps PUBRELs in the order of their PUBRECs, batch after batch', async () => {
    const { settlements, calls, around, outbound, told } = new Trial();
    settlements.rec(lamp, 3, outbound);
    settlements.rec(lamp, 1, outbound);
    await around.clock.settle();
    settlements.rec(lamp, 2, outbound);
    settlements.rec(lamp, 5, outbound);
    await around.clock.settle();
    expect(calls.open).toEqual(['queues.rec']);
    calls.next('queues.rec').answer(undefined);
    await around.clock.settle();
    const second = calls.next('queues.rec');
    expect((second.args[0] as { seqs: number[] }[]).flatMap(({ seqs }) => seqs)).toEqual([2, 5]);
    second.answer(undefined);
    await around.clock.settle();
    expect(told).toEqual(['pubrel 3', 'pubrel 1', 'pubrel 2', 'pubrel 5']);
  });

  it('has one batch under way: the slower the store, the fewer calls it gets', async () => {
    const { settlements, calls, around } = new Trial();
    let made = 0;
    for (let seq = 1; seq <= 100; seq++) {
      settlements.ack(lamp, seq);
      await around.clock.settle();
      if (seq % 10 === 0) {
        calls.next('queues.ack').answer(undefined);
        made++;
        await around.clock.settle();
      }
    }
    expect(made).toBe(10);
    expect(calls.open).toEqual(['queues.ack']);
  });

  it('flushes once all is stored', async () => {
    const { settlements, calls, around } = new Trial();
    await settlements.flush();
    settlements.ack(lamp, 1);
    let flushed = false;
    const flush = settlements.flush().then(() => {
      flushed = true;
    });
    await around.clock.settle();
    calls.next('queues.ack').fail();
    await around.clock.settle();
    expect(flushed).toBe(false);
    await around.clock.advance(1000);
    calls.next('queues.ack').answer(undefined);
    await flush;
  });

  it('notes what is published, and lets nobody wait for that', async () => {
    const { settlements, calls, around } = new Trial();
    settlements.done({ claim: lamp, packetId: 7, uid: 'u7' });
    settlements.done({ claim: door, packetId: 7, uid: 'v7' });
    await around.clock.settle();
    expect(calls.next('inbound.done').args).toEqual([
      [
        { claim: lamp, packetId: 7, uid: 'u7' },
        { claim: door, packetId: 7, uid: 'v7' },
      ],
    ]);
  });

  it('gives up quietly when the broker has stopped and the store is away', async () => {
    const { settlements, calls, around, outbound, told } = new Trial();
    settlements.rec(lamp, 1, outbound);
    await around.clock.settle();
    around.persistence.stop();
    calls.next('queues.rec').fail();
    await around.clock.advance(10_000);
    expect(calls.open).toEqual([]);
    expect(told).toEqual([]);
  });
});
