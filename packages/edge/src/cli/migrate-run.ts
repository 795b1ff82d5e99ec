// Copying one store into another, as `skein migrate` does it: asks, copies, tells how far it is, and what was counted.

import type { Counts, ImportSource, RedisImport } from '@skein/redis';
import { storeShown } from '../config/store-url.ts';
import { ExitCode } from '../exit-code.ts';
import { SystemRandom } from '../random.ts';
import { countsTable, Progress, type Screen, verdictJson, verdictTable } from './migrate-report.ts';
import type { MigrateWords } from './migrate-words.ts';

/** Pieces between two looks at whether to stop. */
const piecesAtOnce = 64;
/** Of a run that did not get to its end: another one goes on. */
const unfinished: ExitCode = 1;

/** What a run takes of its surroundings. */
export interface MigrateSurroundings {
  /** For what is told in the end. */
  readonly out: Screen;
  /** For progress, questions, and what went wrong. */
  readonly err: Screen;
  readonly monotonicMs: () => number;
  /** Asks somebody who may say no; undefined if nobody is there. */
  readonly ask: ((question: string) => Promise<boolean>) | undefined;
  /** Whether it has been told to stop. */
  readonly isStopped: () => boolean;
}

/**
 * Copies all that a source holds.
 *
 * @returns how the process is to end
 */
export async function migrateFrom(
  source: ImportSource,
  words: MigrateWords,
  around: MigrateSurroundings,
): Promise<ExitCode> {
  const { out, err } = around;
  const { cluster, json } = words;
  const to = storeShown(words.to);
  const names = { from: source.place, to, cluster };
  const say = (text: string): void => {
    if (!json) out.write(text);
  };
  const tell = (told: Record<string, unknown>): void => {
    if (json) out.write(`${JSON.stringify({ ...told, ...names })}\n`);
  };
  const counts = source.counts();
  say(`${source.place} holds\n\n${countsTable(counts)}\n`);
  if (words.dryRun) {
    tell({ event: 'dry_run', counts });
    say(`It would be copied into the cluster ${cluster} in ${to}. Nothing has been done.\n`);
    return ExitCode.success;
  }
  if (!words.yes && !json && around.ask !== undefined) {
    if (!(await around.ask(`Copy it into the cluster ${cluster} in ${to}? [y/N] `))) {
      say('Nothing has been done.\n');
      return unfinished;
    }
  }
  const { openRedisImport, RedisRefused } = await import('@skein/redis');
  const startedMs = around.monotonicMs();
  let importing: RedisImport | undefined;
  try {
    importing = await openRedisImport({ url: words.to, cluster, source, random: new SystemRandom() });
    const { beginning, journal, durability } = importing;
    if (beginning === 'complete') {
      tell({ event: 'migrated', beginning, doneAt: journal.doneAt });
      say(`It is there already: it was copied, and counted, until ${journal.doneAt}. Nothing has been done.\n`);
      return ExitCode.success;
    }
    if (beginning !== 'new') say(`${begun[beginning]}\n`);
    const isThrough = await copy(source, importing, counts, around, json ? undefined : err);
    if (!isThrough) {
      tell({ event: 'stopped' });
      err.write('skein: stopped on the way; the same command goes on from there\n');
      return unfinished;
    }
    const verdict = await importing.complete();
    const seconds = Math.round(around.monotonicMs() - startedMs) / 1000;
    const event = verdict.isComplete ? 'migrated' : 'difference';
    tell({ event, beginning, seconds, durability, counts: verdictJson(verdict) });
    say(`Copied in ${seconds.toFixed(1)} s, and counted on both sides:\n\n${verdictTable(verdict)}\n`);
    if (!verdict.isComplete) {
      err.write('skein: not all is there, so no node starts on it; the same command begins anew\n');
      return unfinished;
    }
    say(`Everything is there. Now start nodes with\n\n  skein start --store ${to} --cluster ${cluster}\n\n`);
    if (durability === 'memory') {
      say('This Redis does not write to disk what it is given (appendonly no): when it ends, all of it is lost.\n\n');
    }
    return ExitCode.success;
  } catch (error) {
    if (!(error instanceof RedisRefused)) throw error;
    tell({ event: 'refused', reason: error.message });
    err.write(`skein: ${error.message}\n`);
    return importing === undefined ? ExitCode.wrongSetting : unfinished;
  } finally {
    await importing?.close();
  }
}

const begun = {
  continued: 'An earlier run was stopped: this one goes on where it was.',
  anew: 'An earlier run has copied what has changed since, or was not all there: this one begins anew.',
} as const;

/** @returns false if it was told to stop */
async function copy(
  source: ImportSource,
  importing: RedisImport,
  total: Counts,
  { monotonicMs, isStopped }: MigrateSurroundings,
  screen: Screen | undefined,
): Promise<boolean> {
  const { countsOf, noCounts, sumOf } = await import('@skein/redis');
  const progress = new Progress(total, monotonicMs, screen);
  let counts: Counts = noCounts;
  let some: Parameters<RedisImport['put']>[0][number][] = [];
  try {
    for (const item of source.items()) {
      some.push(item);
      counts = sumOf(counts, countsOf(item));
      if (some.length < piecesAtOnce) continue;
      if (isStopped()) return false;
      await importing.put(some);
      progress.at(counts);
      some = [];
    }
    await importing.put(some);
    return !isStopped();
  } finally {
    progress.end();
  }
}

/** Takes back what an earlier run has copied. */
export async function discard(words: MigrateWords, { out, err, ask }: MigrateSurroundings): Promise<ExitCode> {
  const { discardRedisImport, RedisRefused } = await import('@skein/redis');
  const { cluster, json } = words;
  const to = storeShown(words.to);
  if (!words.yes) {
    const isMeant = await ask?.(`Remove what was copied into the cluster ${cluster} in ${to}? [y/N] `);
    if (isMeant === undefined) err.write('skein: nobody is here to be asked; say --yes as well\n');
    if (isMeant === false && !json) out.write('Nothing has been removed.\n');
    if (isMeant !== true) return isMeant === undefined ? ExitCode.usage : unfinished;
  }
  try {
    const wasThere = await discardRedisImport({ url: words.to, cluster, random: new SystemRandom() });
    if (json) out.write(`${JSON.stringify({ event: 'discarded', wasThere, to, cluster })}\n`);
    else out.write(wasThere ? 'It is removed.\n' : 'There was nothing: nothing has been copied there.\n');
    return ExitCode.success;
  } catch (error) {
    if (!(error instanceof RedisRefused)) throw error;
    err.write(`skein: ${error.message}\n`);
    return ExitCode.wrongSetting;
  }
}
