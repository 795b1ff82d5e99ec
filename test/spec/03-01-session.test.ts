// MQTT 5.0 chapters 3.1.2.4, 3.1.2.10, 3.1.2.11.2 and 3.1.4: Clean Start, Keep Alive, Session Expiry, takeover.

import { ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { stopwatch } from '../support/deadline.ts';
import { fresh } from '../support/fresh.ts';
import { connectPacket } from '../support/packets.ts';
import { bytes } from '../support/payload.ts';
import { lasting, versions } from '../support/sessions.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

describe.each(versions)(
  '[MQTT-3.1.2-4] [MQTT-3.1.4-4] [3.1.1 MQTT-3.1.2-6] [3.1.1 MQTT-3.1.4-3] Clean Start 1, at level %i',
  (version) => {
    it('discards the Subscriptions and the queued messages of the Session before', async () => {
      const topic = fresh('clean');
      const before = await broker.connect({ version, ...lasting });
      await before.subscribe(topic, { qos: 1 });
      await before.disconnect();
      const publisher = await broker.connect();
      await publisher.publish({ topic, qos: 1, payload: 'for the old Session' });

      const clean = await broker.connect({ version, clientId: before.clientId, cleanStart: true });
      expect(clean.connack.sessionPresent).toBe(false);
      await publisher.publish({ topic, qos: 1, payload: 'for nobody' });
      await clean.expectNothing();
    });

    it('discards what the old Session had in flight, both ways', async () => {
      const topic = fresh('clean');
      const before = await broker.connect({ version, ...lasting });
      await before.subscribe(topic, { qos: 2 });
      before.sendPublish({ topic, qos: 2, packetId: 5, payload: 'half done' });
      await before.nextOf('pubrec');
      await before.nextOf('publish');
      before.drop();

      const clean = await broker.connect({ version, clientId: before.clientId, cleanStart: true });
      await clean.expectNothing();
      // Packet Identifier 5 means nothing any more: this is a new message, and it is delivered.
      await clean.subscribe(topic, { qos: 2 });
      await clean.publish({ topic, qos: 2, packetId: 5, payload: 'whole' });
      expect(await clean.receiveMessage()).toMatchObject({ payload: bytes('whole'), dup: false });
    });

    it('leaves retained messages alone [3.1.1 MQTT-3.1.2-7]', async () => {
      const topic = fresh('clean');
      const client = await broker.connect({ version, ...lasting });
      await client.publish({ topic, qos: 1, retain: true, payload: 'stays' });
      await client.disconnect();
      const clean = await broker.connect({ version, clientId: client.clientId, cleanStart: true });
      await clean.subscribe(topic);
      expect(await clean.receiveMessage()).toMatchObject({ payload: bytes('stays'), retain: true });
    });
  },
);

describe.each(versions)('[MQTT-3.1.2-5] [3.1.1 MQTT-3.1.2-5] Clean Start 0 with a Session, at level %i', (version) => {
  it('resumes it: its Subscriptions, and what came in the meantime, in order', async () => {
    const topic = fresh('resume');
    const before = await broker.connect({ version, ...lasting });
    await before.subscribe(topic, { qos: 2 });
    await before.disconnect();
    const publisher = await broker.connect();
    for (const payload of ['one', 'two', 'three']) await publisher.publish({ topic, qos: 2, payload });

    const back = await broker.connect({ version, clientId: before.clientId, ...lasting });
    for (const payload of ['one', 'two', 'three']) {
      expect(await back.receiveMessage()).toMatchObject({ payload: bytes(payload), dup: false });
    }
    await publisher.publish({ topic, qos: 1, payload: 'live' });
    expect(await back.receiveMessage()).toMatchObject({ payload: bytes('live') });
  });
});

describe.each(versions)(
  '[MQTT-3.1.2-6] [3.1.1 MQTT-3.1.2-4] Clean Start 0 without a Session, at level %i',
  (version) => {
    it('makes a new one', async () => {
      const client = await broker.connect({ version, ...lasting });
      expect(client.connack.sessionPresent).toBe(false);
      await client.subscribe(fresh('new'));
      await client.expectNothing();
    });
  },
);

describe('[MQTT-3.1.2-23] the Session after the Network Connection', () => {
  it('ends with it when the Session Expiry Interval is absent', async () => {
    const client = await broker.connect({ cleanStart: false });
    await client.subscribe(fresh('gone'), { qos: 1 });
    await client.disconnect();
    const back = await broker.connect({ clientId: client.clientId, cleanStart: false });
    expect(back.connack.sessionPresent).toBe(false);
  });

  it('ends with it at Clean Session 1 in 3.1.1 [3.1.1 MQTT-3.1.2-6]', async () => {
    const client = await broker.connect({ version: 4, cleanStart: true });
    await client.disconnect();
    const back = await broker.connect({ version: 4, clientId: client.clientId, cleanStart: false });
    expect(back.connack.sessionPresent).toBe(false);
  });

  it('stays, even if it began with Clean Start 1', async () => {
    const properties = { sessionExpiryInterval: 60 };
    const client = await broker.connect({ cleanStart: true, properties });
    await client.disconnect();
    const back = await broker.connect({ clientId: client.clientId, cleanStart: false, properties });
    expect(back.connack.sessionPresent).toBe(true);
  });

  it('stays when the Network Connection is lost', async () => {
    const topic = fresh('lost');
    const client = await broker.connect(lasting);
    await client.subscribe(topic, { qos: 1 });
    client.drop();
    const back = await broker.connect({ clientId: client.clientId, ...lasting });
    expect(back.connack.sessionPresent).toBe(true);
    await back.publish({ topic, qos: 1, payload: 'here' });
    expect(await back.receiveMessage()).toMatchObject({ payload: bytes('here') });
  });
});

describe.concurrent('[MQTT-4.1.0-2] the Session Expiry Interval', () => {
  it('ends the Session when it has passed, and not before', async () => {
    const topic = fresh('expiry');
    const watcher = await broker.connect();
    await watcher.subscribe(topic);
    // The Will is due when the Session ends, and tells us when that was.
    const client = await broker.connect({
      will: { topic, payload: 'ended', properties: { willDelayInterval: 3600 } },
      properties: { sessionExpiryInterval: 1 },
    });
    const elapsedMs = stopwatch();
    client.drop();
    expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('ended') });
    expect(elapsedMs()).toBeGreaterThan(950);
    const back = await broker.connect({ clientId: client.clientId, cleanStart: false });
    expect(back.connack.sessionPresent).toBe(false);
  });

  it('does not end a Session that is connected [MQTT-4.1.0-1]', async () => {
    const topic = fresh('expiry');
    const client = await broker.connect({ properties: { sessionExpiryInterval: 1 } });
    await client.subscribe(topic, { qos: 1 });
    expect(await (await broker.connect({ keepAliveSeconds: 1 })).closed).toBe(true);
    await client.publish({ topic, qos: 1, payload: 'still here' });
    expect(await client.receiveMessage()).toMatchObject({ payload: bytes('still here') });
  });

  it('starts again with every Network Connection', async () => {
    const client = await broker.connect({ properties: { sessionExpiryInterval: 2 } });
    await client.disconnect();
    const back = await broker.connect({
      clientId: client.clientId,
      cleanStart: false,
      properties: { sessionExpiryInterval: 60 },
    });
    await back.disconnect();
    // More than 2 s: a Keep Alive of 2 s runs out after 3.
    expect(await (await broker.connect({ keepAliveSeconds: 2 })).closed).toBe(true);
    const again = await broker.connect({ clientId: client.clientId, cleanStart: false });
    expect(again.connack.sessionPresent).toBe(true);
  });
});

