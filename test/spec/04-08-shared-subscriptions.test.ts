// MQTT 5.0 chapter 4.8.2, Shared Subscriptions; and the same for Clients of 3.x, which cannot tell that there is more to a
// filter that begins with $share/ than its name.

import type { QoS } from '@skein/protocol';
import { ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker, type TestBroker } from '../support/broker.ts';
import type { RawClient } from '../support/client.ts';
import { afterAwake, soonMs } from '../support/deadline.ts';
import { fresh } from '../support/fresh.ts';
import { text } from '../support/payload.ts';
import { allSessions, lasting, sessionKinds, versions } from '../support/sessions.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `${index}`);

/** Publishes messages to the end, one after the other. */
async function publishAll(
  topic: string,
  qos: QoS,
  payloads: readonly string[],
  at: TestBroker = broker,
): Promise<void> {
  const publisher = await at.connect();
  for (const payload of payloads) await publisher.publish({ topic, qos, payload });
  await publisher.disconnect();
}

/** Takes so many messages in all, from whoever gets them, and sees that nobody gets more. @returns what each got */
async function shares(members: readonly RawClient[], total: number): Promise<string[][]> {
  const got: string[][] = members.map(() => []);
  const gone = { is: false };
  const take = async (member: RawClient, share: string[]): Promise<void> => {
    while (!gone.is && got.flat().length < total) {
      const waiting = member.waiting.some(({ type }) => type === 'publish');
      if (waiting) share.push(text((await member.receiveMessage()).payload));
      else await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const forget = afterAwake(soonMs, () => {
    gone.is = true;
  });
  await Promise.all(members.map((member, index) => take(member, got[index] as string[])));
  forget();
  expect(got.flat()).toHaveLength(total);
  for (const member of members) await member.expectNothing();
  return got;
}

describe('[MQTT-4.8.2-1] [MQTT-4.8.2-2] the name of a group', () => {
  it.each(['$share/group/topic', '$share/g/+/a', '$share/a b$/#', '$queue/topic', '$share/g//topic'])(
    '%s is one: the Subscription is granted',
    async (filter) => {
      const client = await broker.connect();
      expect((await client.subscribe(filter, { qos: 1 })).reasonCodes).toEqual([1]);
    },
  );

  it.each([
    '$share/',
    '$share//topic',
    '$share/group',
    '$share/group/',
    '$share/g+/topic',
    '$share/#/topic',
    '$queue/',
  ])('%s is none: 0x8F, and the other Subscriptions of the packet are granted', async (filter) => {
    const client = await broker.connect();
    const suback = await client.subscribe([filter, fresh('fine')], { qos: 1 });
    expect(suback.reasonCodes).toEqual([ReasonCode.topicFilterInvalid, 1]);
  });

  it.each(['$share/g/a#', '$share/g/#/a', '$share/g/a+'])('%s shares no Topic Filter: 0x8F', async (filter) => {
    const client = await broker.connect();
    expect((await client.subscribe(filter)).reasonCodes).toEqual([ReasonCode.topicFilterInvalid]);
  });

  it('$share alone, or with a capital letter, is a Topic Filter like others', async () => {
    const client = await broker.connect();
    expect((await client.subscribe(['$share', '$SHARE/g/topic'])).reasonCodes).toEqual([0, 0]);
  });
});

it('CONNACK does not say that there are none [§3.2.2.3.13]', async () => {
  const { connack } = await broker.connect();
  expect(connack.properties?.sharedSubscriptionAvailable).not.toBe(0);
});

it('[MQTT-3.8.3-4] No Local on a Shared Subscription is a Protocol Error', async () => {
  const client = await broker.connect();
  client.send({
    type: 'subscribe',
    packetId: 1,
    subscriptions: [{ topicFilter: '$share/g/t', qos: 1, noLocal: true, retainAsPublished: false, retainHandling: 0 }],
    properties: undefined,
  });
  expect(await client.nextOf('disconnect')).toMatchObject({ reasonCode: ReasonCode.protocolError });
  expect(await client.closed).toBe(true);
});

describe.each(allSessions)('a group of Clients with $kind Sessions at level $version', ({ session }) => {
  it.each([0, 1, 2] as const)('shares QoS %i messages: each goes to one of them, and all in turn', async (qos) => {
    const topic = fresh('jobs');
    const members = [await broker.connect(session), await broker.connect(session), await broker.connect(session)];
    for (const member of members) {
      const { reasonCodes } = await member.subscribe(`$share/workers/${topic}`, { qos: 2 });
      expect(reasonCodes).toEqual([2]);
    }
    await publishAll(topic, qos, names(30));
    const got = await shares(members, 30);
    expect(got.map(({ length }) => length)).toEqual([10, 10, 10]);
    expect(new Set(got.flat()).size).toBe(30);
    for (const share of got) expect(share).toEqual([...share].sort((one, other) => Number(one) - Number(other)));
  });

  it('has members for as long as they want: by the same name they leave it', async () => {
    const topic = fresh('jobs');
    const filter = `$share/workers/${topic}`;
    const [stays, leaves] = [await broker.connect(session), await broker.connect(session)];
    for (const member of [stays, leaves]) await member.subscribe(filter, { qos: 1 });
    const unsuback = await leaves.unsubscribe([filter, topic]);
    if (session.version === 5) expect(unsuback.reasonCodes).toEqual([0, ReasonCode.noSubscriptionExisted]);
    await publishAll(topic, 1, names(4));
    expect(await shares([stays, leaves], 4)).toEqual([names(4), []]);
  });

  it('shares with nobody outside: other groups, $queue, and plain Subscriptions get each message as well', async () => {
    const topic = fresh('jobs');
    const client = await broker.connect(session);
    await client.subscribe([`$share/a/${topic}`, `$share/b/${topic}`, `$queue/${topic}`, topic], { qos: 1 });
    await publishAll(topic, 1, ['one']);
    expect(await shares([client], 4)).toEqual([['one', 'one', 'one', 'one']]);
  });

  it('gets no retained messages when one joins [§4.8.2]', async () => {
    const topic = fresh('jobs');
    await (await broker.connect()).publish({ topic, qos: 1, retain: true, payload: 'kept' });
    const client = await broker.connect(session);
    await client.subscribe(`$share/workers/${topic}`, { qos: 1 });
    await client.subscribe(topic, { qos: 1 });
    expect(await shares([client], 1)).toEqual([['kept']]);
  });
});

describe.each(sessionKinds)('a $kind Session that is a member', ({ kind, session }) => {
  it('[MQTT-4.8.2-3] gets messages at the QoS that was granted to it', async () => {
    const topic = fresh('jobs');
    const members = await Promise.all([0, 1, 2].map(() => broker.connect(session)));
    for (const [qos, member] of members.entries()) {
      await member.subscribe(`$share/workers/${topic}`, { qos: qos as QoS, subscriptionIdentifier: qos + 1 });
    }
    await publishAll(topic, 2, names(3));
    for (const [qos, member] of members.entries()) {
      const message = await member.receiveMessage();
      expect(message.qos).toBe(qos);
      expect(message.properties?.subscriptionIdentifiers).toEqual([qos + 1]);
    }
  });

  it('[MQTT-4.8.2-5] ends with a QoS 2 message that was begun: nobody else gets it', async () => {
    const topic = fresh('jobs');
    const [ends, other] = [await broker.connect(session), await broker.connect(session)];
    await ends.subscribe(`$share/workers/${topic}`, { qos: 2 });
    await publishAll(topic, 2, ['begun']);
    expect((await ends.nextOf('publish')).qos).toBe(2);
    await other.subscribe(`$share/workers/${topic}`, { qos: 2 });
    await ends.disconnect(ReasonCode.normalDisconnection, { sessionExpiryInterval: 0 });
    await publishAll(topic, 2, ['next']);
    expect(await shares([other], 1)).toEqual([['next']]);
  });

  it('ends with QoS 1 messages that it has not acknowledged, and with some that it was not sent: another gets them', async () => {
    const topic = fresh('jobs');
    const properties = { ...session.properties, receiveMaximum: 1 };
    const ends = await broker.connect({ ...session, properties });
    await ends.subscribe(`$share/workers/${topic}`, { qos: 2 });
    await publishAll(topic, 1, ['begun', 'waiting']);
    await publishAll(topic, 2, ['waiting too']);
    await ends.nextOf('publish');
    const other = await broker.connect(session);
    await other.subscribe(`$share/workers/${topic}`, { qos: 2 });
    await ends.disconnect(ReasonCode.normalDisconnection, { sessionExpiryInterval: 0 });
    const got = await shares([other], 3);
    expect(got.flat().sort()).toEqual(['begun', 'waiting', 'waiting too']);
  });

  it.each([1, 2] as const)(
    '[MQTT-4.8.2-6] refuses a QoS %i message with 0x80 or more: it is discarded, and nobody else gets it',
    async (qos) => {
      const topic = fresh('jobs');
      const clientId = fresh('refuses');
      const refuses = await broker.connect({ ...session, clientId });
      await refuses.subscribe(`$share/workers/${topic}`, { qos: 2 });
      await publishAll(topic, qos, ['refused']);
      const { packetId } = await refuses.nextOf('publish');
      refuses.acknowledge(qos === 1 ? 'puback' : 'pubrec', packetId, ReasonCode.unspecifiedError);
      const other = await broker.connect(session);
      await other.subscribe(`$share/workers/${topic}`, { qos: 2 });
      await refuses.disconnect();
      if (kind === 'stored') await (await broker.connect({ ...session, clientId })).expectNothing();
      await other.expectNothing();
    },
  );

  it('is passed over while its queue is full', async () => {
    await using small = await startBroker({ limits: { queueMaxMessages: 2 } });
    const topic = fresh('jobs');
    const full = await small.connect({ ...session, properties: { ...session.properties, receiveMaximum: 1 } });
    await full.subscribe(`$share/workers/${topic}`, { qos: 1 });
    // What is in flight counts in a queue in the store, and not in one that only waits.
    const fits = kind === 'stored' ? 2 : 3;
    await publishAll(topic, 1, names(fits), small);
    const other = await small.connect(session);
    await other.subscribe(`$share/workers/${topic}`, { qos: 1 });
    for (const payload of ['a', 'b', 'c', 'd']) {
      await publishAll(topic, 1, [payload], small);
      expect(text((await other.receiveMessage()).payload)).toBe(payload);
    }
    expect(await shares([full], fits)).toEqual([names(fits)]);
    expect(await small.metric('mqtt_messages_dropped_total', { reason: 'queue_full' })).toBe(0);
  });
});

describe('a stored Session that is away', () => {
  it('gets messages only if nobody in the group is there', async () => {
    const topic = fresh('jobs');
    const clientId = fresh('away');
    const away = await broker.connect({ ...lasting, clientId });
    await away.subscribe(`$share/workers/${topic}`, { qos: 1 });
    await away.disconnect();
    const there = await broker.connect();
    await there.subscribe(`$share/workers/${topic}`, { qos: 1 });
    await publishAll(topic, 1, ['one', 'two']);
    expect(await shares([there], 2)).toEqual([['one', 'two']]);
    await there.disconnect();
    await publishAll(topic, 1, ['three']);
    const back = await broker.connect({ ...lasting, clientId });
    expect(await shares([back], 1)).toEqual([['three']]);
  });

  it('[MQTT-4.8.2-4] completes a QoS 2 message that it has begun when it is back', async () => {
    const topic = fresh('jobs');
    const clientId = fresh('back');
    const first = await broker.connect({ ...lasting, clientId });
    await first.subscribe(`$share/workers/${topic}`, { qos: 2 });
    await publishAll(topic, 2, ['begun']);
    const begun = await first.nextOf('publish');
    first.drop();
    const other = await broker.connect();
    await other.subscribe(`$share/workers/${topic}`, { qos: 2 });
    const back = await broker.connect({ ...lasting, clientId });
    const again = await back.nextOf('publish');
    expect([again.packetId, again.dup, text(again.payload)]).toEqual([begun.packetId, true, 'begun']);
    await other.expectNothing();
  });

  it.each(versions)('leaves what it has not begun to others after five seconds, at level %i', async (version) => {
    const topic = fresh('jobs');
    const clientId = fresh('long');
    const away = await broker.connect({ ...lasting, version, clientId });
    await away.subscribe(`$share/workers/${topic}`, { qos: 1 });
    await away.disconnect();
    await publishAll(topic, 1, ['waiting']);
    const other = await broker.connect({ version });
    await other.subscribe(`$share/workers/${topic}`, { qos: 1 });
    expect(text((await other.receiveMessage(10_000)).payload)).toBe('waiting');
    const back = await broker.connect({ ...lasting, version, clientId });
    await back.expectNothing();
  });
});

describe('the strategies', () => {
  async function distribution(at: TestBroker, publishers: number): Promise<string[][]> {
    const topic = fresh('jobs');
    const members = [await at.connect(), await at.connect(lasting), await at.connect()];
    for (const member of members) await member.subscribe(`$share/workers/${topic}`, { qos: 1 });
    for (let index = 0; index < publishers; index++) {
      await publishAll(topic, 1, [`${index} a`, `${index} b`, `${index} c`], at);
    }
    return await shares(members, publishers * 3);
  }

  it.each(['round-robin', 'local'] as const)('%s: one after the other', async (sharedStrategy) => {
    await using other = await startBroker({ sharedStrategy });
    expect((await distribution(other, 4)).map(({ length }) => length)).toEqual([4, 4, 4]);
  });

  it('hash: what one publisher sends goes to one member, and not all publishers to the same', async () => {
    await using other = await startBroker({ sharedStrategy: 'hash' });
    const got = await distribution(other, 12);
    for (const share of got) expect(share.length % 3).toBe(0);
    expect(got.filter(({ length }) => length > 0).length).toBeGreaterThan(1);
  });

  it('sticky: everything goes to one member', async () => {
    await using other = await startBroker({ sharedStrategy: 'sticky' });
    expect((await distribution(other, 3)).map(({ length }) => length).sort()).toEqual([0, 0, 9]);
  });
});
