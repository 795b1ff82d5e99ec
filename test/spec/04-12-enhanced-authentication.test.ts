// MQTT 5.0 chapter 4.12, enhanced authentication: at CONNECT, and again while the Client is connected.

import { deriveScram, scramSha256 } from '@skein/edge';
import { type Connack, ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import type { RawClient } from '../support/client.ts';
import { until } from '../support/deadline.ts';
import { expectDisconnect, expectRefusal } from '../support/ending.ts';
import { fresh } from '../support/fresh.ts';
import { framed, hexProperties, hexString, rawConnect } from '../support/hex.ts';
import { auth, authenticating, dataIn, ObedientMethod, obedience, scramFirst, scramOn } from '../support/methods.ts';
import { type ConnectOptions, connectPacket } from '../support/packets.ts';
import { bytes } from '../support/payload.ts';
import { versions } from '../support/sessions.ts';

const method = new ObedientMethod();
const pencil = await deriveScram('pencil');
const scram = scramSha256({ lookup: async (username) => (username === 'user' ? pencil : undefined) });
const broker = await startBroker({ authenticationMethods: [method, scram] });
afterAll(() => broker[Symbol.asyncDispose]());

const { continueAuthentication, reAuthenticate, protocolError, badAuthenticationMethod, notAuthorized } = ReasonCode;

/** A Client that has sent its CONNECT and waits for what comes of it. */
async function begin(data: string | undefined, options: ConnectOptions = {}): Promise<RawClient> {
  const client = await broker.open();
  client.send(connectPacket({ ...options, properties: { ...authenticating(data), ...options.properties } }));
  return client;
}

/** A Client that has been asked. */
async function asked(options: ConnectOptions = {}): Promise<RawClient> {
  const client = await begin('ask me', options);
  await client.nextOf('auth');
  return client;
}

/** A Client that is connected, and may authenticate itself again. */
async function connected(options: ConnectOptions = {}): Promise<RawClient> {
  return await broker.connect({ ...options, properties: { ...authenticating('accept'), ...options.properties } });
}

describe('[MQTT-4.12.0-1] an Authentication Method that the Server does not support', () => {
  it.each([
    ['another', authenticating('client-first-data', 'SCRAM-SHA-1')],
    ['the same in other letters', authenticating('accept', obedience.toLowerCase())],
    ['an empty one', authenticating(undefined, '')],
  ])('is refused with Bad authentication method, and closed: %s', async (_, properties) => {
    const client = await broker.attempt({ properties });
    expect(client.connack.reasonCode).toBe(badAuthenticationMethod);
    expect(client.connack.properties?.authenticationMethod).toBeUndefined();
    expect(await client.closed).toBe(true);
  });

  it('is any, where the Server has none', async () => {
    await using plain = await startBroker();
    const client = await plain.attempt({ properties: authenticating('accept') });
    expect(client.connack.reasonCode).toBe(badAuthenticationMethod);
    expect(await client.closed).toBe(true);
  });
});

describe('[MQTT-4.12.0-2] AUTH from a Server that has to know more', () => {
  it('asks with Continue authentication, as often as it takes', async () => {
    const client = await begin('ask me');
    for (let questions = 0; questions < 5; questions++) {
      const packet = await client.next();
      expect(packet).toMatchObject({ type: 'auth', reasonCode: continueAuthentication });
      client.send(auth(continueAuthentication, questions === 4 ? 'accept' : `ask ${questions}`));
    }
    expect(await client.next()).toMatchObject({ type: 'connack', reasonCode: ReasonCode.success });
    await client.expectNothing();
  });

  it('goes out if the Client has not begun to say anything', async () => {
    const client = await begin(undefined);
    expect(await client.next()).toMatchObject({ type: 'auth', reasonCode: continueAuthentication });
  });

  it('ends in a refusal if it never has enough', async () => {
    const client = await begin('ask me');
    let packet = await client.next();
    for (let questions = 0; packet.type === 'auth' && questions < 100; questions++) {
      client.send(auth(continueAuthentication, 'ask me'));
      packet = await client.next();
    }
    expect(packet).toMatchObject({ type: 'connack', reasonCode: notAuthorized });
    expect(await client.closed).toBe(true);
  });
});

describe('[MQTT-4.12.0-3] AUTH that answers', () => {
  it('is a Protocol Error with Re-authenticate', async () => {
    const client = await asked();
    client.send(auth(reAuthenticate, 'accept'));
    await expectRefusal(client, protocolError);
  });

  it('is a Protocol Error where nothing was asked', async () => {
    const client = await connected();
    client.send(auth(continueAuthentication, 'accept'));
    await expectDisconnect(client, protocolError);
  });
});

describe('[MQTT-3.14.0-1] an AUTH that is too large for the Client', () => {
  it('is a refusal instead: there is no DISCONNECT before CONNACK', async () => {
    const client = await begin('ask me', { properties: { maximumPacketSize: 20 } });
    await expectRefusal(client, ReasonCode.packetTooLarge);
  });
});

describe('[MQTT-4.12.0-4] a Client that is rejected', () => {
  it.each([
    notAuthorized,
    ReasonCode.badUserNameOrPassword,
    ReasonCode.banned,
    ReasonCode.serverBusy,
    ReasonCode.unspecifiedError,
  ])('at once gets the Reason Code of the method and is closed: %i', async (reasonCode) => {
    const client = await begin(`refuse ${reasonCode}`);
    const connack = await expectRefusal(client, reasonCode);
    expect(dataIn(connack)).toBe('farewell');
  });

  it('after it was asked gets it too', async () => {
    const client = await asked();
    client.send(auth(continueAuthentication, `refuse ${notAuthorized}`));
    await expectRefusal(client, notAuthorized);
  });

  it('leaves no Session, and no Will', async () => {
    const topic = fresh('will');
    const watcher = await broker.connect();
    await watcher.subscribe(topic);
    const clientId = fresh('rejected');
    const options = { clientId, cleanStart: false, will: { topic }, properties: { sessionExpiryInterval: 60 } };
    await expectRefusal(await begin(`refuse ${notAuthorized}`, options), notAuthorized);
    const back = await connected({ ...options });
    expect(back.connack.sessionPresent).toBe(false);
    await watcher.expectNothing();
  });
});

describe('[MQTT-4.12.0-5] the Authentication Method of CONNECT', () => {
  it('is in every AUTH and in the CONNACK, with what the method has to say', async () => {
    const client = await begin('ask me');
    const question = await client.nextOf('auth');
    expect(question.properties?.authenticationMethod).toBe(obedience);
    expect(dataIn(question)).toBe('what?');
    client.send(auth(continueAuthentication, 'accept'));
    const connack = await client.nextOf('connack');
    expect(connack.properties?.authenticationMethod).toBe(obedience);
    expect(dataIn(connack)).toBe('farewell');
    client.send(auth(reAuthenticate, 'ask me'));
    expect((await client.nextOf('auth')).properties?.authenticationMethod).toBe(obedience);
    client.send(auth(continueAuthentication, 'accept'));
    expect(await client.nextOf('auth')).toMatchObject({
      reasonCode: ReasonCode.success,
      properties: { authenticationMethod: obedience },
    });
  });

  it('is in that of each AUTH of the Client, or it is refused: before CONNACK', async () => {
    const client = await asked();
    client.send(auth(continueAuthentication, 'accept', 'SCRAM-SHA-256'));
    await expectRefusal(client, badAuthenticationMethod);
  });
});

describe('[MQTT-4.12.0-6] a CONNECT without Authentication Method', () => {
  it.each(versions)('gets no AUTH, and a CONNACK without one, at level %i', async (version) => {
    const client = await broker.connect({ version, username: 'user', password: 'pencil' });
    expect(client.connack.properties?.authenticationMethod).toBeUndefined();
    expect(client.connack.properties?.authenticationData).toBeUndefined();
    await client.expectNothing();
  });
});

describe('[MQTT-4.12.0-7] AUTH from a Client that named no method', () => {
  const property = `15 ${hexString(obedience)}`;
  it.each([
    ['0x19, Re-authenticate', framed('f0', `19 ${hexProperties(property)}`)],
    ['0x18, Continue authentication', framed('f0', `18 ${hexProperties(property)}`)],
    ['0x00, with everything left out', 'f000'],
  ])('is a Protocol Error: %s', async (_, hex) => {
    const client = await broker.connect();
    client.sendBytes(hex);
    await expectDisconnect(client, protocolError);
  });

  it.each([4, 3] as const)('is no packet at all, at level %i', async (version) => {
    const client = await broker.connect({ version });
    client.sendBytes(framed('f0', `19 ${hexProperties(property)}`));
    await expectDisconnect(client);
  });
});

describe('[MQTT-3.1.2-30] before CONNACK, a Client that authenticates itself', () => {
  it.each([
    ['PUBLISH', framed('30', `${hexString('a')} 00`)],
    ['PUBACK', '40020001'],
    ['SUBSCRIBE', framed('82', `0001 00 ${hexString('a')} 00`)],
    ['UNSUBSCRIBE', framed('a2', `0001 00 ${hexString('a')}`)],
    ['PINGREQ', 'c000'],
    ['a second CONNECT', rawConnect()],
  ])('sends nothing but AUTH and DISCONNECT: %s ends it', async (_, hex) => {
    const client = await asked();
    client.sendBytes(hex);
    await expectRefusal(client, protocolError);
  });

  it('is not read further until it has been asked: what it sends too early ends it then', async () => {
    const client = await broker.open();
    const connect = connectPacket({ properties: authenticating('ask me') });
    client.sendTogether([connect, { type: 'pingreq' }]);
    expect(await client.next()).toMatchObject({ type: 'auth' });
    await expectRefusal(client, protocolError);
  });

  it('may leave with DISCONNECT, and the method hears of it', async () => {
    const topic = fresh('will');
    const watcher = await broker.connect();
    await watcher.subscribe(topic);
    const clientId = fresh('leaving');
    const client = await asked({ clientId, will: { topic } });
    await client.disconnect();
    expect(client.waiting).toEqual([]);
    expect(method.abandoned).toContain(clientId);
    await watcher.expectNothing();
  });

  it('may be gone at any time, and the method hears of it', async () => {
    const [waits, hangs] = [fresh('waits'), fresh('hangs')];
    const waiting = await asked({ clientId: waits });
    const hanging = await begin('hang', { clientId: hangs });
    await until('the method to be asked', async () => method.told.find(({ clientId }) => clientId === hangs));
    waiting.drop();
    hanging.drop();
    await until('the method to hear of it', async () =>
      [waits, hangs].every((clientId) => method.abandoned.includes(clientId)) ? true : undefined,
    );
  });
});

describe('[MQTT-4.12.1-1] re-authentication', () => {
  it('is granted with AUTH 0x00, at once or after questions, and as often as the Client wants', async () => {
    const client = await connected();
    for (let times = 0; times < 3; times++) {
      client.send(auth(reAuthenticate, 'accept'));
      const granted = await client.next();
      expect(granted).toMatchObject({ type: 'auth', reasonCode: ReasonCode.success });
      expect(dataIn(granted as never)).toBe('farewell');
      client.send(auth(reAuthenticate, 'ask me'));
      expect(await client.next()).toMatchObject({ type: 'auth', reasonCode: continueAuthentication });
      client.send(auth(continueAuthentication, 'accept'));
      expect(await client.next()).toMatchObject({ type: 'auth', reasonCode: ReasonCode.success });
    }
  });

  it('goes on beside everything else', async () => {
    const topic = fresh('meanwhile');
    const client = await connected();
    client.send(auth(reAuthenticate, 'ask me'));
    expect(await client.next()).toMatchObject({ type: 'auth', reasonCode: continueAuthentication });
    await client.subscribe(topic, { qos: 2 });
    await client.publish({ topic, qos: 2, payload: 'meanwhile' });
    expect(await client.receiveMessage()).toMatchObject({ payload: bytes('meanwhile') });
    client.send(auth(continueAuthentication, 'hang'));
    await client.expectNothing();
    await client.publish({ topic, qos: 1, payload: 'while it thinks' });
    expect(await client.receiveMessage()).toMatchObject({ payload: bytes('while it thinks') });
    await client.disconnect();
  });

  it('with another method than that of CONNECT ends the Client', async () => {
    const client = await connected();
    client.send(auth(reAuthenticate, 'n,,n=user,r=x', 'SCRAM-SHA-256'));
    await expectDisconnect(client, badAuthenticationMethod);
  });

  it.each(['ask me', 'hang'])('is one at a time: a second one is a Protocol Error, after %s', async (first) => {
    const client = await connected();
    client.sendTogether([auth(reAuthenticate, first), auth(reAuthenticate, 'accept')]);
    const packet = await client.next();
    if (packet.type === 'auth') await expectDisconnect(client, protocolError);
    else expect(packet).toMatchObject({ type: 'disconnect', reasonCode: protocolError });
    expect(await client.closed).toBe(true);
  });

  it('is told who the Client is', async () => {
    const client = await connected({ username: 'alice' });
    client.send(auth(reAuthenticate, 'accept'));
    await client.nextOf('auth');
    expect(method.told.at(-1)).toMatchObject({ username: 'alice', connectedAs: 'alice' });
  });
});

describe('[MQTT-4.12.1-2] re-authentication that fails', () => {
  it('ends the Client with the Reason Code of the method, and publishes its Will', async () => {
    const topic = fresh('will');
    const watcher = await broker.connect();
    await watcher.subscribe(topic);
    const client = await connected({ will: { topic, payload: 'gone' } });
    client.send(auth(reAuthenticate, `refuse ${notAuthorized}`));
    await expectDisconnect(client, notAuthorized);
    expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('gone') });
  });

  it('because it is of another user ends the Client: what it has was allowed to the first', async () => {
    const client = await connected({ username: 'alice' });
    client.send(auth(reAuthenticate, 'accept alice'));
    expect(await client.next()).toMatchObject({ type: 'auth', reasonCode: ReasonCode.success });
    client.send(auth(reAuthenticate, 'accept bob'));
    await expectDisconnect(client, notAuthorized);
  });

  it('is counted', async () => {
    const before = await broker.metric('mqtt_connections_closed_total', { reason: 'authentication_failed' });
    const client = await connected();
    client.send(auth(reAuthenticate, `refuse ${ReasonCode.quotaExceeded}`));
    await expectDisconnect(client, ReasonCode.quotaExceeded);
    await broker.untilMetric('mqtt_connections_closed_total', { reason: 'authentication_failed' }, before + 1);
  });
});