describe.concurrent.each(versions)('[MQTT-3.1.2-22] [3.1.1 MQTT-3.1.2-24] Keep Alive, at level %i', (version) => {
  it('closes a silent Client after one and a half times its interval', async () => {
    const elapsedMs = stopwatch();
    const client = await broker.connect({ version, keepAliveSeconds: 1 });
    expect(await client.closedWithin(3500)).toBe(true);
    expect(elapsedMs()).toBeGreaterThan(1450);
    if (version === 5) {
      expect(await client.next()).toMatchObject({ type: 'disconnect', reasonCode: ReasonCode.keepAliveTimeout });
    }
  });

  it('is kept alive by any packet', async () => {
    const client = await broker.connect({ version, keepAliveSeconds: 2 });
    // Twice 1.5 s and more, by the clock of others, are beyond the 3 s that it may be silent.
    for (let round = 0; round < 2; round += 1) {
      expect(await (await broker.connect({ keepAliveSeconds: 1 })).closed).toBe(true);
      await client.publish({ topic: fresh('alive') });
    }
    await client.expectNothing();
  });

  it('of 0 is none', async () => {
    const client = await broker.connect({ version, keepAliveSeconds: 0 });
    expect(await (await broker.connect({ keepAliveSeconds: 1 })).closed).toBe(true);
    await client.expectNothing();
  });
});

