// MQTT 5.0 chapters 3.15 and 4.12, AUTH: enhanced authentication, of which this Server offers no method.

import { ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { expectDisconnect } from '../support/ending.ts';
import { framed, hexProperties, hexString } from '../support/hex.ts';
import { bytes } from '../support/payload.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

describe('[MQTT-4.12.0-1] an Authentication Method that the Server does not support', () => {
  it.each([
    ['SCRAM-SHA-1', { authenticationMethod: 'SCRAM-SHA-1', authenticationData: bytes('client-first-data') }],
    ['an empty name', { authenticationMethod: '' }],
  ])('is refused with Bad authentication method, and closed: %s', async (_, properties) => {
    const client = await broker.attempt({ properties });
    expect(client.connack.reasonCode).toBe(ReasonCode.badAuthenticationMethod);
    expect(await client.closed).toBe(true);
  });
});

describe('[MQTT-4.12.0-7] AUTH from a Client that named no method', () => {
  it.each([
    ['0x19, Re-authenticate', framed('f0', `19 ${hexProperties(`15 ${hexString('m')}`)}`)],
    ['0x18, Continue authentication', framed('f0', `18 ${hexProperties(`15 ${hexString('m')}`)}`)],
    ['0x00, with everything left out', 'f000'],
  ])('is a Protocol Error: %s', async (_, hex) => {
    const client = await broker.connect();
    client.sendBytes(hex);
    await expectDisconnect(client, ReasonCode.protocolError);
  });
});

describe('[MQTT-3.15.1-1] the reserved flags of AUTH', () => {
  it('make it malformed when they are not zero', async () => {
    const client = await broker.connect();
    client.sendBytes(framed('f1', `19 ${hexProperties(`15 ${hexString('m')}`)}`));
    await expectDisconnect(client, ReasonCode.malformedPacket);
  });
});

describe('[MQTT-3.15.2-1] the Reason Code of AUTH', () => {
  it('is one of three', async () => {
    const client = await broker.connect();
    client.sendBytes(framed('f0', `1a ${hexProperties(`15 ${hexString('m')}`)}`));
    await expectDisconnect(client, ReasonCode.malformedPacket, ReasonCode.protocolError);
  });
});

describe('[MQTT-3.1.4-2] a Server that does not allow anonymous Clients', () => {
  it.each([5, 4, 3] as const)('refuses them with Not authorized, at level %i', async (version) => {
    await using strict = await startBroker({ allowAnonymous: false });
    const client = await strict.attempt({ version });
    expect(client.connack.reasonCode).toBe(ReasonCode.notAuthorized);
    expect(await client.closed).toBe(true);
  });
});
