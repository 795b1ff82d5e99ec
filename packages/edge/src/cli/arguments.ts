// The words of a command line: the command, settings as flags, and a few flags that are no settings.

import { closest } from '../config/closest.ts';
import { type Setting, settings } from '../config/schema.ts';

/** The commands there are. */
export const commands = ['start', 'check-config', 'check-data', 'migrate', 'bench'] as const;

/** One of the commands there are. */
export type Command = (typeof commands)[number];

/** A command line, taken apart. */
export interface Arguments {
  /** What stands in the place of the command, whether there is such a command or not. */
  readonly command: string | undefined;
  /** The directory that check-data is given. */
  readonly directory: string | undefined;
  readonly flags: readonly { readonly setting: Setting; readonly text: string }[];
  /** `--config`. */
  readonly configFile: string | undefined;
  readonly explain: boolean;
  readonly repair: boolean;
  readonly json: boolean;
  readonly help: boolean;
  readonly version: boolean;
  /** What is wrong with it, one sentence each. */
  readonly problems: readonly string[];
}

/** Flags that are no settings, and the one command that they belong to. */
const plainFlags: ReadonlyMap<string, Command | undefined> = new Map([
  ['--explain', 'check-config'],
  ['--repair', 'check-data'],
  ['--json', 'check-data'],
  ['--help', undefined],
  ['--version', undefined],
]);
const byFlag = new Map(settings.map((setting) => [setting.flag, setting]));

/** Takes a command line apart; nothing is looked up yet. */
export function parseArguments(words: readonly string[]): Arguments {
  let command: string | undefined;
  let directory: string | undefined;
  let configFile: string | undefined;
  const flags: { setting: Setting; text: string }[] = [];
  const plain = new Set<string>();
  const problems: string[] = [];

  const rest = [...words];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (!word.startsWith('-')) {
      if (command === undefined) command = word;
      else if (command === 'check-data' && directory === undefined) directory = word;
      else if (command === 'check-data') problems.push(`${word}: one directory at a time is checked`);
      else problems.push(`${word}: ${command} takes flags only`);
      continue;
    }
    const [name, attached] = splitFlag(word);
    const setting = byFlag.get(name);
    const negated = name.startsWith('--no-') ? byFlag.get(`--${name.slice('--no-'.length)}`) : undefined;
    if (setting?.kind === 'boolean') {
      flags.push({ setting, text: attached ?? 'true' });
    } else if (negated?.kind === 'boolean' && attached === undefined) {
      flags.push({ setting: negated, text: 'false' });
    } else if (setting !== undefined || name === '--config') {
      const text = attached ?? (rest[0]?.startsWith('--') === true ? undefined : rest.shift());
      if (text === undefined) problems.push(`${name}: a value is missing; ${allowed(setting)}`);
      else if (setting !== undefined) flags.push({ setting, text });
      else if (configFile === undefined) configFile = text;
      else problems.push('--config is given more than once');
    } else if (plainFlags.has(name) && attached === undefined) {
      plain.add(name);
    } else {
      problems.push(unknownFlag(name));
    }
  }
  for (const name of plain) {
    const owner = plainFlags.get(name);
    // Of a command that does not exist more cannot be said.
    if (owner !== undefined && owner !== command && isCommand(command)) {
      problems.push(`${name}: it belongs to ${owner}`);
    }
  }
  return {
    command,
    directory,
    flags,
    configFile,
    explain: plain.has('--explain'),
    repair: plain.has('--repair'),
    json: plain.has('--json'),
    help: plain.has('--help'),
    version: plain.has('--version'),
    problems,
  };
}

/** Whether there is such a command. */
export function isCommand(word: string | undefined): word is Command {
  return (commands as readonly (string | undefined)[]).includes(word);
}

/** `--name=value` or `--name`; the two short names that everybody tries are known too. */
function splitFlag(word: string): [name: string, attached: string | undefined] {
  if (word === '-h') return ['--help', undefined];
  if (word === '-V') return ['--version', undefined];
  const equals = word.indexOf('=');
  return equals < 0 ? [word, undefined] : [word.slice(0, equals), word.slice(equals + 1)];
}

function allowed(setting: Setting | undefined): string {
  return setting === undefined ? 'allowed: the path of a YAML file' : `allowed: ${setting.allowed}`;
}

function unknownFlag(name: string): string {
  const meant = closest(name, [...byFlag.keys(), '--config', ...plainFlags.keys()]);
  return `${name}: there is no such flag${meant === undefined ? '' : `; did you mean ${meant}?`}`;
}
