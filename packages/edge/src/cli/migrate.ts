// `skein migrate`: copies a data directory into a Redis.
//
// Whatever ends it on the way, the same command goes on: what is copied says how far it is. A signal ends it between two
// pieces, a second one at once.

import { resolve } from 'node:path';
import { directoryOf } from '../config/store-url.ts';
import { ExitCode } from '../exit-code.ts';
import type { Screen } from './migrate-report.ts';
import { discard, type MigrateSurroundings, migrateFrom } from './migrate-run.ts';
import { migrateHelp, readMigrateWords } from './migrate-words.ts';
import { ask } from './question.ts';

/**
 * Does what the words behind `migrate` say.
 *
 * @returns how the process is to end
 */
export async function migrate(given: readonly string[]): Promise<ExitCode> {
  const read = readMigrateWords(given, process.env);
  const around = surroundings();
  if (read.is === 'help') {
    around.out.write(migrateHelp);
    return ExitCode.success;
  }
  if (read.is === 'wrong') {
    around.err.write(
      `${read.problems.map((problem) => `skein: ${problem}\n`).join('')}skein: see skein migrate --help\n`,
    );
    return ExitCode.usage;
  }
  const { words } = read;
  if (words.discard) return await discard(words, around);
  const { readDataDirectory, StoreRefused } = await import('@skein/embedded');
  const { sourceOfState } = await import('@skein/redis');
  try {
    await using directory = await readDataDirectory(resolve(directoryOf(words.from)));
    return await migrateFrom(sourceOfState(directory.memory, directory), words, around);
  } catch (error) {
    if (!(error instanceof StoreRefused)) throw error;
    if (words.json) around.out.write(`${JSON.stringify({ event: 'refused', reason: error.message })}\n`);
    around.err.write(`skein: --from: ${error.message}\n`);
    return ExitCode.wrongSetting;
  }
}

function surroundings(): MigrateSurroundings {
  let isStopped = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      isStopped = true;
    });
  }
  const isTerminal = process.stdin.isTTY === true && process.stderr.isTTY === true;
  return {
    out: screenOf(process.stdout),
    err: screenOf(process.stderr),
    monotonicMs: () => performance.now(),
    ask: isTerminal ? (question) => ask(question, process.stdin, process.stderr) : undefined,
    isStopped: () => isStopped,
  };
}

function screenOf(stream: NodeJS.WriteStream): Screen {
  return { isTerminal: stream.isTTY === true, write: (text) => void stream.write(text) };
}
