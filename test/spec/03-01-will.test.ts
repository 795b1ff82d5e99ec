// MQTT 5.0 chapters 3.1.2.5 and 3.1.3.2, the Will Message: when it is published, when it is not, and as what.

import { ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import type { RawClient } from '../support/client.ts';
import { soonMs, stopwatch } from '../support/deadline.ts';
import { expectRefusal } from '../support/ending.ts';
import { fresh } from '../support/fresh.ts';
import { hexString, rawConnect, withLength } from '../support/hex.ts';
import { bytes } from '../support/payload.ts';
import { versions } from '../support/sessions.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

/** Somebody who is subscribed to the Will Topic. */
async function watch(topic: string): Promise<RawClient> {
  const watcher = await broker.connect();
  await watcher.subscribe(topic, { qos: 2 });
  return watcher;
}

/** Proves that no Will came: the next message at the Will Topic is one that we publish ourselves. */
async function expectNoWill(watcher: RawClient, topic: string): Promise<void> {
  const publisher = await broker.connect();
  await publisher.publish({ topic, qos: 1, payload: 'no will before this' });
  expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('no will before this') });
}

describe.each(versions)(
  '[MQTT-3.1.2-7] [MQTT-3.1.2-8] [3.1.1 MQTT-3.1.2-8] the Will Message, at level %i',
  (version) => {
    it('is published when the Network Connection is lost', async () => {
      const topic = fresh('will');
      const watcher = await watch(topic);
      const client = await broker.connect({ version, will: { topic, payload: 'lost' } });
      client.drop();
      expect(await watcher.receiveMessage()).toMatchObject({ topic, payload: bytes('lost'), qos: 0, retain: false });
    });

    it('is published when the Client closes without DISCONNECT', async () => {
      const topic = fresh('will');
      const watcher = await watch(topic);
      const client = await broker.connect({ version, will: { topic, payload: 'hung up' } });
      client.hangUp();
      expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('hung up') });
      expect(await client.closed).toBe(true);
    });

    it('is published when the Client breaks the protocol', async () => {
      const topic = fresh('will');
      const watcher = await watch(topic);
      const client = await broker.connect({ version, will: { topic, payload: 'broken' } });
      client.sendBytes('0000');
      expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('broken') });
    });

    it('is published when another Client takes over its Client Identifier', async () => {
      const topic = fresh('will');
      const watcher = await watch(topic);
      const first = await broker.connect({ version, will: { topic, payload: 'taken over' } });
      await broker.connect({ version, clientId: first.clientId });
      expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('taken over') });
    });

    it('is published once [3.1.1 MQTT-3.1.2-10]', async () => {
      const topic = fresh('will');
      const watcher = await watch(topic);
      const client = await broker.connect({ version, will: { topic, payload: 'once', qos: 1 } });
      client.sendBytes('0000');
      await client.closed;
      client.drop();
      expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('once') });
      await broker.connect({ version, clientId: client.clientId });
      await expectNoWill(watcher, topic);
    });

    it.each([0, 1, 2] as const)('is published at its Will QoS %i', async (qos) => {
      const topic = fresh('will');
      const watcher = await watch(topic);
      const client = await broker.connect({ version, will: { topic, qos } });
      client.drop();
      expect(await watcher.receiveMessage()).toMatchObject({ topic, qos });
    });

    it('is published with an empty payload, if that is what it has', async () => {
      const topic = fresh('will');
      const watcher = await watch(topic);
      const client = await broker.connect({ version, will: { topic, payload: '' } });
      client.drop();
      expect(await watcher.receiveMessage()).toMatchObject({ topic, payload: bytes('') });
    });

    it('is published to a Session that is away, at QoS 1', async () => {
      const topic = fresh('will');
      const away = await broker.connect({ cleanStart: false, properties: { sessionExpiryInterval: 60 } });
      await away.subscribe(topic, { qos: 1 });
      await away.disconnect();
      const watcher = await watch(topic);
      const client = await broker.connect({ version, will: { topic, qos: 1, payload: 'kept' } });
      client.drop();
      await watcher.receiveMessage();

      const back = await broker.connect({ clientId: away.clientId, cleanStart: false });
      expect(await back.receiveMessage()).toMatchObject({ topic, payload: bytes('kept'), qos: 1 });
    });
  },
);

describe.each(versions)('[MQTT-3.14.4-3] [MQTT-3.1.2-10] [3.1.1 MQTT-3.14.4-3] DISCONNECT, at level %i', (version) => {
  it('deletes the Will Message unpublished', async () => {
    const topic = fresh('will');
    const watcher = await watch(topic);
    const client = await broker.connect({ version, will: { topic } });
    await client.disconnect();
    await expectNoWill(watcher, topic);
  });

  it('deletes it for good: a Session that is resumed has none [3.1.1 MQTT-3.1.2-10]', async () => {
    const topic = fresh('will');
    const watcher = await watch(topic);
    const properties = { sessionExpiryInterval: 60 };
    const client = await broker.connect({ version, cleanStart: false, properties, will: { topic } });
    await client.disconnect();
    const again = await broker.connect({ version, clientId: client.clientId, cleanStart: false, properties });
    again.hangUp();
    await again.closed;
    await expectNoWill(watcher, topic);
  });
});

