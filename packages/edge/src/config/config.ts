// The effective settings: what was given, in rising precedence, each checked; and what hangs together checked together.

import { isLoopback, parseListenUrl } from '../listen/address.ts';
import { type Config, configSchema, type Setting, settings } from './schema.ts';
import type { Given, Source } from './sources.ts';

/** Settings that cannot be used. The message has a line for each problem: key, value, and what is allowed. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/** One setting as it is in force, and where it comes from. */
export interface Effective {
  readonly setting: Setting;
  readonly value: unknown;
  /** `default`, or whoever gave it. */
  readonly source: string;
}

/** All settings in force. */
export interface Loaded {
  readonly config: Config;
  readonly effective: readonly Effective[];
}

/**
 * Puts settings together.
 *
 * @param sources in rising precedence; a list is replaced as a whole
 * @throws ConfigError naming everything that is wrong, not only the first thing
 */
export function load(sources: readonly Source[]): Loaded {
  const problems = sources.flatMap((source) => source.problems);
  const last = new Map<Setting, Given>();
  for (const source of sources) for (const given of source.given) last.set(given.setting, given);

  const effective: Effective[] = [];
  for (const setting of settings) {
    const given = last.get(setting);
    const checked = setting.schema.safeParse(given?.value);
    if (checked.success) {
      effective.push({ setting, value: checked.data, source: given?.source ?? 'default' });
    } else {
      problems.push(refusal(setting, given));
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);

  const config = configSchema.parse(nest(effective));
  const conflicts = conflictsOf(config);
  if (conflicts.length > 0) throw new ConfigError(conflicts);
  return { config, effective };
}

/** What is wrong with settings that are each good by themselves. */
function conflictsOf(config: Config): string[] {
  const conflicts: string[] = [];
  const urls = config.listen.filter((url) => !url.endsWith(':0'));
  const twice = urls.find((url, index) => urls.indexOf(url) !== index);
  if (twice !== undefined) conflicts.push(`listen: ${twice} is given twice`);
  if (config.allowAnonymous === 'loopback') {
    for (const url of config.listen) {
      const address = parseListenUrl(url);
      if (typeof address === 'string' || isLoopback(address)) continue;
      conflicts.push(
        `listen: ${url} can be reached from other machines, and whoever reaches it may connect without an identity; ` +
          'allowed: a loopback address (127.0.0.1, [::1]) or unix:, or --allow-anonymous to want exactly that',
      );
    }
  }
  return conflicts;
}

function refusal(setting: Setting, given: Given | undefined): string {
  const problem = typeof given?.value === 'string' ? undefined : nearerProblem(setting, given?.value);
  const shown = withoutPassword(typeof given?.value === 'string' ? given.value : JSON.stringify(given?.value));
  const why = problem === undefined ? '' : ` (${problem})`;
  return `${setting.path}: ${shown} from ${given?.source ?? 'default'} is not allowed${why}; allowed: ${setting.allowed}`;
}

/** Which of several listen URLs is the bad one, and why. */
function nearerProblem(setting: Setting, value: unknown): string | undefined {
  if (setting.path !== 'listen' || !Array.isArray(value)) return undefined;
  for (const url of value) {
    const parsed = typeof url === 'string' ? parseListenUrl(url) : 'a URL is text';
    if (typeof parsed === 'string') return `${withoutPassword(String(url))}: ${parsed}`;
  }
  return undefined;
}

/** Takes the password out of URLs, for messages that end in logs. */
function withoutPassword(text: string): string {
  return text.replaceAll(/\/\/[^/@\s"]*@/g, '//***@').slice(0, 500);
}

/** Settings by path, put back into levels. */
function nest(effective: readonly Effective[]): Record<string, unknown> {
  const nested: Record<string, unknown> = {};
  for (const { setting, value } of effective) {
    const [group, key] = setting.path.split('.');
    if (group === undefined) continue;
    if (key === undefined) nested[group] = value;
    else nested[group] = { ...(nested[group] as object | undefined), [key]: value };
  }
  return nested;
}
