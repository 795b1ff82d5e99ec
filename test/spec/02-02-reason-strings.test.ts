// MQTT 5.0 chapter 2.2.2, the words in an answer: a Reason String or User Properties never make it too large.

import { type AckProperties, ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import type { RawClient } from '../support/client.ts';
import { expectDisconnect, expectRefusal } from '../support/ending.ts';
import { hexString, rawConnect } from '../support/hex.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

/** Longer than any answer may be, so that an answer that repeats it is found out. */
const wordy = { userProperties: [['why', 'x'.repeat(100)]] } as const;

/** An answer that a Server may explain. */
type Answer = { readonly properties: AckProperties | undefined };

/** Each answer of the Server, brought about as a refusal: that is where words would be. */
const refusals: readonly [string, (client: RawClient) => Promise<Answer | undefined>][] = [
  [
    'PUBACK [MQTT-3.4.2-2] [MQTT-3.4.2-3]',
    (client) => client.publish({ topic: '$SYS/refused', qos: 1, properties: wordy }),
  ],
  [
    'PUBREC [MQTT-3.5.2-2] [MQTT-3.5.2-3]',
    (client) => client.publish({ topic: '$SYS/refused', qos: 2, properties: wordy }),
  ],
  [
    'PUBREL [MQTT-3.6.2-2] [MQTT-3.6.2-3]',
    (client) => {
      client.acknowledge('pubrec', 4711, ReasonCode.success, wordy);
      return client.nextOf('pubrel');
    },
  ],
  [
    'PUBCOMP [MQTT-3.7.2-2] [MQTT-3.7.2-3]',
    (client) => {
      client.acknowledge('pubrel', 4711, ReasonCode.success, wordy);
      return client.nextOf('pubcomp');
    },
  ],
  ['SUBACK [MQTT-3.9.2-1] [MQTT-3.9.2-2]', (client) => client.subscribe('a/#/b')],
  ['UNSUBACK [MQTT-3.11.2-1] [MQTT-3.11.2-2]', (client) => client.unsubscribe('never/subscribed')],
];

describe('a Client that takes packets of 32 bytes', () => {
  it.each(refusals)('is refused in no more: %s', async (_, refuse) => {
    const client = await broker.connect({ properties: { maximumPacketSize: 32 } });
    const before = client.bytesReceived.length;
    expect(await refuse(client)).toBeDefined();
    expect((client.bytesReceived.length - before) / 2).toBeLessThanOrEqual(32);
    await client.expectNothing();
  });

  it('is disconnected in no more: DISCONNECT [MQTT-3.14.2-3] [MQTT-3.14.2-4]', async () => {
    const client = await broker.connect({ properties: { maximumPacketSize: 32 } });
    const before = client.bytesReceived.length;
    client.sendBytes('f0 02 19 00');
    await expectDisconnect(client, ReasonCode.protocolError);
    expect((client.bytesReceived.length - before) / 2).toBeLessThanOrEqual(32);
  });

  it('is turned away in no more: CONNACK [MQTT-3.2.2-19] [MQTT-3.2.2-20]', async () => {
    const client = await broker.open();
    client.sendBytes(rawConnect({ properties: `27 00000020 15 ${hexString('a method that nobody knows')}` }));
    await expectRefusal(client, ReasonCode.badAuthenticationMethod);
    expect(client.bytesReceived.length / 2).toBeLessThanOrEqual(32);
  });
});

describe('[§2.2.2] User Properties', () => {
  it.each(refusals)('are not sent back to whoever sent them: %s', async (_, refuse) => {
    const client = await broker.connect({ properties: wordy });
    expect(client.connack.properties?.userProperties).toBeUndefined();
    expect((await refuse(client))?.properties?.userProperties).toBeUndefined();
  });
});