describe('[§3.14.2.1] DISCONNECT with Will Message (0x04)', () => {
  it('publishes it', async () => {
    const topic = fresh('will');
    const watcher = await watch(topic);
    const client = await broker.connect({ will: { topic, payload: 'as I wished' } });
    await client.disconnect(ReasonCode.disconnectWithWillMessage);
    expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('as I wished') });
  });

  it.each([
    ['Unspecified error', ReasonCode.unspecifiedError],
    ['Quota exceeded', ReasonCode.quotaExceeded],
    ['Administrative action', ReasonCode.administrativeAction],
  ])('and so does every other reason but 0x00: %s', async (_, reasonCode) => {
    const topic = fresh('will');
    const watcher = await watch(topic);
    const client = await broker.connect({ will: { topic, payload: 'why' } });
    await client.disconnect(reasonCode);
    expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('why') });
  });
});

describe.each(versions)(
  '[MQTT-3.1.2-14] [MQTT-3.1.2-15] [3.1.1 MQTT-3.1.2-16] [3.1.1 MQTT-3.1.2-17] Will Retain, at level %i',
  (version) => {
    it('0: the Will is not retained', async () => {
      const topic = fresh('will');
      const watcher = await watch(topic);
      const client = await broker.connect({ version, will: { topic } });
      client.drop();
      await watcher.receiveMessage();
      const late = await watch(topic);
      await late.expectNothing();
    });

    it('1: the Will is retained', async () => {
      const topic = fresh('will');
      const watcher = await watch(topic);
      const client = await broker.connect({ version, will: { topic, payload: 'offline', qos: 1, retain: true } });
      client.drop();
      expect(await watcher.receiveMessage()).toMatchObject({ retain: false });
      const late = await watch(topic);
      expect(await late.receiveMessage()).toMatchObject({ topic, payload: bytes('offline'), qos: 1, retain: true });
    });
  },
);

describe.concurrent.each(versions)(
  '[MQTT-3.1.2-8] [MQTT-3.1.2-22] Keep Alive that runs out, at level %i',
  (version) => {
    it('publishes the Will Message: it is as if the network had failed', async () => {
      const topic = fresh('will');
      const watcher = await watch(topic);
      const elapsedMs = stopwatch();
      await broker.connect({ version, keepAliveSeconds: 1, will: { topic, payload: 'silent' } });
      expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('silent') });
      expect(elapsedMs()).toBeGreaterThan(1450);
    });
  },
);

describe.concurrent('[MQTT-3.1.2-8] the Will Delay Interval', () => {
  it('passes before the Will is published', async () => {
    const topic = fresh('will');
    const watcher = await watch(topic);
    const client = await broker.connect({
      will: { topic, payload: 'late', properties: { willDelayInterval: 1 } },
      properties: { sessionExpiryInterval: 60 },
    });
    const elapsedMs = stopwatch();
    client.drop();
    expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('late') });
    expect(elapsedMs()).toBeGreaterThan(950);
  });

  it('is cut short when the Session ends before', async () => {
    const topic = fresh('will');
    const watcher = await watch(topic);
    const client = await broker.connect({
      will: { topic, payload: 'ended', properties: { willDelayInterval: 3600 } },
      properties: { sessionExpiryInterval: 1 },
    });
    const elapsedMs = stopwatch();
    client.drop();
    expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('ended') });
    expect(elapsedMs()).toBeGreaterThan(950);
  });

  it('counts for nothing when the Session ends with the Network Connection', async () => {
    const topic = fresh('will');
    const watcher = await watch(topic);
    const client = await broker.connect({ will: { topic, properties: { willDelayInterval: 3600 } } });
    client.drop();
    expect(await watcher.receiveMessage()).toMatchObject({ topic });
  });

  it('counts for nothing when a Clean Start ends the Session', async () => {
    const topic = fresh('will');
    const watcher = await watch(topic);
    const client = await broker.connect({
      will: { topic, properties: { willDelayInterval: 3600 } },
      properties: { sessionExpiryInterval: 3600 },
    });
    client.drop();
    await broker.connect({ clientId: client.clientId, cleanStart: true });
    expect(await watcher.receiveMessage()).toMatchObject({ topic });
  });

  it('counts for nothing when a Clean Start takes over', async () => {
    const topic = fresh('will');
    const watcher = await watch(topic);
    const client = await broker.connect({
      will: { topic, properties: { willDelayInterval: 3600 } },
      properties: { sessionExpiryInterval: 3600 },
    });
    await broker.connect({ clientId: client.clientId, cleanStart: true });
    expect(await watcher.receiveMessage()).toMatchObject({ topic });
  });
});

