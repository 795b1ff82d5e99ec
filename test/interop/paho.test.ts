// Paho Python and Paho C: the Clients of scripts and of firmware, each with a conversation of its own beside this file.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { fresh } from '../support/fresh.ts';
import { processMs } from '../support/process.ts';
import { findProgram, Program, works } from './program.ts';

const beside = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

// Debian's Python has Debian's Paho, even where another Python comes first.
const pythons = [findProgram('python3'), '/usr/bin/python3'].filter((file) => file !== undefined);
const python = pythons.find((file) => works(file, ['-c', 'import paho.mqtt.client'])) ?? '';
if (python === '') console.info('skipped: Paho Python is not installed (Debian: python3-paho-mqtt)');

const gcc = findProgram('gcc') ?? '';
const canCompile = gcc !== '' && works('/bin/sh', ['-c', `echo '#include <MQTTClient.h>' | ${gcc} -E - > /dev/null`]);
if (!canCompile) console.info('skipped: Paho C or gcc is not installed (Debian: libpaho-mqtt-dev, gcc)');

vi.setConfig({ testTimeout: 2 * processMs, hookTimeout: 2 * processMs });

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

describe.skipIf(python === '').each(['3.1', '3.1.1', '5.0'])('Paho Python, MQTT %s', (version) => {
  it('publishes and receives at every QoS, finds retained messages, and comes back to its Session', async () => {
    const { hostname, port } = new URL(broker.url);
    await using program = new Program(python, [beside('paho_client.py'), hostname, port, version, fresh('py')]);
    const [report = ''] = await program.lines();
    expect(JSON.parse(report)).toEqual({
      live: [
        ['/live/0', 'at 0', 0, false],
        ['/live/1', 'at 1', 1, false],
        ['/live/2', 'at 2', 2, false],
      ],
      retained: [['/kept', 'kept', 1, true]],
      queued: [
        ['/queue', '0', 2, false],
        ['/queue', '1', 2, false],
        ['/queue', '2', 2, false],
      ],
    });
  });
});

describe.skipIf(!canCompile)('Paho C', () => {
  let folder = '';
  let binary = '';

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'skein-paho-'));
    binary = join(folder, 'paho_client');
    await new Program(gcc, ['-O1', '-Wall', '-o', binary, beside('paho_client.c'), '-lpaho-mqtt3c']).lines();
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.each([
    ['3.1', 3],
    ['3.1.1', 4],
    ['5.0', 5],
  ])(
    'MQTT %s: publishes and receives at every QoS, finds retained messages, and comes back to its Session',
    async (_, version) => {
      const { host } = new URL(broker.url);
      await using program = new Program(binary, [`tcp://${host}`, `${version}`, fresh('c')]);
      expect(await program.lines()).toEqual([
        '/live/0 zero 0 0',
        '/live/1 one 1 0',
        '/live/2 two 2 0',
        '/kept kept 1 1',
        '/queue first 2 0',
        '/queue second 2 0',
      ]);
    },
  );
});
