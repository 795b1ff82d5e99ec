// `skein bench`: runs a scenario against a server, and ends with 1 if not everything came that was to come.

import { BenchError, type Progress, runScenario, summary } from '@skein/bench';
import { ExitCode } from '../exit-code.ts';
import { inFlags, readBenchWords, withoutPassword } from './bench-flags.ts';
import { benchHelp } from './bench-help.ts';

/**
 * Runs `skein bench`.
 *
 * @param words those behind `bench`
 * @returns the exit status, as the help tells it
 */
export async function bench(words: readonly string[]): Promise<ExitCode> {
  const read = readBenchWords(words, process.env.SKEIN_BENCH_PASSWORD);
  if (read.is === 'help') {
    process.stdout.write(benchHelp());
    return ExitCode.success;
  }
  if (read.is === 'misplaced') return complain(read.problem, ExitCode.wrongSetting);
  if (read.is === 'wrong') return complain(`${read.problem} (see skein bench --help)`, ExitCode.usage);
  const terminal = process.stderr.isTTY;
  try {
    const command = ['skein', 'bench', ...withoutPassword(words)];
    const report = await runScenario({ ...read.options, command }, terminal ? showProgress : undefined);
    if (terminal) process.stderr.write(clearLine);
    process.stdout.write(read.json ? `${JSON.stringify(report)}\n` : summary(report));
    return report.ok ? ExitCode.success : failed;
  } catch (error) {
    if (terminal) process.stderr.write(clearLine);
    if (!(error instanceof BenchError)) throw error;
    switch (error.blames) {
      case 'options':
        return complain(inFlags(error.message), ExitCode.usage);
      case 'machine':
        return complain(error.message, ExitCode.wrongSetting);
      case 'server':
        return complain(error.message, failed);
    }
  }
}

/** Not everything came, or the server was not there. */
const failed: ExitCode = ExitCode.stoppedShort;
const clearLine = '\r\u001b[K';

/** One line, written over the one before. */
function showProgress({ phase, done, perSecond, unit, seconds, faults }: Progress): void {
  const cells = [
    phase.padEnd(9),
    `${Math.round(done * 100)} %`.padStart(5),
    `${Math.round(perSecond).toLocaleString('en')} ${unit}s/s`,
    `${seconds.toFixed(0)} s`,
    faults === 0 ? 'no faults' : `${faults} FAULTS`,
  ];
  process.stderr.write(`${clearLine}${cells.join('  ')}`);
}

function complain(text: string, status: ExitCode): ExitCode {
  process.stderr.write(`skein: ${text}\n`);
  return status;
}