describe.concurrent('[MQTT-3.1.3-9] a new Network Connection before the Will Delay Interval has passed', () => {
  it('cancels the Will', async () => {
    const topic = fresh('will');
    const watcher = await watch(topic);
    // Long enough for the Client to be back in time on a machine that stands still for a while.
    const delay = { willDelayInterval: 3 };
    const client = await broker.connect({
      will: { topic, payload: 'cancelled', properties: delay },
      properties: { sessionExpiryInterval: 60 },
    });
    client.drop();
    const back = await broker.connect({
      clientId: client.clientId,
      cleanStart: false,
      properties: { sessionExpiryInterval: 60 },
    });
    expect(back.connack.sessionPresent).toBe(true);

    // Another Will with the same delay, set in motion later, is the clock.
    const clock = await broker.connect({
      will: { topic, payload: 'the clock', properties: delay },
      properties: { sessionExpiryInterval: 60 },
    });
    clock.drop();
    expect(await watcher.receiveMessage(3000 + soonMs)).toMatchObject({ payload: bytes('the clock') });
  });

  it('cancels it at takeover too', async () => {
    const topic = fresh('will');
    const watcher = await watch(topic);
    const properties = { sessionExpiryInterval: 60 };
    const first = await broker.connect({ will: { topic, properties: { willDelayInterval: 3600 } }, properties });
    await broker.connect({ clientId: first.clientId, cleanStart: false, properties });
    expect(await first.closed).toBe(true);
    await expectNoWill(watcher, topic);
  });

  it('puts its own Will in place of the old one', async () => {
    const topic = fresh('will');
    const watcher = await watch(topic);
    const properties = { sessionExpiryInterval: 60 };
    const will = { topic, payload: 'old', properties: { willDelayInterval: 3600 } };
    const first = await broker.connect({ will, properties });
    first.drop();
    const second = await broker.connect({
      clientId: first.clientId,
      cleanStart: false,
      properties,
      will: { topic, payload: 'new' },
    });
    second.drop();
    expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('new') });
    await expectNoWill(watcher, topic);
  });
});

describe.concurrent('[§3.1.3.2] Will Properties', () => {
  it('go with the message unaltered, User Properties in order [MQTT-3.1.3-10]', async () => {
    const topic = fresh('will');
    const watcher = await watch(topic);
    const properties = {
      payloadFormatIndicator: 1,
      contentType: 'text/plain',
      responseTopic: 'answers/here',
      correlationData: bytes('\u0000\u0001'),
      userProperties: [
        ['b', '1'],
        ['a', '2'],
        ['b', '0'],
      ],
    } as const;
    const client = await broker.connect({ will: { topic, properties } });
    client.drop();
    const message = await watcher.receiveMessage();
    expect(message.properties).toMatchObject(properties);
  });

  it('the delay is not one of them', async () => {
    const topic = fresh('will');
    const watcher = await watch(topic);
    const client = await broker.connect({ will: { topic, properties: { willDelayInterval: 1, contentType: 'x' } } });
    client.drop();
    expect((await watcher.receiveMessage()).properties).toEqual({ contentType: 'x' });
  });

  it('Message Expiry Interval counts from when the Will is published', async () => {
    const topic = fresh('will');
    const watcher = await watch(topic);
    const client = await broker.connect({ will: { topic, properties: { messageExpiryInterval: 100 } } });
    client.drop();
    expect(await watcher.receiveMessage()).toMatchObject({ properties: { messageExpiryInterval: 100 } });
  });

  it('Message Expiry Interval ends a retained Will', async () => {
    const topic = fresh('will');
    const watcher = await watch(topic);
    const client = await broker.connect({ will: { topic, retain: true, properties: { messageExpiryInterval: 1 } } });
    client.drop();
    await watcher.receiveMessage();
    // A Keep Alive of 1 s runs out after 1.5 s: that is our clock.
    expect(await (await broker.connect({ keepAliveSeconds: 1 })).closed).toBe(true);
    const late = await watch(topic);
    await late.expectNothing();
  });
});

describe('[MQTT-3.1.3-11] the Will Topic', () => {
  it('must be UTF-8', async () => {
    const client = await broker.open();
    client.sendBytes(rawConnect({ flags: 0x06, payload: `${hexString('c')}00${withLength('ff')}${hexString('p')}` }));
    await expectRefusal(client, ReasonCode.malformedPacket);
  });

  it.each(['a/+', '#', 'a+b', ''])('must be a Topic Name: "%s" is refused', async (topic) => {
    const client = await broker.open();
    client.sendBytes(rawConnect({ flags: 0x06, payload: `${hexString('c')}00${hexString(topic)}${hexString('p')}` }));
    await expectRefusal(client, ReasonCode.topicNameInvalid, ReasonCode.malformedPacket, ReasonCode.protocolError);
  });
});

describe('[MQTT-3.1.2-8] a Will set by a Client that is refused', () => {
  it('is never published', async () => {
    const topic = fresh('will');
    const watcher = await watch(topic);
    const client = await broker.attempt({ clientId: 'x'.repeat(257), will: { topic } });
    expect(await client.closed).toBe(true);
    await expectNoWill(watcher, topic);
  });
});
