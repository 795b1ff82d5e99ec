// The program `skein`: reads its command line, settles the settings, and does what the command says.

import { type Arguments, type Command, commands, parseArguments } from './cli/arguments.ts';
import { programHelp, settingsHelp } from './cli/help.ts';
import { start } from './cli/start.ts';
import { closest } from './config/closest.ts';
import { ConfigError, type Effective, type Loaded, load } from './config/config.ts';
import type { Setting } from './config/schema.ts';
import { fromEnvironment, fromFile, fromFlags } from './config/sources.ts';
import { ExitCode } from './exit-code.ts';
import { version } from './version.ts';

/** Runs the program and ends the process with its exit status. */
export async function main(): Promise<never> {
  process.exit(await run(parseArguments(process.argv.slice(2))));
}

async function run(words: Arguments): Promise<ExitCode> {
  if (words.version) return say(`skein ${version}\n`);
  if (words.command === undefined && words.problems.length === 0) {
    if (words.help) return say(programHelp);
    return complain(`a command is missing\n\n${programHelp}`, ExitCode.usage);
  }
  if (words.command !== undefined && !isCommand(words.command)) {
    const meant = closest(words.command, commands);
    return complain(
      `${words.command}: there is no such command; ` +
        `${meant === undefined ? `allowed: ${commands.join(', ')}` : `did you mean ${meant}?`}\n`,
      ExitCode.usage,
    );
  }
  if (words.help && words.command !== undefined) return say(settingsHelp(words.command));
  try {
    const loaded = settle(words);
    if (words.command === 'start') return await start(loaded.config);
    return say(words.explain ? explain(loaded.effective) : 'The settings are good.\n');
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return complain(`${error.problems.join('\nskein: ')}\n`, ExitCode.wrongSetting);
  }
}

function isCommand(word: string): word is Command {
  return (commands as readonly string[]).includes(word);
}

/** The settings in force: the file, the environment, the flags, in rising precedence. */
function settle(words: Arguments): Loaded {
  return load([
    { given: [], problems: explainStrayFlags(words) },
    ...(words.configFile === undefined ? [] : [fromFile(words.configFile)]),
    fromEnvironment(process.env),
    fromFlags(words.flags),
  ]);
}

function explainStrayFlags({ problems, explain, command }: Arguments): readonly string[] {
  return explain && command === 'start' ? [...problems, '--explain: it belongs to check-config'] : problems;
}

/** Every setting, its value, and where it comes from, in columns. */
function explain(effective: readonly Effective[]): string {
  const rows = effective.map(({ setting, value, source }) => [setting.path, shown(setting, value), source]);
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => `${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}\n`).join('');
}

/** A value as it may stand on a screen: without a password, and with what is meant where there is none. */
function shown(setting: Setting, value: unknown): string {
  if (value === undefined) return `(${setting.preset})`;
  const text = Array.isArray(value) ? value.join(' ') : String(value);
  return setting.shown?.(text) ?? text;
}

function say(text: string): ExitCode {
  process.stdout.write(text);
  return ExitCode.success;
}

function complain(text: string, status: ExitCode): ExitCode {
  process.stderr.write(`skein: ${text}`);
  return status;
}
