// What `--help` says, from the settings themselves.

import { type Setting, settings } from '../config/schema.ts';
import { wrap } from './wrap.ts';

/** What a command does, where its name does not say it. */
const more: Readonly<Record<string, string>> = {
  'check-data': `Reads a data directory, the one that is named or that of --store, and changes nothing. Not while a node runs on it.
Ends with 0 if all is good, with 1 if something is damaged, with 78 if it cannot be looked at.

`,
};

/** Flags that are no settings. */
const extra: Readonly<Record<string, string>> = {
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
  skein start --help                       all flags

`;

/** Help for `start`, `check-config` and `check-data`: every setting. */
export function settingsHelp(command: string): string {
  const plain = settings.filter(({ path }) => !path.includes('.'));
  const limits = settings.filter(({ path }) => path.startsWith('limits.'));
  return `skein ${command} ${command === 'check-data' ? '[DIRECTORY] ' : ''}[flags]

${more[command] ?? ''}Each setting is a flag, an environment variable (--node-id is SKEIN_NODE_ID; SKEIN_NODE_ID_FILE names a file that
holds it) and a key of a YAML file (nodeId; limits are under limits:). Flags win over the environment, and the
environment over the file.

  --config FILE
      A YAML file with settings.
${extra[command] ?? ''}${plain.map(entry).join('')}
Limits:
${limits.map(entry).join('')}`;
}

function entry(setting: Setting): string {
  const head = `  ${setting.flag}${setting.value === '' ? '' : ` ${setting.value}`}`;
  const said = `${setting.help} Allowed: ${setting.allowed}. Default: ${setting.preset ?? shown(setting.schema.parse(undefined))}.`;
  return `${head}\n${wrap(said)}\n`;
}

function shown(value: unknown): string {
  return Array.isArray(value) ? value.join(' ') : String(value);
}