describe.each(versions)('[MQTT-3.1.4-3] a second CONNECT with the same Client Identifier, at level %i', (version) => {
  it('tells the first Client Session taken over, and closes it', async () => {
    const first = await broker.connect({ version });
    const second = await broker.connect({ version, clientId: first.clientId });
    if (version === 5) {
      expect(await first.next()).toMatchObject({ type: 'disconnect', reasonCode: ReasonCode.sessionTakenOver });
    }
    expect(await first.closed).toBe(true);
    await second.expectNothing();
  });

  it('hands the Session over: Subscriptions, and messages that were not acknowledged', async () => {
    const topic = fresh('takeover');
    const first = await broker.connect({ version, ...lasting });
    await first.subscribe(topic, { qos: 1 });
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos: 1, payload: 'unacknowledged' });
    const { packetId } = await first.nextOf('publish');

    const second = await broker.connect({ version, clientId: first.clientId, ...lasting });
    expect(await second.receiveMessage()).toMatchObject({ payload: bytes('unacknowledged'), dup: true, packetId });
    await publisher.publish({ topic, qos: 1, payload: 'next' });
    expect(await second.receiveMessage()).toMatchObject({ payload: bytes('next'), dup: false });
  });

  it('is no matter of versions: the Client may come back with another one', async () => {
    const topic = fresh('takeover');
    const first = await broker.connect({ version, ...lasting });
    await first.subscribe(topic, { qos: 1 });
    const second = await broker.connect({ version: version === 5 ? 4 : 5, clientId: first.clientId, ...lasting });
    expect(await first.closed).toBe(true);
    expect(second.connack.sessionPresent).toBe(true);
    await second.publish({ topic, qos: 1, payload: 'mine' });
    expect(await second.receiveMessage()).toMatchObject({ payload: bytes('mine') });
  });
});

describe('[MQTT-3.1.4-3] many CONNECTs with the same Client Identifier at once', () => {
  it('leave one, and it works', async () => {
    const clientId = fresh('storm');
    const clients = await Promise.all(Array.from({ length: 20 }, () => broker.open({ clientId })));
    for (const client of clients) client.send(connectPacket({ clientId, ...lasting }));
    const last = await broker.connect({ clientId, ...lasting });
    for (const client of clients) expect(await client.closed).toBe(true);
    await last.subscribe(clientId);
    await last.publish({ topic: clientId, payload: 'alone' });
    expect(await last.receiveMessage()).toMatchObject({ payload: bytes('alone') });
  });
});

describe.each(versions)('[MQTT-3.1.3-2] [3.1.1 MQTT-3.1.3-2] two Client Identifiers, at level %i', (version) => {
  it('are two Sessions, though they differ in case only', async () => {
    const clientId = fresh('Case');
    const one = await broker.connect({ version, clientId });
    const other = await broker.connect({ version, clientId: clientId.toLowerCase() });
    await one.expectNothing();
    await other.expectNothing();
  });
});

describe.concurrent.each(versions)('[MQTT-3.1.2-22] a packet that never ends, at level %i', (version) => {
  it('is no packet: its bytes do not keep the Client alive', async () => {
    const client = await broker.connect({ version, keepAliveSeconds: 1 });
    // A PUBLISH of 100 bytes is announced, and drips.
    client.sendBytes('30 64');
    const drip = setInterval(() => client.sendBytes('00'), 200);
    try {
      expect(await client.closedWithin(5000)).toBe(true);
    } finally {
      clearInterval(drip);
    }
  });
});
