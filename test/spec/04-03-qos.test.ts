// MQTT 5.0 chapter 4.3, Quality of Service: the three protocols, in both directions, packet by packet.

import { ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { fresh } from '../support/fresh.ts';
import { bytes } from '../support/payload.ts';
import { allSessions, lasting, versions } from '../support/sessions.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

describe.each(allSessions)(
  '[MQTT-4.3.1-1] [3.1.1 MQTT-4.3.1-1] QoS 0, $kind Session at level $version',
  ({ session }) => {
    it('is one PUBLISH with DUP 0, and no answer', async () => {
      const topic = fresh('zero');
      const client = await broker.connect(session);
      await client.subscribe(topic, { qos: 2 });
      await client.publish({ topic, payload: 'x' });
      expect(await client.next()).toMatchObject({ type: 'publish', qos: 0, dup: false, packetId: 0 });
      await client.expectNothing();
    });
  },
);

describe.each(allSessions)(
  '[MQTT-4.3.2-4] [3.1.1 MQTT-4.3.2-2] QoS 1 from a Client, $kind Session at level $version',
  ({ session }) => {
    it('is answered by PUBACK with its Packet Identifier', async () => {
      const client = await broker.connect(session);
      client.sendPublish({ topic: fresh('one'), qos: 1, packetId: 99 });
      expect(await client.next()).toMatchObject({ type: 'puback', packetId: 99 });
      await client.expectNothing();
    });

    it('with the same Packet Identifier after the PUBACK is a new message, whatever its DUP flag [MQTT-4.3.2-5]', async () => {
      const topic = fresh('one');
      const watcher = await broker.connect();
      await watcher.subscribe(topic, { qos: 1 });
      const client = await broker.connect(session);
      await client.publish({ topic, qos: 1, packetId: 7, payload: 'first' });
      await client.publish({ topic, qos: 1, packetId: 7, payload: 'second', dup: true });
      await client.publish({ topic, qos: 1, packetId: 7, payload: 'third' });
      for (const payload of ['first', 'second', 'third']) {
        expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes(payload), dup: false });
      }
    });

    it('is acknowledged for each PUBLISH, one after the other', async () => {
      const client = await broker.connect(session);
      const topic = fresh('one');
      const packetIds = Array.from({ length: 20 }, (_, index) => 100 + index);
      client.sendTogether(packetIds.map((packetId) => client.publishPacket({ topic, qos: 1, packetId })));
      for (const packetId of packetIds) expect(await client.next()).toMatchObject({ type: 'puback', packetId });
    });
  },
);

describe.each(allSessions)(
  '[MQTT-4.3.2-1] [3.1.1 MQTT-4.3.2-1] QoS 1 to a Client, $kind Session at level $version',
  ({ session }) => {
    it('is a PUBLISH with DUP 0 and an unused Packet Identifier, until PUBACK [MQTT-4.3.2-2] [MQTT-4.3.2-3]', async () => {
      const topic = fresh('one');
      const client = await broker.connect(session);
      await client.subscribe(topic, { qos: 1 });
      const publisher = await broker.connect();
      await publisher.publish({ topic, qos: 1, payload: 'a' });
      await publisher.publish({ topic, qos: 1, payload: 'b' });
      const first = await client.nextOf('publish');
      const second = await client.nextOf('publish');
      expect(first).toMatchObject({ qos: 1, dup: false, payload: bytes('a') });
      expect(second).toMatchObject({ qos: 1, dup: false, payload: bytes('b') });
      expect(first.packetId).not.toBe(0);
      expect(second.packetId).not.toBe(first.packetId);
      client.acknowledge('puback', first.packetId);
      client.acknowledge('puback', second.packetId);
      await client.expectNothing();
    });
  },
);

