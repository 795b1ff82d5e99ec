// Every scenario, in small, against a broker: everything comes, and the report adds up.

import { describe, expect, it } from 'vitest';
import {
  type Phase,
  type Progress,
  type Report,
  runScenario,
  type ScenarioOptions,
} from '../../packages/bench/src/index.ts';
import { startBroker, type TestBroker } from '../support/broker.ts';

const quick = { settleSeconds: 0, warmupSeconds: 0 } as const;

function phaseOf(report: Report, name: string): Phase {
  const phase = report.phases.find((each) => each.name === name);
  if (phase === undefined) throw new Error(`there is no phase ${name}`);
  return phase;
}

async function run(broker: TestBroker, options: ScenarioOptions): Promise<Report> {
  const report = await runScenario({ ...quick, urls: [broker.url], ...options });
  expect(report.problems).toEqual([]);
  expect(report.ok).toBe(true);
  return report;
}

/** Nobody is connected any more, and no Session is left. */
async function expectNothingLeft(broker: TestBroker): Promise<void> {
  await broker.untilMetric('mqtt_connections', {}, 0);
  await broker.untilMetric('mqtt_sessions', { state: 'offline' }, 0);
}

describe('a scenario against a broker', () => {
  const streams: [ScenarioOptions, deliveries: number][] = [
    [{ scenario: 'p2p', publishers: 3, count: 300 }, 300],
    [{ scenario: 'p2p', publishers: 2, topics: 3, qos: 1, count: 300 }, 300],
    [{ scenario: 'p2p', publishers: 2, qos: 2, count: 200, protocolVersion: 4 }, 200],
    [{ scenario: 'p2p', qos: 1, count: 5, payloadBytes: 300_000 }, 5],
    [{ scenario: 'p2p', qos: 2, subscriptionQos: 1, count: 100 }, 100],
    [{ scenario: 'p2p', publishers: 2, qos: 1, count: 100, storedSessions: true }, 100],
    [{ scenario: 'fan-in', publishers: 5, subscribers: 2, qos: 1, count: 200 }, 400],
    [{ scenario: 'fan-out', subscribers: 10, count: 50 }, 500],
    [{ scenario: 'shared', publishers: 3, subscribers: 3, qos: 1, count: 300 }, 300],
    [{ scenario: 'subs', publishers: 2, subscribers: 5, filters: 200, qos: 1, count: 400 }, 400],
  ];
  for (const [options, deliveries] of streams) {
    it(`balances: ${JSON.stringify(options)}`, async () => {
      await using broker = await startBroker();
      const report = await run(broker, options);
      const acknowledged = (options.qos ?? 0) > 0 ? (options.count ?? 0) : 0;
      expect(report.checked).toMatchObject({
        published: options.count,
        acknowledged,
        unacknowledged: 0,
        expected: deliveries,
        delivered: deliveries,
        lost: 0,
        duplicates: 0,
        outOfOrder: 0,
        misrouted: 0,
        corrupt: 0,
      });
      const load = phaseOf(report, 'load');
      expect(load).toMatchObject({ unit: 'message', count: deliveries, sent: options.count });
      expect(load.latencyMs?.count).toBe(deliveries);
      expect(load.latencyMs?.p50).toBeLessThanOrEqual(load.latencyMs?.max ?? 0);
      expect(load.acknowledgementMs?.count ?? 0).toBe(acknowledged);
      await expectNothingLeft(broker);
    });
  }

  it('goes on for a time, and counts what was sent and came in it', async () => {
    await using broker = await startBroker();
    const report = await run(broker, {
      scenario: 'p2p',
      publishers: 2,
      qos: 1,
      durationSeconds: 0.3,
      warmupSeconds: 0.1,
    });
    const load = phaseOf(report, 'load');
    expect(load.seconds).toBeGreaterThanOrEqual(0.25);
    expect(load.count).toBeGreaterThan(0);
    expect(load.count).toBeLessThanOrEqual(report.checked.delivered);
    expect(load.perSecond).toBeCloseTo(load.count / load.seconds, 0);
  });

  it('keeps to a rate, and counts latency from when a message was due', async () => {
    await using broker = await startBroker();
    const report = await run(broker, { scenario: 'p2p', publishers: 3, rate: 300, count: 60, qos: 1 });
    const load = phaseOf(report, 'load');
    expect(load.count).toBe(60);
    // The last one is due after 59 three-hundredths of a second.
    expect(load.seconds).toBeGreaterThan(0.19);
    expect(load.sentLateMsMax).toBeGreaterThanOrEqual(0);
    expect(load.latencyMs?.max).toBeGreaterThanOrEqual(0);
  });

  it('connects clients, at once or one after the other, and holds them', async () => {
    await using broker = await startBroker();
    for (const rate of [undefined, 500]) {
      const storedSessions = rate !== undefined;
      const report = await run(broker, { scenario: 'connect', clients: 50, holdSeconds: 0.1, rate, storedSessions });
      expect(report.phases.map(({ name, count }) => [name, count])).toEqual([
        ['connect', 50],
        ['idle', 50],
      ]);
      expect(phaseOf(report, 'connect').latencyMs?.count).toBe(50);
      if (rate !== undefined) expect(phaseOf(report, 'connect').seconds).toBeGreaterThan(0.09);
    }
    await expectNothingLeft(broker);
  });

  it('stores retained messages, has a new subscriber get them all, and takes them back', async () => {
    await using broker = await startBroker();
    const options = { scenario: 'retained', messages: 200, publishers: 3, subscribers: 2 } as const;
    const report = await run(broker, options);
    expect(phaseOf(report, 'store')).toMatchObject({ count: 200, sent: 200 });
    expect(phaseOf(report, 'receive')).toMatchObject({ count: 400 });
    // What is retained comes before the answer to a later PINGREQ.
    const client = await broker.connect({ clientId: 'later' });
    await client.subscribe('bench/#');
    client.send({ type: 'pingreq' });
    expect(await client.next()).toEqual({ type: 'pingresp' });
  });

  it('queues for stored Sessions that are away, and delivers when they return, on another node if there is one', async () => {
    await using broker = await startBroker();
    const report = await run(broker, { scenario: 'offline', subscribers: 5, messages: 20, publishers: 2 });
    expect(report.phases.map(({ name, count }) => [name, count])).toEqual([
      ['connect', 5],
      ['enqueue', 100],
      ['deliver', 100],
    ]);
    expect(report.checked).toMatchObject({ expected: 100, delivered: 100, sessionsGone: 0 });
    await expectNothingLeft(broker);
  });

  it('measures the CPU and memory of a process, and its own', async () => {
    await using broker = await startBroker();
    const report = await run(broker, { scenario: 'p2p', durationSeconds: 0.3, pids: [process.pid] });
    const { server, own } = phaseOf(report, 'load');
    expect(server?.cpuSeconds).toBeGreaterThan(0);
    expect(server?.rssAfterKiB).toBeGreaterThan(10_000);
    expect(own.cpuSeconds).toBeGreaterThan(0);
    expect(own.busiestLoop).toBeGreaterThan(0);
    expect(own.busiestLoop).toBeLessThanOrEqual(1);
  });

  it('tells how far it is, what the server said of itself, and no password', async () => {
    await using broker = await startBroker();
    const heard: Progress[] = [];
    const report = await runScenario(
      { scenario: 'p2p', durationSeconds: 0.6, ...quick, urls: [broker.url], username: 'ada', password: 'hunter2' },
      (progress) => heard.push(progress),
    );
    expect(heard.length).toBeGreaterThan(0);
    for (const { done, phase } of heard) {
      expect(done).toBeGreaterThanOrEqual(0);
      expect(done).toBeLessThanOrEqual(1);
      expect(['connect', 'load']).toContain(phase);
    }
    expect(report.servers).toMatchObject([{ url: broker.url, receiveMaximum: expect.any(Number) }]);
    expect(JSON.stringify(report)).not.toContain('hunter2');
  });
});
