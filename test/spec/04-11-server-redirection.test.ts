// MQTT 5.0 chapter 4.11, Server redirection: Clients are told of another Server, before they are let in or when this one
// stops.

import { ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { expectDisconnect, expectRefusal } from '../support/ending.ts';
import { auth, authenticating, ObedientMethod } from '../support/methods.ts';
import { connectPacket } from '../support/packets.ts';

const method = new ObedientMethod();
const broker = await startBroker({ authenticationMethods: [method] });
afterAll(() => broker[Symbol.asyncDispose]());

const { useAnotherServer, serverMoved } = ReasonCode;
const elsewhere = 'other.example:1884';

/** [§4.11, §3.2.2.3.16] */
describe('a Client that is to use another Server', () => {
  it.each([
    ['for now', useAnotherServer],
    ['from now on', serverMoved],
  ])('%s is told which in CONNACK, and closed', async (_, reasonCode) => {
    const client = await broker.attempt({ properties: authenticating(`refuse ${reasonCode} ${elsewhere}`) });
    expect(client.connack).toMatchObject({ reasonCode, properties: { serverReference: elsewhere } });
    expect(await client.closed).toBe(true);
  });

  it.each([useAnotherServer, serverMoved])('is told so though nobody knows which: %i', async (reasonCode) => {
    const client = await broker.attempt({ properties: authenticating(`refuse ${reasonCode}`) });
    expect(client.connack.reasonCode).toBe(reasonCode);
    expect(client.connack.properties?.serverReference).toBeUndefined();
    expect(await client.closed).toBe(true);
  });

  it('is told which in DISCONNECT, if that is found out when it authenticates itself again', async () => {
    const client = await broker.connect({ properties: authenticating('accept') });
    client.send(auth(ReasonCode.reAuthenticate, `refuse ${serverMoved} ${elsewhere}`));
    const disconnect = await expectDisconnect(client, serverMoved);
    expect(disconnect?.properties?.serverReference).toBe(elsewhere);
  });

  it('gets no Server Reference with any other Reason Code', async () => {
    const refusal = `refuse ${ReasonCode.notAuthorized} ${elsewhere}`;
    const client = await broker.attempt({ properties: authenticating(refusal) });
    expect(client.connack.reasonCode).toBe(ReasonCode.notAuthorized);
    expect(client.connack.properties?.serverReference).toBeUndefined();
  });
});

/** [§4.11, §3.14.2.2.5] */
describe('a Server that stops', () => {
  it('names the other one that the settings name', async () => {
    await using stopping = await startBroker({ serverReference: `${elsewhere} [::1]:1883` });
    const clients = [await stopping.connect(), await stopping.connect({ over: 'websocket' })];
    const stopped = stopping.stop();
    for (const client of clients) {
      const disconnect = await client.nextOf('disconnect');
      expect(disconnect).toMatchObject({
        reasonCode: useAnotherServer,
        properties: { serverReference: `${elsewhere} [::1]:1883` },
      });
      expect(await client.closed).toBe(true);
    }
    await stopped;
  });

  it('says only that it shuts down where they name none', async () => {
    await using stopping = await startBroker();
    const client = await stopping.connect();
    const stopped = stopping.stop();
    const disconnect = await expectDisconnect(client, ReasonCode.serverShuttingDown);
    expect(disconnect?.properties?.serverReference).toBeUndefined();
    await stopped;
  });

  it.each([4, 3] as const)('has no word for it towards a Client at level %i', async (version) => {
    await using stopping = await startBroker({ serverReference: elsewhere });
    const client = await stopping.connect({ version });
    const stopped = stopping.stop();
    await expectDisconnect(client);
    expect(client.bytesReceived).toBe('20020000');
    await stopped;
  });

  it('leaves the name out where it would be too large for the Client', async () => {
    await using stopping = await startBroker({ serverReference: elsewhere });
    const client = await stopping.connect({ properties: { maximumPacketSize: 20 } });
    const stopped = stopping.stop();
    const disconnect = await expectDisconnect(client, useAnotherServer);
    expect(disconnect?.properties?.serverReference).toBeUndefined();
    await stopped;
  });

  it('names it to a Client that is being authenticated', async () => {
    await using stopping = await startBroker({ serverReference: elsewhere, authenticationMethods: [method] });
    const client = await stopping.open();
    client.send(connectPacket({ properties: authenticating('ask me') }));
    await client.nextOf('auth');
    const stopped = stopping.stop();
    const connack = await expectRefusal(client, useAnotherServer);
    expect(connack.properties?.serverReference).toBe(elsewhere);
    await stopped;
  });
});
