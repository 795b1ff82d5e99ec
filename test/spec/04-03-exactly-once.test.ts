// MQTT 5.0 chapter 4.3.3 under bad weather: a publisher and a subscriber that keep losing their Network Connections, and
// keep to the protocol. Every message of QoS 2 arrives exactly once, and of QoS 1 at least once, in order.
//
// Connections end in three ways: cut, closed, or taken over by the next one while they are still up.

import type { Packet, ProtocolVersion, QoS } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import type { RawClient } from '../support/client.ts';
import { fresh } from '../support/fresh.ts';
import { text } from '../support/payload.ts';
import { dice, seed } from '../support/seed.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

/** Messages the publisher has under way at most. */
const windowMax = 8;
const chanceOfLoss = 0.08;

/** A Session whose Network Connection is replaced now and then. */
class Unlucky {
  readonly #random: () => number;
  readonly #version: ProtocolVersion;
  readonly #clientId: string;
  #client: RawClient | undefined;

  constructor(version: ProtocolVersion, clientId: string, random: () => number) {
    this.#version = version;
    this.#clientId = clientId;
    this.#random = random;
  }

  /** The next Network Connection; the one before is cut, closed, or left to be taken over. */
  async reconnect(): Promise<RawClient> {
    const way = this.#random();
    if (way < 0.4) this.#client?.drop();
    else if (way < 0.7) this.#client?.hangUp();
    this.#client = await broker.connect({
      version: this.#version,
      clientId: this.#clientId,
      cleanStart: false,
      properties: { sessionExpiryInterval: 60 },
    });
    return this.#client;
  }

  /** Whether the Network Connection is to be lost now. */
  isOutOfLuck(): boolean {
    return this.#random() < chanceOfLoss;
  }
}

/** Publishes numbers from 0, through all misfortune, until all are acknowledged. */
async function publishAll(unlucky: Unlucky, topic: string, qos: QoS, count: number): Promise<void> {
  const pending = new Map<number, { payload: string; isReleased: boolean }>();
  let next = 0;
  while (next < count || pending.size > 0) {
    const client = await unlucky.reconnect();
    for (const [packetId, { payload, isReleased }] of pending) {
      if (isReleased) client.acknowledge('pubrel', packetId);
      else client.sendPublish({ topic, qos, payload, packetId, dup: true });
    }
    while (!unlucky.isOutOfLuck() && (next < count || pending.size > 0)) {
      if (next < count && pending.size < windowMax) {
        const packetId = 1 + (next % 1000);
        pending.set(packetId, { payload: `${next}`, isReleased: false });
        client.sendPublish({ topic, qos, payload: `${next}`, packetId });
        next += 1;
        continue;
      }
      const packet = await client.next();
      if (packet.type === 'puback' || packet.type === 'pubcomp') pending.delete(packet.packetId);
      if (packet.type === 'pubrec') {
        const message = pending.get(packet.packetId);
        if (message !== undefined) message.isReleased = true;
        client.acknowledge('pubrel', packet.packetId);
      }
    }
  }
}

/** Receives until the last number has come and is complete. @returns all payloads, those sent again included */
async function receiveAll(unlucky: Unlucky, qos: QoS, count: number): Promise<string[]> {
  const seen: string[] = [];
  const unreleased = new Set<number>();
  const isComplete = (): boolean => seen.includes(`${count - 1}`) && unreleased.size === 0;
  while (!isComplete()) {
    const client = await unlucky.reconnect();
    while (!isComplete() && !unlucky.isOutOfLuck()) {
      const packet: Packet = await client.next();
      if (packet.type === 'publish') {
        if (!unreleased.has(packet.packetId)) seen.push(text(packet.payload));
        if (qos === 2) unreleased.add(packet.packetId);
        client.acknowledge(qos === 2 ? 'pubrec' : 'puback', packet.packetId);
      }
      if (packet.type === 'pubrel') {
        unreleased.delete(packet.packetId);
        client.acknowledge('pubcomp', packet.packetId);
      }
    }
  }
  return seen;
}

describe.each([5, 4] as const)(`[MQTT-4.3.3-10] [MQTT-4.4.0-1] misfortune at level %i; seed ${seed}`, (version) => {
  it.each([
    [2, 'exactly once'],
    [1, 'at least once'],
  ] as const)('QoS %i arrives %s, in order', async (qos, promise) => {
    const count = 250;
    const topic = fresh('weather');
    const random = dice(seed + 10 * version + qos);
    const subscriber = new Unlucky(version, fresh('subscriber'), random);
    await (await subscriber.reconnect()).subscribe(topic, { qos });
    const publisher = new Unlucky(version, fresh('publisher'), random);

    const [seen] = await Promise.all([receiveAll(subscriber, qos, count), publishAll(publisher, topic, qos, count)]);

    const all = Array.from({ length: count }, (_, index) => `${index}`);
    if (promise === 'exactly once') expect(seen).toEqual(all);
    // Sent again or not, the first time of each comes in order.
    else expect([...new Set(seen)]).toEqual(all);
  });
});
