// The program `skein`: reads its command line, settles the settings, and does what the command says.

import { type Arguments, commands, isCommand, parseArguments } from './cli/arguments.ts';
import { programHelp, type SettingsCommand, settingsHelp } from './cli/help.ts';
import { closest } from './config/closest.ts';
import { ConfigError, type Effective, type Loaded, load } from './config/config.ts';
import type { Setting } from './config/schema.ts';
import { fromEnvironment, fromFlags } from './config/sources.ts';
import { ExitCode } from './exit-code.ts';
import { version } from './version.ts';

/** Commands with flags of their own, which are no settings of a node: each gets the words behind it, `--help` too. */
const ownFlags: ReadonlyMap<string, () => Promise<(words: readonly string[]) => Promise<ExitCode>>> = new Map([
  ['migrate', async () => (await import('./cli/migrate.ts')).migrate],
  ['bench', async () => (await import('./cli/bench.ts')).bench],
]);

/** Runs the program and ends the process with its exit status. */
export async function main(): Promise<never> {
  const words = process.argv.slice(2);
  const own = ownFlags.get(words[0] ?? '');
  process.exit(own === undefined ? await run(parseArguments(words)) : await (await own())(words.slice(1)));
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
  const own = ownFlags.get(words.command ?? '');
  if (own !== undefined) {
    if (words.help) return await (await own())(['--help']);
    return complain(`${words.command}: it comes first, and its flags behind it\n`, ExitCode.usage);
  }
  if (words.help && words.command !== undefined) return say(settingsHelp(words.command as SettingsCommand));
  try {
    const loaded = await settle(words);
    if (words.command === 'start') {
      const { start } = await import('./cli/start.ts');
      return await start(loaded.config);
    }
    if (words.command === 'check-data') {
      const { checkData } = await import('./cli/check-data.ts');
      return await checkData(loaded.config, words);
    }
    return say(words.explain ? explain(loaded.effective) : 'The settings are good.\n');
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return complain(`${error.problems.join('\nskein: ')}\n`, ExitCode.wrongSetting);
  }
}

/** The settings in force: the file, the environment, the flags, in rising precedence. */
async function settle(words: Arguments): Promise<Loaded> {
  const { configFile } = words;
  return load([
    { given: [], problems: words.problems },
    ...(configFile === undefined ? [] : [(await import('./config/yaml-file.ts')).fromFile(configFile)]),
    fromEnvironment(process.env),
    fromFlags(words.flags),
  ]);
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