/** [§4.12, non-normative example] */
describe.each(['tcp', 'websocket'] as const)('SCRAM-SHA-256, over %s', (over) => {
  const options = (username: string): ConnectOptions => ({
    properties: authenticating(scramFirst(username), 'SCRAM-SHA-256'),
  });

  async function attempt(username: string, password: string): Promise<{ client: RawClient; connack: Connack }> {
    const client = await broker.open({ over });
    client.send(connectPacket(options(username)));
    const verifier = await scramOn(client, scramFirst(username), password);
    const connack = await client.nextOf('connack');
    if (connack.reasonCode === ReasonCode.success) expect(dataIn(connack)).toBe(verifier);
    return { client, connack };
  }

  it('lets a user in with its password, who then knows that the Server knows it too', async () => {
    const { client, connack } = await attempt('user', 'pencil');
    expect(connack.reasonCode).toBe(ReasonCode.success);
    await client.expectNothing();
  });

  it('tells a wrong password and an unknown user the same', async () => {
    const refusals = [await attempt('user', 'crayon'), await attempt('nobody', 'pencil')];
    const [wrong, unknown] = refusals.map(({ connack }) => connack);
    expect(wrong).toMatchObject({ reasonCode: notAuthorized });
    expect(dataIn(wrong as Connack)).toBe('e=invalid-proof');
    expect(unknown).toEqual(wrong);
    for (const { client } of refusals) expect(await client.closed).toBe(true);
  });

  it('authenticates again while the Client is connected, and refuses if that fails', async () => {
    const { client } = await attempt('user', 'pencil');
    client.send(auth(reAuthenticate, scramFirst('user', 'another'), 'SCRAM-SHA-256'));
    const verifier = await scramOn(client, scramFirst('user', 'another'), 'pencil');
    const granted = await client.nextOf('auth');
    expect(granted).toMatchObject({ reasonCode: ReasonCode.success });
    expect(dataIn(granted)).toBe(verifier);
    client.send(auth(reAuthenticate, scramFirst('user', 'a-third'), 'SCRAM-SHA-256'));
    await scramOn(client, scramFirst('user', 'a-third'), 'crayon');
    await expectDisconnect(client, notAuthorized);
  });
});

/** [§4.12] */
describe('a Server that does not allow anonymous Clients', () => {
  it('lets those in whom an Authentication Method knows', async () => {
    await using strict = await startBroker({ allowAnonymous: false, authenticationMethods: [scram] });
    const plain = await strict.attempt({ username: 'user', password: 'pencil' });
    expect(plain.connack.reasonCode).toBe(notAuthorized);
    const client = await strict.open();
    client.send(connectPacket({ properties: authenticating(scramFirst('user'), 'SCRAM-SHA-256') }));
    await scramOn(client, scramFirst('user'), 'pencil');
    expect((await client.nextOf('connack')).reasonCode).toBe(ReasonCode.success);
  });
});