describe.each(allSessions)(
  '[MQTT-4.3.3-8] [3.1.1 MQTT-4.3.3-2] QoS 2 from a Client, $kind Session at level $version',
  ({ session }) => {
    it('is PUBLISH, PUBREC, PUBREL, PUBCOMP, all with one Packet Identifier [MQTT-4.3.3-11]', async () => {
      const topic = fresh('two');
      const client = await broker.connect(session);
      client.sendPublish({ topic, qos: 2, packetId: 300 });
      expect(await client.next()).toMatchObject({ type: 'pubrec', packetId: 300 });
      client.acknowledge('pubrel', 300);
      expect(await client.next()).toMatchObject({ type: 'pubcomp', packetId: 300 });
      await client.expectNothing();
    });

    it('is answered by PUBREC again while not released, and delivered once [MQTT-4.3.3-10]', async () => {
      const topic = fresh('two');
      const watcher = await broker.connect();
      await watcher.subscribe(topic, { qos: 2 });
      const client = await broker.connect(session);
      for (const dup of [false, true, true]) {
        client.sendPublish({ topic, qos: 2, packetId: 300, payload: 'once', dup });
        expect(await client.nextOf('pubrec')).toMatchObject({ packetId: 300 });
      }
      client.acknowledge('pubrel', 300);
      expect(await client.nextOf('pubcomp')).toMatchObject({ packetId: 300 });
      expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('once') });
      await watcher.expectNothing();
    });

    it('is a new message with the same Packet Identifier after PUBCOMP [MQTT-4.3.3-12]', async () => {
      const topic = fresh('two');
      const watcher = await broker.connect();
      await watcher.subscribe(topic, { qos: 2 });
      const client = await broker.connect(session);
      await client.publish({ topic, qos: 2, packetId: 8, payload: 'first' });
      await client.publish({ topic, qos: 2, packetId: 8, payload: 'second', dup: true });
      for (const payload of ['first', 'second']) {
        expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes(payload) });
      }
    });

    it('is answered by PUBCOMP each time its PUBREL is repeated', async () => {
      const client = await broker.connect(session);
      await client.publish({ topic: fresh('two'), qos: 2, packetId: 9 });
      client.acknowledge('pubrel', 9);
      expect(await client.next()).toMatchObject({ type: 'pubcomp', packetId: 9 });
    });

    it('may have several under way, released in another order', async () => {
      const topic = fresh('two');
      const watcher = await broker.connect();
      await watcher.subscribe(topic, { qos: 2 });
      const client = await broker.connect(session);
      for (const packetId of [1, 2, 3]) {
        client.sendPublish({ topic, qos: 2, packetId, payload: `${packetId}` });
        expect(await client.nextOf('pubrec')).toMatchObject({ packetId });
      }
      for (const packetId of [3, 1, 2]) {
        client.acknowledge('pubrel', packetId);
        expect(await client.nextOf('pubcomp')).toMatchObject({ packetId });
      }
      for (const payload of ['1', '2', '3']) {
        expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes(payload) });
      }
      await watcher.expectNothing();
    });
  },
);

