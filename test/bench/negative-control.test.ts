// Whether the checker finds what it is there to find: one fault at a time is planted in a server, and must be told.

import { ReasonCode } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import {
  BenchError,
  type Checked,
  type Report,
  runScenario,
  type ScenarioOptions,
} from '../../packages/bench/src/index.ts';
import { type Fault, startFaultyServer } from './faulty-server.ts';

const small = { count: 40, settleSeconds: 0, drainSeconds: 0.3, window: 8 } as const;

async function runAgainst(fault: Fault, options: Partial<ScenarioOptions> = {}): Promise<Report> {
  await using server = await startFaultyServer(fault);
  return await runScenario({ scenario: 'p2p', ...small, ...options, urls: [server.url] });
}

/** The first byte behind the part of the payload that tells whose it is. */
function harmed(payload: Uint8Array): Uint8Array {
  const bytes = Buffer.from(payload);
  bytes[30] = (bytes[30] as number) ^ 1;
  return bytes;
}

describe('a server without faults', () => {
  for (const scenario of ['p2p', 'fan-in', 'fan-out'] as const) {
    for (const qos of [0, 1, 2] as const) {
      it(`is found right in ${scenario} at QoS ${qos}`, async () => {
        const report = await runAgainst(
          {},
          { scenario, qos, ...(scenario === 'p2p' ? {} : { publishers: 3, subscribers: 2 }) },
        );
        expect(report.problems).toEqual([]);
        expect(report.ok).toBe(true);
        const each = scenario === 'p2p' ? 1 : 2;
        expect(report.checked).toMatchObject({ published: 40, expected: 40 * each, delivered: 40 * each, lost: 0 });
      });
    }
  }
});

