// MQTT 5.0 chapter 3.15, AUTH: the packet. What it is for stands in chapter 4.12.

import { ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { expectDisconnect } from '../support/ending.ts';
import { framed, hexNumber, hexProperties, hexString } from '../support/hex.ts';
import { auth, authenticating, ObedientMethod, obedience } from '../support/methods.ts';

const broker = await startBroker({ authenticationMethods: [new ObedientMethod()] });
afterAll(() => broker[Symbol.asyncDispose]());

/** The property Authentication Method, in hexadecimal. */
const method = `15 ${hexString(obedience)}`;

/** A connected Client that has named a method. */
async function connected() {
  return await broker.connect({ properties: authenticating('accept') });
}

describe('[MQTT-3.15.1-1] the reserved flags of AUTH', () => {
  it.each(['f1', 'f2', 'f4', 'f8'])('make it malformed when they are not zero: %s', async (first) => {
    const client = await connected();
    client.sendBytes(framed(first, `19 ${hexProperties(method)}`));
    await expectDisconnect(client, ReasonCode.malformedPacket);
  });
});

describe('[MQTT-3.15.2-1] the Reason Code of AUTH', () => {
  it('is one of three', async () => {
    const client = await connected();
    client.sendBytes(framed('f0', `1a ${hexProperties(method)}`));
    await expectDisconnect(client, ReasonCode.malformedPacket, ReasonCode.protocolError);
  });

  it('is not Success from a Client: whether it is authenticated is for the Server to say', async () => {
    const client = await connected();
    client.sendBytes(framed('f0', `00 ${hexProperties(method)}`));
    await expectDisconnect(client, ReasonCode.protocolError);
    const brief = await connected();
    brief.sendBytes('f000');
    await expectDisconnect(brief, ReasonCode.protocolError);
  });

  it('from the Server is Continue authentication, and in the end Success', async () => {
    const client = await connected();
    client.send(auth(ReasonCode.reAuthenticate, 'ask me'));
    expect(await client.nextOf('auth')).toMatchObject({ reasonCode: ReasonCode.continueAuthentication });
    client.send(auth(ReasonCode.continueAuthentication, 'accept'));
    expect(await client.nextOf('auth')).toMatchObject({ reasonCode: ReasonCode.success });
  });
});

/** [§3.15.2.2] */
describe('the properties of AUTH', () => {
  it.each([
    ['no Authentication Method', ''],
    ['two Authentication Methods', method + method],
    ['two Authentication Data', `${method} 16 0000 16 0000`],
  ])('are a Protocol Error with %s', async (_, properties) => {
    const client = await connected();
    client.sendBytes(framed('f0', `19 ${hexProperties(properties)}`));
    await expectDisconnect(client, ReasonCode.protocolError);
  });

  it.each([
    ['Topic Alias', `${method} 23 ${hexNumber(1, 2)}`],
    ['one that there is not', `${method} 7f 00`],
  ])('are malformed with one that may not stand there: %s', async (_, properties) => {
    const client = await connected();
    client.sendBytes(framed('f0', `19 ${hexProperties(properties)}`));
    await expectDisconnect(client, ReasonCode.malformedPacket, ReasonCode.protocolError);
  });

  it('may be User Properties and a Reason String, which nobody minds', async () => {
    const client = await connected();
    const more = `1f ${hexString('because')} 26 ${hexString('a')} ${hexString('b')}`;
    client.sendBytes(framed('f0', `19 ${hexProperties(`${method} 16 ${hexString('accept')} ${more}`)}`));
    expect(await client.nextOf('auth')).toMatchObject({ reasonCode: ReasonCode.success });
  });
});

describe('[MQTT-3.15.2-2] [MQTT-3.15.2-3] AUTH from the Server', () => {
  it.each([
    ['that takes any packet', {}],
    ['that takes small packets only', { maximumPacketSize: 40 }],
    ['that wants no reasons', { requestProblemInformation: 0 }],
  ] as const)(
    'gives neither Reason String nor User Properties, so none is too large for a Client %s',
    async (_, wishes) => {
      const client = await broker.open();
      const properties = { ...authenticating('ask me'), ...wishes };
      client.send({
        type: 'connect',
        protocolVersion: 5,
        clientId: '',
        cleanStart: true,
        keepAliveSeconds: 0,
        will: undefined,
        username: undefined,
        password: undefined,
        properties,
      });
      const packet = await client.nextOf('auth');
      expect(Object.keys(packet.properties ?? {}).sort()).toEqual(['authenticationData', 'authenticationMethod']);
    },
  );
});
