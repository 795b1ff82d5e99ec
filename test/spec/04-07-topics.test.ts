// MQTT 5.0 chapters 4.7 and 4.8, Topic Names, Topic Filters, and which match which.

import { ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { expectDisconnect } from '../support/ending.ts';
import { fresh } from '../support/fresh.ts';
import { framed, hexString } from '../support/hex.ts';
import { bytes } from '../support/payload.ts';
import { versions } from '../support/sessions.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

/** Topic Filters, what they match, and what they do not; `~` stands for a level of the test's own. */
const matching: readonly (readonly [filter: string, matches: readonly string[], others: readonly string[]])[] = [
  [
    '~/tennis/player1/#',
    ['~/tennis/player1', '~/tennis/player1/ranking', '~/tennis/player1/score/wimbledon'],
    ['~/tennis', '~/tennis/player10'],
  ],
  ['~/#', ['~', '~/', '~/a', '~//', '~/a/b/c/d'], ['~a', 'x/~']],
  ['~/tennis/+', ['~/tennis/player1', '~/tennis/'], ['~/tennis', '~/tennis/player1/ranking']],
  ['~/+', ['~/', '~/a'], ['~', '~/a/b', '~//']],
  ['+/~/+', ['a/~/b', '/~/', 'a/~/'], ['~/b', 'a/~', 'a/b/~/c']],
  ['~/+/player1', ['~/tennis/player1', '~//player1'], ['~/player1', '~/tennis/x/player1']],
  ['/~', ['/~'], ['~', '/~/', '//~']],
  ['+/~', ['/~', 'a/~'], ['~', 'a/b/~']],
  ['~/a', ['~/a'], ['~/A', '~/a/', '~/ a', '~/a ']],
  ['~/é', ['~/é'], ['~/e\u0301', '~/É', '~/e']],
  ['~/a b/ c', ['~/a b/ c'], ['~/a b/c', '~/ab/ c']],
  ['~//+//#', ['~//a/', '~//a//b', '~////'], ['~/x/a//b', '~//a']],
];

describe.each(versions)('[§4.7.1] Topic Filters, at level %i', (version) => {
  it.each(matching)('%s', async (pattern, matches, others) => {
    const own = fresh('own');
    const filled = (text: string): string => text.replaceAll('~', own);
    const client = await broker.connect({ version });
    await client.subscribe(filled(pattern));
    for (const topic of others) await client.publish({ topic: filled(topic) });
    for (const topic of matches) {
      await client.publish({ topic: filled(topic) });
      expect(await client.next()).toMatchObject({ type: 'publish', topic: filled(topic) });
    }
    await client.expectNothing();
  });
});

describe.each([5, 4] as const)(
  '[MQTT-4.7.1-1] [MQTT-4.7.1-2] [3.1.1 MQTT-4.7.1-2] [3.1.1 MQTT-4.7.1-3] a wildcard in the wrong place, at level %i',
  (version) => {
    it.each(['a#', 'a/b#', '#/a', 'a/#/b', 'a+', '+a', 'a/b+/c', 'a/+b', '##', '++', 'a/##'])(
      '%s',
      async (topicFilter) => {
        const client = await broker.connect({ version });
        const { reasonCodes } = await client.subscribe(topicFilter);
        expect(reasonCodes).toEqual([version === 5 ? ReasonCode.topicFilterInvalid : ReasonCode.unspecifiedError]);
        await client.publish({ topic: 'a/b' });
        await client.expectNothing();
      },
    );

    it('is no reason to refuse the others in the same SUBSCRIBE', async () => {
      const topic = fresh('good');
      const client = await broker.connect({ version });
      const { reasonCodes } = await client.subscribe(['a/#/b', topic]);
      expect(reasonCodes).toEqual([version === 5 ? ReasonCode.topicFilterInvalid : ReasonCode.unspecifiedError, 0]);
      await client.publish({ topic });
      expect(await client.receiveMessage()).toMatchObject({ topic });
    });
  },
);

describe.each([5, 4] as const)('[MQTT-4.7.3-1] [3.1.1 MQTT-4.7.3-1] an empty Topic Filter, at level %i', (version) => {
  it('is refused', async () => {
    const client = await broker.connect({ version });
    client.sendBytes(framed('82', `0001 ${version === 5 ? '00' : ''} 0000 00`));
    const packet = await client.next().catch(() => undefined);
    if (packet?.type === 'suback') {
      expect(packet.reasonCodes).toEqual([version === 5 ? ReasonCode.topicFilterInvalid : ReasonCode.unspecifiedError]);
    } else {
      expect(await client.closed).toBe(true);
      if (version === 5) expect(packet?.type).toBe('disconnect');
    }
  });
});

describe.each(versions)('[MQTT-4.7.2-1] [3.1.1 MQTT-4.7.2-1] topics that begin with $, at level %i', (version) => {
  it('are not matched by a wildcard at the first level', async () => {
    const own = fresh('$own');
    const client = await broker.connect({ version });
    await client.subscribe(['#', '+/x', '+/+', '/#']);
    await client.publish({ topic: `${own}/x`, qos: 1 });
    await client.expectNothing();
  });

  it('are matched by a Topic Filter that begins with the same $', async () => {
    const own = fresh('$own');
    const client = await broker.connect({ version });
    await client.subscribe([`${own}/#`]);
    await client.publish({ topic: `${own}/x`, payload: 'seen' });
    expect(await client.receiveMessage()).toMatchObject({ topic: `${own}/x`, payload: bytes('seen') });
    await client.unsubscribe([`${own}/#`]);
    await client.subscribe([`${own}/+`]);
    await client.publish({ topic: `${own}/x`, payload: 'seen' });
    expect(await client.receiveMessage()).toMatchObject({ topic: `${own}/x` });
  });

  it('are ordinary when the $ comes later', async () => {
    const own = fresh('own');
    const client = await broker.connect({ version });
    await client.subscribe([`${own}/+`, `${own}/$x/#`]);
    await client.publish({ topic: `${own}/$x` });
    expect(await client.receiveMessage()).toMatchObject({ topic: `${own}/$x` });
    await client.expectNothing();
  });
});

describe.each(versions)('[MQTT-4.7.3-4] [3.1.1 MQTT-4.7.3-4] matching, at level %i', (version) => {
  it.each([
    ['composed and decomposed letters', '\u00e9', 'e\u0301'],
    ['upper and lower case', 'Room', 'room'],
    ['a trailing slash', 'room', 'room/'],
    ['a leading slash', 'room', '/room'],
    ['doubled slashes', 'a/b', 'a//b'],
    ['full width and half width', 'Ａ', 'A'],
    ['percent signs', 'a%2Fb', 'a/b'],
    ['dots', 'a/./b', 'a/b'],
    ['surrounding blanks', ' a', 'a'],
  ])('normalises nothing: %s are different', async (_, subscribed, published) => {
    const own = fresh('own');
    const client = await broker.connect({ version });
    await client.subscribe(`${own}/x/${subscribed}`);
    await client.publish({ topic: `${own}/x/${published}` });
    await client.expectNothing();
  });
});

describe.each(versions)('[MQTT-4.7.3-3] [3.1.1 MQTT-4.7.3-3] long and deep topics, at level %i', (version) => {
  it('are accepted up to the limits', async () => {
    const own = fresh('own');
    const client = await broker.connect({ version });
    await client.subscribe(`${own}/#`);
    const long = `${own}/`.padEnd(1024, 'x');
    const deep = `${own}${'/d'.repeat(31)}`;
    for (const topic of [long, deep]) {
      await client.publish({ topic, qos: 1 });
      expect(await client.receiveMessage()).toMatchObject({ topic });
    }
  });

  it.each([
    ['too long', 'x'.repeat(1025)],
    ['too deep', `a${'/d'.repeat(32)}`],
  ])('are refused beyond, as a Topic Name: %s', async (_, topic) => {
    const client = await broker.connect({ version });
    client.sendPublish({ topic, qos: 1 });
    // 5.0 is told in a PUBACK or a DISCONNECT; for 3.1.1 it is acknowledge or close [3.1.1 MQTT-3.3.5-2].
    const packet = await client.next().catch(() => undefined);
    if (version === 5) expect(packet).toMatchObject({ reasonCode: ReasonCode.topicNameInvalid });
    if (packet?.type !== 'puback') expect(await client.closed).toBe(true);
  });

  it.each([
    ['too long', 'x'.repeat(1025)],
    ['too deep', `a${'/+'.repeat(32)}`],
  ])('are refused beyond, as a Topic Filter: %s', async (_, topicFilter) => {
    const client = await broker.connect({ version });
    const { reasonCodes } = await client.subscribe(topicFilter);
    expect(reasonCodes).toEqual([version === 5 ? ReasonCode.topicFilterInvalid : ReasonCode.unspecifiedError]);
    await client.expectNothing();
  });
});

describe('[§4.7.2] a PUBLISH to $share', () => {
  it('is a Topic Name that cannot be', async () => {
    const client = await broker.connect();
    const answer = await client.publish({ topic: '$share/group/a', qos: 1 });
    expect([ReasonCode.topicNameInvalid, ReasonCode.notAuthorized]).toContain(answer?.reasonCode);
    await client.expectNothing();
  });
});

describe('[MQTT-4.7.3-2] U+0000', () => {
  it('is refused in an UNSUBSCRIBE as well', async () => {
    const client = await broker.connect();
    client.sendBytes(framed('a2', `0001 00 ${hexString('a\u0000')}`));
    await expectDisconnect(client, ReasonCode.malformedPacket);
  });
});
