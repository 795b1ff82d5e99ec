// MQTT 5.0 chapter 4.10, request / response: Response Topic and Correlation Data on their way, and where the Server says
// that responses may go.

import { type ConnectProperties, ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { fresh } from '../support/fresh.ts';
import { bytes } from '../support/payload.ts';
import { versions } from '../support/sessions.ts';

const broker = await startBroker({ responseInformation: 'answers/%c' });
const plain = await startBroker();
afterAll(() => Promise.all([broker[Symbol.asyncDispose](), plain[Symbol.asyncDispose]()]));

const asking = { requestResponseInformation: 1 } as const;

async function informationFor(clientId: string, properties: ConnectProperties = asking): Promise<string | undefined> {
  const client = await broker.connect({ clientId, properties });
  return client.connack.properties?.responseInformation;
}

describe('[MQTT-3.1.2-28] Response Information', () => {
  it('is not given to a Client that does not ask for it, or says 0', async () => {
    expect(await informationFor(fresh('silent'), {})).toBeUndefined();
    expect(await informationFor(fresh('content'), { requestResponseInformation: 0 })).toBeUndefined();
  });

  it('is given to a Client that asks, with its own name in it', async () => {
    const clientId = fresh('asker');
    expect(await informationFor(clientId)).toBe(`answers/${clientId}`);
  });

  it('has the Client Identifier in it that the Server has assigned', async () => {
    const client = await broker.connect({ clientId: '', properties: asking });
    const assigned = client.connack.properties?.assignedClientIdentifier;
    expect(client.connack.properties?.responseInformation).toBe(`answers/${assigned}`);
  });

  it.each(['+', '#', 'a/b', '../x', '$SYS', 'a#', '%c', 'two words', '\u202eabc'])(
    'is kept from a Client whose identifier would make a pattern of it, or reach elsewhere: %s',
    async (clientId) => {
      expect(await informationFor(clientId)).toBeUndefined();
    },
  );

  it('is left out where CONNACK would be too large for the Client', async () => {
    const clientId = fresh('x'.repeat(80));
    expect(await informationFor(clientId, { ...asking, maximumPacketSize: 60 })).toBeUndefined();
  });

  it('is none where the settings have none', async () => {
    const client = await plain.connect({ properties: asking });
    expect(client.connack.properties?.responseInformation).toBeUndefined();
  });

  it.each([4, 3] as const)('is nothing that a Client at level %i could be told', async (version) => {
    const client = await broker.connect({ version });
    expect(client.connack.properties).toBeUndefined();
    expect(client.bytesReceived).toMatch(/^20020000$/);
  });
});

/** [§4.10.1] */
describe('a request', () => {
  it.each([0, 1, 2] as const)('finds its responder and the response its requester, at QoS %i', async (qos) => {
    const topic = fresh('requests');
    const requester = await broker.connect({ properties: asking });
    const answers = requester.connack.properties?.responseInformation ?? '';
    await requester.subscribe(`${answers}/#`, { qos });
    const responder = await broker.connect();
    await responder.subscribe(topic, { qos });

    const responseTopic = `${answers}/now`;
    const correlationData = new Uint8Array([0, 255, 1]);
    await requester.publish({ topic, qos, payload: 'time?', properties: { responseTopic, correlationData } });
    const request = await responder.receiveMessage();
    expect(request.properties).toMatchObject({ responseTopic, correlationData });

    await responder.publish({
      topic: request.properties?.responseTopic ?? '',
      qos,
      payload: 'noon',
      properties: { correlationData: request.properties?.correlationData ?? new Uint8Array() },
    });
    expect(await requester.receiveMessage()).toMatchObject({
      topic: responseTopic,
      payload: bytes('noon'),
      properties: { correlationData },
    });
  });

  it.each(versions)(
    'reaches a Client at level %i, whether or not that can be told where to respond',
    async (version) => {
      const topic = fresh('requests');
      const responder = await broker.connect({ version });
      await responder.subscribe(topic);
      const requester = await broker.connect();
      await requester.publish({ topic, payload: 'time?', properties: { responseTopic: 'answers/here' } });
      const request = await responder.receiveMessage();
      expect(request.payload).toEqual(bytes('time?'));
      expect(request.properties?.responseTopic).toBe(version === 5 ? 'answers/here' : undefined);
    },
  );

  it('without a Client that is there for it is told so, as any PUBLISH', async () => {
    const requester = await broker.connect();
    const puback = await requester.publish({
      topic: fresh('nobody'),
      qos: 1,
      properties: { responseTopic: 'answers/here' },
    });
    expect([ReasonCode.success, ReasonCode.noMatchingSubscribers]).toContain(puback?.reasonCode);
  });
});
