// MQTT 5.0 chapter 4.4, what is sent again when a Session is resumed, and nothing at any other time.

import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { fresh } from '../support/fresh.ts';
import { bytes } from '../support/payload.ts';
import { lasting, versions } from '../support/sessions.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

describe.each(versions)('[MQTT-4.4.0-1] [3.1.1 MQTT-4.4.0-1] when a Session is resumed, at level %i', (version) => {
  it.each([1, 2] as const)(
    'unacknowledged PUBLISHes go again: same Packet Identifiers, DUP 1, in order [3.1.1 MQTT-4.6.0-1], QoS %i',
    async (qos) => {
      const topic = fresh('again');
      const client = await broker.connect({ version, ...lasting });
      await client.subscribe(topic, { qos });
      const publisher = await broker.connect();
      const payloads = ['one', 'two', 'three'];
      for (const payload of payloads) await publisher.publish({ topic, qos, payload });
      const packetIds: number[] = [];
      for (const _ of payloads) packetIds.push((await client.nextOf('publish')).packetId);
      client.drop();

      const back = await broker.connect({ version, clientId: client.clientId, ...lasting });
      for (const [index, payload] of payloads.entries()) {
        const message = await back.receiveMessage();
        expect(message).toMatchObject({ payload: bytes(payload), dup: true, packetId: packetIds[index] });
      }
      await back.expectNothing();
    },
  );

  it('what was acknowledged does not go again', async () => {
    const topic = fresh('again');
    const client = await broker.connect({ version, ...lasting });
    await client.subscribe(topic, { qos: 1 });
    const publisher = await broker.connect();
    for (const payload of ['one', 'two', 'three']) await publisher.publish({ topic, qos: 1, payload });
    await client.nextOf('publish');
    const second = await client.nextOf('publish');
    await client.nextOf('publish');
    // Out of order: only the second.
    client.acknowledge('puback', second.packetId);
    await client.expectNothing();
    client.drop();

    const back = await broker.connect({ version, clientId: client.clientId, ...lasting });
    expect(await back.receiveMessage()).toMatchObject({ payload: bytes('one'), dup: true });
    expect(await back.receiveMessage()).toMatchObject({ payload: bytes('three'), dup: true });
    await back.expectNothing();
  });

  it('a PUBREL that was not completed goes again, and its PUBLISH does not [MQTT-4.3.3-5]', async () => {
    const topic = fresh('again');
    const client = await broker.connect({ version, ...lasting });
    await client.subscribe(topic, { qos: 2 });
    await client.publish({ topic, qos: 2, payload: 'x' });
    const { packetId } = await client.nextOf('publish');
    client.acknowledge('pubrec', packetId);
    await client.nextOf('pubrel');
    client.drop();

    const back = await broker.connect({ version, clientId: client.clientId, ...lasting });
    expect(await back.next()).toMatchObject({ type: 'pubrel', packetId });
    back.acknowledge('pubcomp', packetId);
    await back.expectNothing();
  });

  it('PUBRELs and PUBLISHes of several messages all go, each group in order', async () => {
    const topic = fresh('again');
    const client = await broker.connect({ version, ...lasting });
    await client.subscribe(topic, { qos: 2 });
    const publisher = await broker.connect();
    for (const payload of ['a', 'b', 'c', 'd']) await publisher.publish({ topic, qos: 2, payload });
    const packetIds: number[] = [];
    for (let count = 0; count < 4; count += 1) packetIds.push((await client.nextOf('publish')).packetId);
    for (const packetId of packetIds.slice(0, 2)) {
      client.acknowledge('pubrec', packetId);
      await client.nextOf('pubrel');
    }
    client.drop();

    const back = await broker.connect({ version, clientId: client.clientId, ...lasting });
    for (const packetId of packetIds.slice(0, 2)) {
      expect(await back.nextOf('pubrel')).toMatchObject({ packetId });
      back.acknowledge('pubcomp', packetId);
    }
    for (const packetId of packetIds.slice(2)) {
      expect(await back.receiveMessage()).toMatchObject({ packetId, dup: true });
    }
    await back.expectNothing();
  });

  it('they go before anything new', async () => {
    const topic = fresh('again');
    const client = await broker.connect({ version, ...lasting });
    await client.subscribe(topic, { qos: 1 });
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos: 1, payload: 'old' });
    await client.nextOf('publish');
    client.hangUp();
    await client.closed;
    await publisher.publish({ topic, qos: 1, payload: 'new' });

    const back = await broker.connect({ version, clientId: client.clientId, ...lasting });
    expect(await back.receiveMessage()).toMatchObject({ payload: bytes('old'), dup: true });
    expect(await back.receiveMessage()).toMatchObject({ payload: bytes('new'), dup: false });
  });

  it('after DISCONNECT as after a loss', async () => {
    const topic = fresh('again');
    const client = await broker.connect({ version, ...lasting });
    await client.subscribe(topic, { qos: 1 });
    await client.publish({ topic, qos: 1, payload: 'left' });
    const { packetId } = await client.nextOf('publish');
    await client.disconnect();
    const back = await broker.connect({ version, clientId: client.clientId, ...lasting });
    expect(await back.receiveMessage()).toMatchObject({ payload: bytes('left'), dup: true, packetId });
  });

  it('each time, until they are acknowledged [MQTT-4.3.3-3]', async () => {
    const topic = fresh('again');
    const client = await broker.connect({ version, ...lasting });
    await client.subscribe(topic, { qos: 2 });
    await client.publish({ topic, qos: 2, payload: 'stubborn' });
    const { packetId } = await client.nextOf('publish');
    client.drop();
    for (let count = 0; count < 3; count += 1) {
      const visit = await broker.connect({ version, clientId: client.clientId, ...lasting });
      expect(await visit.nextOf('publish')).toMatchObject({ payload: bytes('stubborn'), dup: true, packetId });
      visit.drop();
    }
    const back = await broker.connect({ version, clientId: client.clientId, ...lasting });
    expect(await back.receiveMessage()).toMatchObject({ packetId, dup: true });
    await back.expectNothing();
  });
});

