// The effective settings: what was given, in rising precedence, each checked; and what hangs together checked together.

import { randomBytes } from 'node:crypto';
import { isLoopback, parseHostPort, parseListenUrl } from '../listen/address.ts';
import { presetOnDisk } from './durability.ts';
import { type Config, configSchema, nameMax, type Setting, settings } from './schema.ts';
import type { Given, Source } from './sources.ts';
import { isOnDisk, isShared, presetStore } from './store-url.ts';

/** Where a value comes from that nobody gave. */
const preset = 'default';
/** What makes the names of nodes unique that nobody named. */
const suffixBytes = 3;

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
      effective.push({ setting, value: checked.data, source: given?.source ?? preset });
    } else {
      problems.push(refusal(setting, given));
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);

  nameApart(effective);
  chooseDurability(effective);
  const config = configSchema.parse(nest(effective));
  const origins = new Map(effective.map(({ setting, source }) => [setting.path, source]));
  const conflicts = conflictsOf(config, (path) => origins.get(path) !== preset);
  if (conflicts.length > 0) throw new ConfigError(conflicts);
  return { config, effective };
}

/** Nodes of one machine have one host name: where the store is shared, a name that nobody gave is made unique. */
function nameApart(effective: Effective[]): void {
  const at = effective.findIndex(({ setting }) => setting.path === 'nodeId');
  const node = effective[at];
  const store = effective.find(({ setting }) => setting.path === 'store');
  if (node?.source !== preset || !isShared(String(store?.value))) return;
  const suffix = randomBytes(suffixBytes).toString('hex');
  const name = String(node.value).slice(0, nameMax - suffix.length - 1);
  effective[at] = { ...node, value: `${name}-${suffix}`, source: `${preset}, new at each start` };
}

/** A data directory has a class; of other stores it is seen when they are opened. */
function chooseDurability(effective: Effective[]): void {
  const at = effective.findIndex(({ setting }) => setting.path === 'durability');
  const durability = effective[at];
  const store = effective.find(({ setting }) => setting.path === 'store');
  if (durability?.source !== preset || !isOnDisk(String(store?.value))) return;
  effective[at] = { ...durability, value: presetOnDisk };
}

/** What is wrong with settings that are each good by themselves. */
function conflictsOf(config: Config, isGiven: (path: string) => boolean): string[] {
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
  if (config.durability !== undefined && config.durability !== 'memory' && config.store === 'memory:') {
    conflicts.push(
      `durability: ${config.durability} is more than the store ${config.store} can promise; ` +
        `allowed: memory, any class with --store ${presetStore}, or with --store redis://… what that Redis is set to`,
    );
  }
  return [...conflicts, ...peerConflicts(config, isGiven)];
}

/** What is wrong with where this node and its peers are to meet. */
function peerConflicts(config: Config, isGiven: (path: string) => boolean): string[] {
  const { peer, advertise, store } = config;
  if (!isShared(store)) {
    const stray = (['peer', 'advertise'] as const).filter(isGiven);
    return stray.map(
      (path) =>
        `${path}: ${config[path]} is of no use, since a node on the store ${store} is alone; allowed: --store redis://…`,
    );
  }
  const { host = '', port = 0 } = parseHostPort(peer) ?? {};
  const told = advertise === undefined ? undefined : parseHostPort(advertise);
  const conflicts: string[] = [];
  if (isEverywhere(host) && advertise === undefined) {
    conflicts.push(
      `peer: ${peer} stands for every address of this machine, and the other nodes have to be told one; ` +
        `allowed: one address, or --advertise HOST:PORT beside it`,
    );
  }
  if (told !== undefined && isEverywhere(told.host)) {
    conflicts.push(
      `advertise: ${advertise} is no address to be reached at; allowed: one that the other nodes can reach`,
    );
  }
  if (conflicts.length > 0 || config.insecurePeers) return conflicts;
  const open = [
    { path: 'peer', place: { host, port }, text: peer },
    { path: 'advertise', place: told, text: advertise },
  ];
  for (const { path, place, text } of open) {
    if (place === undefined || isLoopback({ carrier: 'tcp', ...place })) continue;
    conflicts.push(
      `${path}: ${text} is beyond this machine, and what nodes tell one another is neither encrypted nor signed yet; ` +
        'allowed: a loopback address (127.0.0.1, [::1]), or --insecure-peers to want exactly that',
    );
  }
  return conflicts;
}

function isEverywhere(host: string): boolean {
  return host === '0.0.0.0' || /^[0:]+$/.test(host);
}

function refusal(setting: Setting, given: Given | undefined): string {
  const value = given?.value;
  const problem = nearerProblem(setting, value);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const shown = withoutPassword(setting.shown?.(text) ?? text);
  const why = problem === undefined ? '' : ` (${problem})`;
  return `${setting.path}: ${shown} from ${given?.source ?? preset} is not allowed${why}; allowed: ${setting.allowed}`;
}

/** What exactly is wrong with a value, where that can be told: which of several listen URLs is the bad one, and why. */
function nearerProblem(setting: Setting, value: unknown): string | undefined {
  if (setting.path !== 'listen' || !Array.isArray(value)) return setting.problem?.(value);
  for (const url of value) {
    const parsed = typeof url === 'string' ? parseListenUrl(url) : 'a URL is text';
    if (typeof parsed === 'string') return `${withoutPassword(String(url))}: ${parsed}`;
  }
  return undefined;
}

/** Takes the password out of URLs, for messages that end in logs. */
function withoutPassword(text: string): string {
  return text.replaceAll(/\/\/[^\s"]*@/g, '//***@').slice(0, 500);
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
