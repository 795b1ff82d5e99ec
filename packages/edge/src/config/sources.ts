// Where settings come from: a YAML file (yaml-file.ts), the environment, flags. Each becomes a list of what was given, with the place
// where it was given, so that whatever is wrong can be said of the line that somebody wrote.

import { readFileSync } from 'node:fs';
import { closest } from './closest.ts';
import { groups, type Setting, settings } from './schema.ts';

/** A value for a setting, and who gave it. */
export interface Given {
  readonly setting: Setting;
  readonly value: unknown;
  /** Completes "from": `--admin`, `SKEIN_ADMIN`, `skein.yaml`. */
  readonly source: string;
}

/** What a source holds: values, and what is wrong with the rest, one sentence each. */
export interface Source {
  readonly given: readonly Given[];
  readonly problems: readonly string[];
}

const byPath = new Map(settings.map((setting) => [setting.path, setting]));
const byVariable = new Map(settings.map((setting) => [setting.variable, setting]));

/** Takes settings apart that are nested as in a YAML file. A value of null or undefined is not given. */
export function fromNested(nested: unknown, source: string): Source {
  const given: Given[] = [];
  const problems: string[] = [];
  const walk = (value: unknown, prefix: string): void => {
    if (value === null || value === undefined) return;
    if (typeof value !== 'object' || Array.isArray(value)) {
      problems.push(`${prefix === '' ? source : `${prefix} in ${source}`}: settings by name are expected here`);
      return;
    }
    for (const [key, inner] of Object.entries(value)) {
      const path = prefix === '' ? key : `${prefix}.${key}`;
      const setting = byPath.get(path);
      if (groups.includes(path)) walk(inner, path);
      else if (setting === undefined) problems.push(unknown(path, source, [...byPath.keys(), ...groups]));
      else if (inner !== null && inner !== undefined) given.push({ setting, value: inner, source });
    }
  };
  walk(nested, '');
  return { given, problems };
}

/**
 * Reads the environment: `SKEIN_ADMIN`, or `SKEIN_ADMIN_FILE` with the name of a file that holds the value, so that a
 * secret need not stand in the environment.
 */
export function fromEnvironment(environment: Readonly<Record<string, string | undefined>>): Source {
  const given: Given[] = [];
  const problems: string[] = [];
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith('SKEIN_') || text === undefined) continue;
    const ofFile = variable.endsWith('_FILE') ? byVariable.get(variable.slice(0, -'_FILE'.length)) : undefined;
    const setting = byVariable.get(variable) ?? ofFile;
    if (setting === undefined) {
      if (!isServiceLink(variable)) problems.push(unknown(variable, 'the environment', [...byVariable.keys()]));
    } else if (ofFile === undefined) {
      given.push({ setting, value: textTo(setting, text), source: variable });
    } else if (environment[setting.variable] !== undefined) {
      problems.push(`${setting.path}: both ${setting.variable} and ${variable} are set; one of them is allowed`);
    } else {
      try {
        const value = textTo(setting, readFileSync(text, 'utf8').trim());
        given.push({ setting, value, source: `${text} (${variable})` });
      } catch (error) {
        problems.push(`${setting.path}: the file of ${variable} cannot be read: ${(error as Error).message}`);
      }
    }
  }
  return { given, problems };
}

/** What a flag says is a value of text; several of one flag are a list. */
export function fromFlags(flags: readonly { readonly setting: Setting; readonly text: string }[]): Source {
  const given: Given[] = [];
  const problems: string[] = [];
  for (const setting of settings) {
    const texts = flags.filter((flag) => flag.setting === setting).map((flag) => flag.text);
    const [first] = texts;
    if (first === undefined) continue;
    if (setting.kind === 'list') given.push({ setting, value: texts, source: setting.flag });
    else if (texts.length === 1) given.push({ setting, value: textTo(setting, first), source: setting.flag });
    else problems.push(`${setting.path}: ${setting.flag} is given ${texts.length} times; once is allowed`);
  }
  return { given, problems };
}

/** Turns text into what a setting takes; what cannot be turned stays text, and is refused as such. */
function textTo(setting: Setting, text: string): unknown {
  if (setting.kind === 'number') return /^\d{1,15}$/.test(text) ? Number(text) : text;
  if (setting.kind === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  if (setting.kind === 'list') return text.split(/[\s,]+/).filter((part) => part !== '');
  return text;
}

/** Kubernetes tells each container of the Services around it in variables, and a Service may well be called skein. */
function isServiceLink(variable: string): boolean {
  return /_SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$/.test(variable);
}

function unknown(name: string, source: string, names: readonly string[]): string {
  const meant = closest(name, names);
  return `${name} in ${source}: there is no such setting${meant === undefined ? '' : `; did you mean ${meant}?`}`;
}
