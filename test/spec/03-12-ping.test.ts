// MQTT 5.0 chapters 3.12 and 3.13, PINGREQ and PINGRESP.

import { ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { expectDisconnect } from '../support/ending.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

describe.each([5, 4, 3] as const)('[MQTT-3.12.4-1] [3.1.1 MQTT-3.12.4-1] a PINGREQ, at level %i', (version) => {
  it('is answered by a PINGRESP', async () => {
    const client = await broker.connect({ version });
    client.send({ type: 'pingreq' });
    expect(await client.next()).toEqual({ type: 'pingresp' });
    expect(client.bytesReceived.endsWith('d000')).toBe(true);
  });

  it('is answered each time', async () => {
    const client = await broker.connect({ version });
    client.sendTogether(Array.from({ length: 10 }, () => ({ type: 'pingreq' }) as const));
    for (let count = 0; count < 10; count += 1) expect(await client.next()).toEqual({ type: 'pingresp' });
    await client.expectNothing();
  });

  it('has nothing in it: a Remaining Length of 1 is malformed', async () => {
    const client = await broker.connect({ version });
    client.sendBytes('c0 01 00');
    await expectDisconnect(client, ReasonCode.malformedPacket);
  });
});
