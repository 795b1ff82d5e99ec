// What `--help` says, from the settings themselves.

import { type Setting, settings } from '../config/schema.ts';
import type { Command } from './arguments.ts';
import { wrap } from './wrap.ts';

/** The commands whose flags are settings. */
export type SettingsCommand = Exclude<Command, 'migrate' | 'bench'>;

/** What a command does, where its name does not say it. */
const more: Readonly<Record<SettingsCommand, string>> = {
  start: `Runs a node until it is told to stop (SIGTERM, Ctrl-C).

  skein start --store file:/var/lib/skein --listen mqtt://127.0.0.1:1883 --log-level warn

`,
  'check-config': `Checks the settings, and starts nothing.

  skein check-config --config skein.yaml --explain

`,
  'check-data': `Reads a data directory, the one that is named or that of --store, and changes nothing. Not while a node runs on it.
Ends with 0 if all is good, with 1 if something is damaged, with 78 if it cannot be looked at.

  skein check-data /var/lib/skein --json

`,
};

/** The settings that a command goes by, where it is not all of them. */
const goesBy: Readonly<Partial<Record<SettingsCommand, readonly string[]>>> = { 'check-data': ['store'] };

/** Flags that are no settings. */
const extra: Readonly<Partial<Record<SettingsCommand, string>>> = {
  'check-config': '  --explain\n      Prints every setting in force, and where it comes from.\n',
  'check-data': `  --repair
      Cuts damage away, so that a node can start. Deletes nothing: what is cut away stands beside it as *.damaged.
  --json
      Prints one JSON object.
`,
};

/** Help for the program as a whole. */
export const programHelp: string = `Skein, an MQTT broker for MQTT 3.1, 3.1.1 and 5.0.

  skein start [flags]                      runs a node
  skein check-config [flags] [--explain]   checks the settings; tells where each one comes from
  skein check-data [DIR] [--repair]        reads a data directory; tells what is in it, and what is damaged
  skein migrate --from URL --to URL        carries a data directory into a Redis
  skein bench [flags]                      measures a broker, and checks every delivery
  skein --version
  skein COMMAND --help                     all flags of a command, and an example

`;

/** Help for `start`, `check-config` and `check-data`: every setting that they go by. */
export function settingsHelp(command: SettingsCommand): string {
  const theirs = settings.filter(({ path }) => goesBy[command]?.includes(path) ?? true);
  const plain = theirs.filter(({ path }) => !path.includes('.'));
  const limits = theirs.filter(({ path }) => path.startsWith('limits.'));
  return `skein ${command} ${command === 'check-data' ? '[DIRECTORY] ' : ''}[flags]

${more[command]}Each setting is a flag, an environment variable (--node-id is SKEIN_NODE_ID; SKEIN_NODE_ID_FILE names a file that
holds it) and a key of a YAML file (nodeId; limits are under limits:). Flags win over the environment, and the
environment over the file.

  --config FILE
      A YAML file with settings.
${extra[command] ?? ''}${plain.map(entry).join('')}${limits.length === 0 ? '' : `\nLimits:\n${limits.map(entry).join('')}`}`;
}

function entry(setting: Setting): string {
  const head = `  ${setting.flag}${setting.value === '' ? '' : ` ${setting.value}`}`;
  const said = `${setting.help} Allowed: ${setting.allowed}. Default: ${setting.preset ?? shown(setting.schema.parse(undefined))}.`;
  return `${head}\n${wrap(said)}\n`;
}

function shown(value: unknown): string {
  return Array.isArray(value) ? value.join(' ') : String(value);
}