describe.each(allSessions)(
  '[MQTT-4.3.3-4] [3.1.1 MQTT-4.3.3-1] QoS 2 to a Client, $kind Session at level $version',
  ({ version, session }) => {
    it('is PUBLISH with DUP 0, PUBREC, PUBREL, PUBCOMP, all with one Packet Identifier [MQTT-4.3.3-2]', async () => {
      const topic = fresh('two');
      const client = await broker.connect(session);
      await client.subscribe(topic, { qos: 2 });
      const publisher = await broker.connect();
      await publisher.publish({ topic, qos: 2, payload: 'x' });
      const publish = await client.nextOf('publish');
      expect(publish).toMatchObject({ qos: 2, dup: false, payload: bytes('x') });
      client.acknowledge('pubrec', publish.packetId);
      expect(await client.next()).toMatchObject({
        type: 'pubrel',
        packetId: publish.packetId,
        reasonCode: ReasonCode.success,
      });
      client.acknowledge('pubcomp', publish.packetId);
      await client.expectNothing();
    });

    it('sends PUBREL again for a repeated PUBREC, and never the PUBLISH [MQTT-4.3.3-6]', async () => {
      const topic = fresh('two');
      const client = await broker.connect(session);
      await client.subscribe(topic, { qos: 2 });
      await client.publish({ topic, qos: 2, payload: 'x' });
      const { packetId } = await client.nextOf('publish');
      for (let count = 0; count < 2; count += 1) {
        client.acknowledge('pubrec', packetId);
        expect(await client.next()).toMatchObject({ type: 'pubrel', packetId, reasonCode: ReasonCode.success });
      }
      client.acknowledge('pubcomp', packetId);
      await client.expectNothing();
    });

    it('does not take the Packet Identifier of a message whose PUBCOMP has not come [MQTT-4.3.3-1]', async () => {
      const topic = fresh('two');
      const client = await broker.connect(session);
      await client.subscribe(topic, { qos: 2 });
      await client.publish({ topic, qos: 2, payload: 'held' });
      const held = await client.nextOf('publish');
      client.acknowledge('pubrec', held.packetId);
      await client.nextOf('pubrel');
      for (let count = 0; count < 100; count += 1) {
        await client.publish({ topic, qos: 2, payload: `${count}` });
        expect((await client.receiveMessage()).packetId).not.toBe(held.packetId);
      }
    });

    it('keeps PUBCOMP, PUBREC and PUBACK apart: the wrong one ends nothing', async () => {
      const topic = fresh('two');
      const client = await broker.connect({ version, ...lasting });
      await client.subscribe(topic, { qos: 1 });
      await client.publish({ topic, qos: 1, payload: 'mine' });
      const { packetId } = await client.nextOf('publish');
      client.acknowledge('pubcomp', packetId);
      client.drop();
      const back = await broker.connect({ version, ...lasting, clientId: client.clientId });
      expect(await back.receiveMessage()).toMatchObject({ payload: bytes('mine'), dup: true, packetId });
    });
  },
);

describe.each(versions)('[§4.3] Packet Identifiers of both sides, at level %i', (version) => {
  it('are independent: the same number may be under way in both directions', async () => {
    const topic = fresh('both');
    const client = await broker.connect({ version });
    await client.subscribe(topic, { qos: 2 });
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos: 2, payload: 'to the Client' });
    const { packetId } = await client.nextOf('publish');
    client.sendPublish({ topic: fresh('other'), qos: 2, packetId });
    expect(await client.nextOf('pubrec')).toMatchObject({ packetId });
    client.acknowledge('pubrec', packetId);
    expect(await client.nextOf('pubrel')).toMatchObject({ packetId });
    client.acknowledge('pubrel', packetId);
    expect(await client.nextOf('pubcomp')).toMatchObject({ packetId });
    client.acknowledge('pubcomp', packetId);
    await client.expectNothing();
  });

  it('go round after 65,535', async () => {
    const topic = fresh('round');
    const client = await broker.connect({ version });
    await client.publish({ topic, qos: 1, packetId: 65_535 });
    await client.publish({ topic, qos: 1, packetId: 1 });
    await client.publish({ topic, qos: 2, packetId: 65_535 });
    await client.expectNothing();
  });
});

describe('[§2.2.1] a Packet Identifier that is in use', () => {
  it('for another QoS: the QoS 2 message that has it is completed all the same', async () => {
    const topic = fresh('in-use');
    const client = await broker.connect();
    client.sendPublish({ topic, qos: 2, packetId: 5 });
    await client.nextOf('pubrec');
    client.sendPublish({ topic, qos: 1, packetId: 5 });
    // Packet identifier in use (0x91) or an acknowledgement: the specification leaves it to the Server.
    expect(await client.next()).toMatchObject({ type: 'puback', packetId: 5 });
    client.acknowledge('pubrel', 5);
    expect(await client.next()).toMatchObject({ type: 'pubcomp', packetId: 5, reasonCode: ReasonCode.success });
  });
});
