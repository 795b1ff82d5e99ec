// A disk that is full, under a node that is alone: whoever cannot be served is told so, nothing that was acknowledged is
// lost, and all goes on as soon as there is room.
//
// The disk is a file system of eight megabytes that only the node sees.

import { spawnSync } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ReasonCode } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import { type Alone, startAlone } from '../support/alone.ts';
import type { RawClient } from '../support/client.ts';
import { until } from '../support/deadline.ts';
import { lasting } from '../support/sessions.ts';

const diskBytes = 8 * 1024 * 1024;
const mount = 'mount -t tmpfs -o size=8m none "$0" && exec "$@"';

/** Whether a process may have a file system of its own here. */
const isPossible = spawnSync('unshare', ['-rm', 'sh', '-c', 'mount -t tmpfs none /mnt']).status === 0;

const payload = 'x'.repeat(10_000);
const limits = ['--limits-queue-max-messages', '100000', '--limits-queue-max-bytes', '1000000000'];

async function startOnSmallDisk(args: readonly string[]): Promise<Alone> {
  const { mkdtemp } = await import('node:fs/promises');
  const { tmpdir } = await import('node:os');
  const directory = await mkdtemp(join(tmpdir(), 'skein-small-'));
  const node = await startAlone({
    directory,
    args: [...limits, ...args],
    by: ['unshare', '-rm', 'sh', '-c', mount, directory],
  });
  const end = node[Symbol.asyncDispose].bind(node);
  return Object.assign(node, {
    [Symbol.asyncDispose]: async () => {
      await end();
      await rm(directory, { recursive: true, force: true });
    },
  });
}

/** A Client that is away and must get everything. */
async function leave(node: Alone): Promise<RawClient> {
  const reader = await node.connect({ clientId: 'reader', ...lasting });
  await reader.subscribe('full/#', { qos: 1 });
  await reader.disconnect();
  return reader;
}

/** Takes all messages that wait for the reader. @returns their topics */
async function collect(node: Alone, count: number): Promise<string[]> {
  const reader = await node.connect({ clientId: 'reader', ...lasting, cleanStart: false });
  const topics: string[] = [];
  while (topics.length < count) {
    const { topic, packetId } = await reader.receiveMessage();
    reader.acknowledge('puback', packetId);
    topics.push(topic);
  }
  await reader.disconnect();
  return topics;
}

const topicsUpTo = (count: number): string[] => Array.from({ length: count }, (_, i) => `full/${i}`);

describe.skipIf(!isPossible)('a disk that is nearly full', () => {
  it('refuses new messages with 0x97 where that can be said, takes what makes room, and then new ones again', async () => {
    await using node = await startOnSmallDisk([
      ...['--limits-disk-free-min-bytes', String(diskBytes / 2)],
      ...['--limits-journal-max-bytes', '1000000'],
    ]);
    await leave(node);
    const writer = await node.connect();
    let taken = 0;
    const refused = await until(
      'a refusal',
      async () => {
        const answer = await writer.publish({ topic: `full/${taken}`, payload, qos: 1 });
        if (answer?.reasonCode === ReasonCode.quotaExceeded) return answer;
        expect(answer?.reasonCode).toBe(ReasonCode.success);
        taken += 1;
        return undefined;
      },
      20_000,
    );
    expect(refused.reasonCode).toBe(ReasonCode.quotaExceeded);
    expect(taken).toBeGreaterThan(100);
    expect(await node.metric('mqtt_messages_dropped_total', { reason: 'quota' })).toBeGreaterThan(0);

    // QoS 0 goes on, and so does who is no writer.
    const witness = await node.connect();
    await witness.subscribe('light');
    await writer.publish({ topic: 'light', payload: 'on', qos: 0 });
    expect((await witness.receiveMessage()).topic).toBe('light');

    // Before 5.0 nobody can be told: the connection ends, and the message is not acknowledged.
    const old = await node.connect({ version: 4 });
    old.send({
      type: 'publish',
      ...{ topic: 'full/old', payload: Buffer.from(payload), qos: 1, retain: false, dup: false, packetId: 1 },
      properties: undefined,
    });
    await old.closed;

    expect(await collect(node, taken)).toEqual(topicsUpTo(taken));
    await until(
      'new messages to be taken',
      async () => (await writer.publish({ topic: 'full/again', payload, qos: 1 }))?.reasonCode === 0 || undefined,
      20_000,
    );
    expect(await collect(node, 1)).toEqual(['full/again']);
  }, 120_000);
});

describe.skipIf(!isPossible)('a disk that is full', () => {
  it('keeps acknowledgements back until there is room, and loses nothing that was acknowledged', async () => {
    await using node = await startOnSmallDisk([
      ...['--limits-disk-free-min-bytes', '0'],
      ...['--limits-journal-max-bytes', '100000000'],
    ]);
    await leave(node);
    await writeFile(join(node.directoryWithin, 'filler'), Buffer.alloc(diskBytes - 2 * 1024 * 1024));
    const writer = await node.connect();
    let acknowledged = 0;
    let sent = 0;
    const isStuck = (): boolean => node.logLines.some(({ event }) => event === 'data_stuck');
    await until(
      'the disk to be full',
      async () => {
        writer.send({
          type: 'publish',
          ...{ topic: `full/${sent}`, payload: Buffer.from(payload), qos: 1, retain: false, dup: false },
          packetId: ++sent,
          properties: undefined,
        });
        if (isStuck()) return true;
        expect((await writer.next()).type).toBe('puback');
        acknowledged += 1;
        return undefined;
      },
      20_000,
    ).catch((error: unknown) => {
      if (!isStuck()) throw error;
    });
    expect(acknowledged).toBeGreaterThan(50);
    expect(acknowledged).toBeLessThan(sent);

    await rm(join(node.directoryWithin, 'filler'));
    // What was sent last is acknowledged now.
    await until('the last acknowledgement', async () => {
      expect((await writer.next(20_000)).type).toBe('puback');
      acknowledged += 1;
      return acknowledged === sent || undefined;
    });
    const topics = new Set(await collect(node, sent));
    expect([...topics]).toEqual(topicsUpTo(sent));
  }, 120_000);
});