describe.concurrent.each(versions)('[MQTT-4.4.0-1] while the Network Connection lasts, at level %i', (version) => {
  it('nothing is sent again', async () => {
    const topic = fresh('again');
    const client = await broker.connect({ version, ...lasting });
    await client.subscribe(topic, { qos: 1 });
    await client.publish({ topic, qos: 1 });
    await client.nextOf('publish');
    // A Keep Alive of 1 s runs out after 1.5 s: long enough for an impatient Server.
    expect(await (await broker.connect({ keepAliveSeconds: 1 })).closed).toBe(true);
    await client.expectNothing();
  });
});

describe.each(versions)('[§4.4] a Client that sends again what it sent before, at level %i', (version) => {
  it('QoS 1, not acknowledged: it is delivered, once or twice', async () => {
    const topic = fresh('resend');
    const watcher = await broker.connect();
    await watcher.subscribe(topic, { qos: 1 });
    const client = await broker.connect({ version, ...lasting });
    client.sendPublish({ topic, qos: 1, packetId: 3, payload: 'mine' });
    client.drop();
    const back = await broker.connect({ version, clientId: client.clientId, ...lasting });
    await back.publish({ topic, qos: 1, packetId: 3, payload: 'mine', dup: true });
    await back.publish({ topic, qos: 1, packetId: 4, payload: 'end' });
    const seen: string[] = [];
    while (seen.at(-1) !== 'end') seen.push(Buffer.from((await watcher.receiveMessage()).payload).toString());
    expect([
      ['mine', 'end'],
      ['mine', 'mine', 'end'],
    ]).toContainEqual(seen);
  });

  it('QoS 2, not released: PUBREL alone completes it', async () => {
    const topic = fresh('resend');
    const watcher = await broker.connect();
    await watcher.subscribe(topic, { qos: 2 });
    const client = await broker.connect({ version, ...lasting });
    client.sendPublish({ topic, qos: 2, packetId: 3, payload: 'mine' });
    await client.nextOf('pubrec');
    client.drop();
    const back = await broker.connect({ version, clientId: client.clientId, ...lasting });
    back.acknowledge('pubrel', 3);
    expect(await back.next()).toMatchObject({ type: 'pubcomp', packetId: 3, reasonCode: 0 });
    expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('mine') });
    await watcher.expectNothing();
  });

  it('QoS 2, taken over in the middle: delivered once', async () => {
    const topic = fresh('resend');
    const watcher = await broker.connect();
    await watcher.subscribe(topic, { qos: 2 });
    const client = await broker.connect({ version, ...lasting });
    client.sendPublish({ topic, qos: 2, packetId: 3, payload: 'mine' });
    // The other connection comes before the PUBREC was read.
    const back = await broker.connect({ version, clientId: client.clientId, ...lasting });
    await back.publish({ topic, qos: 2, packetId: 3, payload: 'mine', dup: true });
    expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('mine') });
    await watcher.expectNothing();
  });
});