describe('a fault in a server', () => {
  const faults: [what: string, qos: 0 | 1 | 2, fault: Fault, found: Partial<Checked>, says: RegExp][] = [
    [
      'a message that is acknowledged and never delivered',
      1,
      { deliver: (publish, number) => (number === 20 ? [] : [publish]) },
      { lost: 1, delivered: 39 },
      /1 delivery of 40 never came \(QoS 1\)/,
    ],
    [
      'the last message of a QoS 2 line that is never delivered',
      2,
      { deliver: (publish, number) => (number === 39 ? [] : [publish]) },
      { lost: 1 },
      /1 delivery of 40 never came \(QoS 2\)/,
    ],
    [
      'a message that is delivered twice at QoS 0',
      0,
      { deliver: (publish, number) => (number === 7 ? [publish, publish] : [publish]) },
      { duplicates: 1, delivered: 40 },
      /1 delivery came again \(QoS 0\)/,
    ],
    [
      'a message that is delivered twice at QoS 1 without DUP',
      1,
      { deliver: (publish, number) => (number === 7 ? [publish, publish] : [publish]) },
      { duplicates: 1, redelivered: 0 },
      /1 delivery came again without DUP/,
    ],
    [
      'a message that is delivered twice at QoS 2, even with DUP',
      2,
      { deliver: (publish, number) => (number === 7 ? [publish, { ...publish, dup: true }] : [publish]) },
      { duplicates: 1 },
      /1 delivery came again \(QoS 2\)/,
    ],
    [
      'one bit that is turned',
      1,
      { deliver: (publish, number) => [number === 5 ? { ...publish, payload: harmed(publish.payload) } : publish] },
      { corrupt: 1, lost: 1 },
      /1 delivery had a wrong content/,
    ],
    [
      'a payload that is cut short',
      0,
      {
        deliver: (publish, number) => [
          number === 5 ? { ...publish, payload: publish.payload.subarray(0, 50) } : publish,
        ],
      },
      { corrupt: 1 },
      /wrong content or length/,
    ],
    [
      'another topic',
      1,
      {
        deliver: (publish, number) => [
          number === 5 ? { ...publish, topic: publish.topic.replace('value', 'valve') } : publish,
        ],
      },
      { misrouted: 1 },
      /1 delivery came on a wrong topic/,
    ],
    [
      'another QoS',
      1,
      { deliver: (publish, number) => [number === 5 ? { ...publish, qos: 0 } : publish] },
      { wrongQos: 1, lost: 0 },
      /1 delivery came at another QoS than 1/,
    ],
    [
      "somebody else's message",
      0,
      {
        deliver: (publish, number) =>
          number === 5 ? [{ ...publish, topic: 'news', payload: Buffer.from('hello') }, publish] : [publish],
      },
      { foreign: 1, lost: 0 },
      /1 delivery was not of this run/,
    ],
  ];
  for (const [what, qos, fault, found, says] of faults) {
    it(`is found: ${what}`, async () => {
      const report = await runAgainst(fault, { qos });
      expect(report.checked).toMatchObject(found);
      expect(report.ok).toBe(false);
      expect(report.problems.join(' ')).toMatch(says);
    });
  }

  it('is found: two messages that change places', async () => {
    let held: Parameters<NonNullable<Fault['deliver']>>[0] | undefined;
    const swapped: Fault = {
      deliver: (publish, number) => {
        if (number === 10) {
          held = publish;
          return [];
        }
        return number === 11 && held !== undefined ? [publish, held] : [publish];
      },
    };
    const report = await runAgainst(swapped, { qos: 1 });
    expect(report.checked).toMatchObject({ outOfOrder: 1, lost: 0, delivered: 40 });
    expect(report.problems).toEqual([expect.stringMatching(/1 delivery came behind a later message/)]);
  });

  it('is found: a message that goes to the wrong subscriber', async () => {
    let deliveries = 0;
    const report = await runAgainst(
      {
        receivers: (_, matching, all) =>
          deliveries++ === 5 ? all.filter((each) => !matching.includes(each)) : matching,
      },
      { publishers: 2, qos: 1 },
    );
    expect(report.checked).toMatchObject({ misrouted: 1, lost: 1 });
  });

  it('is found: a shared group of which two members get one message, and in which one is lost', async () => {
    let turn = 0;
    const report = await runAgainst(
      {
        receivers: (_, __, all) => {
          turn++;
          if (turn === 3) return all.slice(0, 2);
          return turn === 9 ? [] : [all[turn % all.length] as number];
        },
      },
      { scenario: 'shared', publishers: 2, subscribers: 3, qos: 1 },
    );
    expect(report.checked).toMatchObject({ duplicates: 1, lost: 1, delivered: 39, expected: 40 });
    expect(report.ok).toBe(false);
  });

  it('is not one at QoS 0 if a message is lost, but is told', async () => {
    const report = await runAgainst({ deliver: (publish, number) => (number === 20 ? [] : [publish]) }, { qos: 0 });
    expect(report).toMatchObject({ ok: true, checked: { lost: 1 } });
    expect(report.warnings.join(' ')).toMatch(/1 delivery of 40 never came \(QoS 0\)/);
  });

  it('is not one if a message comes again at QoS 1 with DUP, but is counted', async () => {
    const report = await runAgainst(
      { deliver: (publish, number) => (number === 7 ? [publish, { ...publish, dup: true }] : [publish]) },
      { qos: 1 },
    );
    expect(report).toMatchObject({ ok: true, checked: { redelivered: 1, duplicates: 0 } });
  });

  it('is found: a PUBACK that never comes', async () => {
    const report = await runAgainst(
      { answer: (packet) => (packet.type === 'puback' && packet.packetId === 3 ? undefined : packet) },
      { qos: 1 },
    );
    expect(report.checked.unacknowledged).toBeGreaterThan(0);
    expect(report.problems.join(' ')).toMatch(/never acknowledged/);
  });

  it('is told by its name: a message that is refused, and then not expected', async () => {
    let pubacks = 0;
    const report = await runAgainst(
      {
        answer: (packet) =>
          packet.type === 'puback' && pubacks++ === 4 ? { ...packet, reasonCode: ReasonCode.quotaExceeded } : packet,
        deliver: (publish, number) => (number === 4 ? [] : [publish]),
      },
      { qos: 1 },
    );
    expect(report.checked).toMatchObject({ refused: { 'Quota exceeded': 1 }, lost: 0, published: 39, expected: 39 });
    expect(report.problems).toEqual(['1 message was refused: Quota exceeded.']);
  });

  it('is told by its name: a subscription that is refused', async () => {
    const report = await runAgainst(
      {
        answer: (packet) =>
          packet.type === 'suback' ? { ...packet, reasonCodes: [ReasonCode.notAuthorized] } : packet,
      },
      { qos: 0 },
    );
    expect(report.problems).toContain('1 subscription was refused: Not authorized.');
  });

  it('is found: stored Sessions that are gone, with what was queued for them', async () => {
    const report = await runAgainst(
      { connack: (_, connack) => ({ ...connack, sessionPresent: false }) },
      { scenario: 'offline', subscribers: 3, messages: 4 },
    );
    expect(report.checked).toMatchObject({ sessionsGone: 3, lost: 12, published: 12 });
    expect(report.problems.join(' ')).toMatch(/3 stored Sessions were not there any more/);
  });
});

describe('a server that is no help', () => {
  const useless: [what: string, fault: Fault, says: RegExp][] = [
    [
      'refuses',
      { connack: (_, connack) => ({ ...connack, reasonCode: ReasonCode.badUserNameOrPassword }) },
      /refused the connection: Bad user name or password; see --username/,
    ],
    ['closes at once', { connack: () => undefined }, /closed before CONNACK/],
    ['goes away in the middle', { diesAfter: 10 }, /the connection of (publisher|subscriber) 0 ended/],
    [
      'acknowledges what was never sent',
      { answer: (packet) => (packet.type === 'puback' ? { ...packet, packetId: 60_000 } : packet) },
      /a Packet Identifier that is not in use/,
    ],
  ];
  for (const [what, fault, says] of useless) {
    it(`ends the run with a reason if it ${what}`, async () => {
      const run = runAgainst(fault, { qos: 1 });
      await expect(run).rejects.toThrow(says);
      await expect(run).rejects.toBeInstanceOf(BenchError);
    });
  }

  it('is not there: the run ends and says where it looked', async () => {
    const server = await startFaultyServer();
    const { url } = server;
    await server[Symbol.asyncDispose]();
    await expect(runScenario({ scenario: 'p2p', ...small, urls: [url] })).rejects.toThrow(`${url}: connection refused`);
  });
});
