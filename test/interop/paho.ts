// The adapters of Paho Python and Paho C, the Clients of scripts and of firmware: programs beside this file.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Kind } from './foreign.ts';
import { findProgram, Program, works } from './program.ts';
import { Programs } from './program-client.ts';

const beside = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** What both of them can. */
const paho = {
  lacks: {},
  cannot: () => undefined,
} as const;

/** Paho Python. */
export function pahoPython(): Kind {
  // Debian's Python has Debian's Paho, even where another Python comes first.
  const pythons = [findProgram('python3'), '/usr/bin/python3'].filter((file) => file !== undefined);
  const python = pythons.find((file) => works(file, ['-c', 'import paho.mqtt.client']));
  const programs = new Programs(async () => [python ?? '', '-B', beside('paho_client.py')]);
  return {
    ...paho,
    name: 'Paho Python',
    // Paho 1.6 reads it only where properties follow it.
    tellsReasonCode: false,
    missing: python === undefined ? 'Paho Python is not installed (Debian: python3-paho-mqtt)' : undefined,
    connect: (options) => programs.connect(options),
    [Symbol.asyncDispose]: () => programs[Symbol.asyncDispose](),
  };
}

/** Paho C, compiled when the first Client is asked for. */
export function pahoC(): Kind {
  const gcc = findProgram('gcc') ?? '';
  const canCompile = gcc !== '' && works('/bin/sh', ['-c', `echo '#include <MQTTClient.h>' | ${gcc} -E - > /dev/null`]);
  let folder: string | undefined;
  let compiling: Promise<string> | undefined;
  async function compile(): Promise<string> {
    folder = await mkdtemp(join(tmpdir(), 'skein-paho-'));
    const binary = join(folder, 'paho_client');
    await new Program(gcc, ['-O1', '-o', binary, beside('paho_client.c'), '-lpaho-mqtt3c', '-lpthread']).lines();
    return binary;
  }
  const programs = new Programs(async () => {
    compiling ??= compile();
    return [await compiling];
  });
  return {
    ...paho,
    name: 'Paho C',
    tellsReasonCode: true,
    missing: canCompile ? undefined : 'Paho C or gcc is not installed (Debian: libpaho-mqtt-dev, gcc)',
    connect: (options) => programs.connect(options),
    [Symbol.asyncDispose]: async () => {
      await programs[Symbol.asyncDispose]();
      if (folder !== undefined) await rm(folder, { recursive: true });
    },
  };
}
