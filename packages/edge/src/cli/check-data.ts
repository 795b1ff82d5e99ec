// `skein check-data`: what a data directory holds, whether it is whole, and, if it is told to, the one step that makes it
// so that a node can start on it.

import { resolve } from 'node:path';
import type { CheckedDirectory, RepairStep } from '@skein/embedded';
import type { Config } from '../config/schema.ts';
import { directoryOf, isOnDisk, storeShown } from '../config/store-url.ts';
import { ExitCode } from '../exit-code.ts';
import { SystemRandom } from '../random.ts';

/** What was said on the command line, beyond settings. */
export interface CheckDataWords {
  /** Where it is, if not where the settings say. */
  readonly directory: string | undefined;
  readonly repair: boolean;
  readonly json: boolean;
}

/**
 * Looks at a data directory, says what is there, and repairs it if it is told to.
 *
 * @returns `success` if it is good, or is now; `damaged`; `wrongSetting` if it cannot be looked at
 */
export async function checkData(config: Pick<Config, 'store'>, words: CheckDataWords): Promise<ExitCode> {
  if (words.directory === undefined && !isOnDisk(config.store)) {
    const allowed = 'file:DIRECTORY, or the directory itself: skein check-data DIRECTORY';
    return complain(`store: ${storeShown(config.store)} has no data directory; allowed: ${allowed}`);
  }
  const directory = resolve(words.directory ?? directoryOf(config.store));
  const { checkDirectory, DataDamaged, repairDirectory, StoreRefused } = await import('@skein/embedded');
  try {
    const report = await checkDirectory(directory);
    if (!words.json) process.stdout.write(reportText(report));
    const isRepaired = words.repair && !report.isGood;
    if (isRepaired) await repairDirectory(directory, new SystemRandom(), Date.now());
    if (words.json) process.stdout.write(`${JSON.stringify({ ...report, isRepaired })}\n`);
    else if (isRepaired) process.stdout.write('\nThat has been done: a node can start on it.\n');
    return report.isGood || isRepaired ? ExitCode.success : ExitCode.damaged;
  } catch (error) {
    if (!(error instanceof StoreRefused)) throw error;
    complain(error.message);
    return error instanceof DataDamaged ? ExitCode.damaged : ExitCode.wrongSetting;
  }
}

function complain(sentence: string): ExitCode {
  process.stderr.write(`skein: ${sentence}\n`);
  return ExitCode.wrongSetting;
}

/** What is told of a directory, in lines for people. */
function reportText(report: CheckedDirectory): string {
  const { directory, files, missing, isGood } = report;
  const lines = [directory, ''];
  if (files.length === 0 && missing === undefined) {
    lines.push('There is nothing in it: a node begins anew.');
  } else {
    lines.push(...fileTable(report), '', ...problemsOf(report));
    const { sessions, messages, retained } = report.holds;
    const inIt = `${counted(sessions, 'Session')}, ${counted(messages, 'queued message')}, ${counted(retained, 'retained message')}`;
    lines.push(`It holds ${inIt}${isGood ? '' : ', up to the first damage'}.`);
  }
  const { unfinished, aside } = report;
  if (unfinished.length > 0) lines.push(`Not finished, and of no use: ${unfinished.join(', ')}.`);
  if (aside.length > 0) lines.push(`Set aside by an earlier repair: ${aside.join(', ')}.`);
  lines.push('', ...verdict(report));
  return `${lines.join('\n')}\n`;
}

function fileTable({ files, format }: CheckedDirectory): string[] {
  const head = ['file', 'state', 'format', 'begun', 'frames', 'records', 'bytes'];
  const rows = files.map(({ name, state, standing, isUnknown, header, frames, records, bytes }) => [
    name,
    isUnknown ? 'unknown' : standing === 'superseded' && state === 'good' ? 'not needed' : state,
    header === undefined ? '?' : String(format),
    header === undefined ? '?' : new Date(header.begunMs).toISOString().slice(0, 19),
    String(frames),
    standing === 'superseded' ? '-' : String(records),
    String(bytes),
  ]);
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  // Words to the left, figures to the right.
  return all.map((row) => {
    const cells = row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return column < 4 ? cell.padEnd(width) : cell.padStart(width);
    });
    return `  ${cells.join('  ')}`.trimEnd();
  });
}

function problemsOf({ files, missing }: CheckedDirectory): string[] {
  const lines = missing === undefined ? [] : [`${missing} should be there, and is not.`];
  for (const { name, bad, framesBehind, isUnknown, bytes } of files) {
    if (bad === undefined) continue;
    const behind = framesBehind === 0 || isUnknown ? '' : `; behind it are ${counted(framesBehind, 'whole frame')}`;
    lines.push(`${name} at byte ${bad.at} of ${bytes}: ${bad.why}${behind}.`);
  }
  return lines.length === 0 ? [] : [...lines, ''];
}

function verdict({ directory, files, isGood, remedy }: CheckedDirectory): string[] {
  if (isGood && files.some(({ state }) => state === 'torn')) {
    return ['It is good. The torn end was never known to be on the disk; the next start cuts it off.'];
  }
  if (isGood) return ['It is good.'];
  if (files.some(({ isUnknown }) => isUnknown)) {
    return ['It holds what this version cannot read, and a repair would do nothing to it.'];
  }
  if (remedy === undefined) {
    return [
      'It is damaged, and no step of a repair helps: restore it from a backup, or begin with an empty directory.',
    ];
  }
  return [
    `It is damaged. A repair loses ${lossText(remedy)}, deletes nothing, and is: skein check-data ${directory} --repair`,
    ...remedy.steps.map((step, index) => `  ${index + 1}. ${stepText(step)}`),
  ];
}

/** What a repair costs: whole frames can be counted, but of what is spoilt nobody knows how much it was. */
function lossText({ framesLost, bytesUnknown }: NonNullable<CheckedDirectory['remedy']>): string {
  const spoilt = `what ${counted(bytesUnknown, 'spoilt byte')} held`;
  if (framesLost === 0) return bytesUnknown === 0 ? 'nothing more that is known of' : spoilt;
  return bytesUnknown === 0 ? counted(framesLost, 'frame') : `${counted(framesLost, 'frame')} and ${spoilt}`;
}

function stepText(step: RepairStep): string {
  switch (step.is) {
    case 'set aside':
      return `${step.file} is renamed ${step.as}`;
    case 'cut': {
      const { file, at, bytes, bytesUnreadable, as } = step;
      const holes =
        bytesUnreadable === 0
          ? ''
          : `, with zeros for the ${counted(bytesUnreadable, 'byte')} that the disk does not give out`;
      if (at === 0) return `${file} counts no more, and is copied to ${as}${holes}`;
      return `${file} counts up to byte ${at} only; the ${counted(bytes, 'byte')} behind it are copied to ${as}${holes}`;
    }
    case 'begin':
      return `log ${step.header.number} is begun, which says that calls are missing`;
  }
}

function counted(count: number, what: string): string {
  return `${count.toLocaleString('en')} ${what}${count === 1 ? '' : 's'}`;
}
