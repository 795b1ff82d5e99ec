// What a person at a terminal sees first: where the node listens, and two lines to copy.

import { parseListenUrl } from '../listen/address.ts';
import type { DataDirectory } from '../store.ts';
import { version } from '../version.ts';

/** What the banner tells of. */
export interface Greeting {
  readonly nodeId: string;
  readonly urls: readonly string[];
  readonly adminUrl: string;
  /** The store, without a password; undefined for one in this process's memory. */
  readonly store: string | undefined;
  /** The data directory, as it was found; undefined if the store has none. */
  readonly disk?: Pick<DataDirectory, 'directory' | 'opened'> | undefined;
  readonly durability: string;
  readonly cluster: string;
  /** Where the other nodes reach this one; undefined for a node that is alone. */
  readonly advertise: string | undefined;
}

/** The banner, several lines. */
export function banner(greeting: Greeting): string {
  const { nodeId, urls, adminUrl } = greeting;
  const lines = [
    '',
    `  Skein ${version}, node ${nodeId}`,
    ...keeping(greeting),
    '',
    ...urls.map((url) => `    ${url}`),
    `    ${adminUrl}/readyz  ${adminUrl}/metrics`,
    '',
  ];
  const place = mosquittoPlace(urls);
  if (place !== undefined) {
    lines.push(
      '  Try it from two other terminals:',
      '',
      `    mosquitto_sub ${place} -v -t 'hello/#'`,
      `    ${firstPublish(urls)}`,
      '',
    );
  }
  return `${lines.join('\n')}\n`;
}

/** What becomes of what is kept, and with whom. */
function keeping({ store, disk, durability, cluster, advertise }: Greeting): string[] {
  if (disk !== undefined)
    return [`  Everything is kept in ${disk.directory}, durability ${durability}.`, ...finding(disk)];
  if (store === undefined) return ['  Everything is kept in memory: nothing survives a restart.'];
  return [
    `  Everything is kept in ${store}, durability ${durability}.`,
    `  Nodes of the cluster ${cluster} share it; they reach this one at ${advertise}.`,
  ];
}

/** What was there already. */
function finding({ opened }: Pick<DataDirectory, 'opened'>): string[] {
  const { sessions, messages, retained, tookMs } = opened;
  if (sessions + retained === 0) return [];
  const found = `${counted(sessions, 'Session')}, ${counted(messages, 'queued message')}, ${counted(retained, 'retained one')}`;
  return [`  Found there, in ${Math.round(tookMs)} ms: ${found}.`];
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** A command that publishes a first message; undefined if no listener is one that mosquitto_pub can reach. */
export function firstPublish(urls: readonly string[]): string | undefined {
  const place = mosquittoPlace(urls);
  return place === undefined ? undefined : `mosquitto_pub ${place} -t hello/world -m 'it works'`;
}

/** The flags of mosquitto_pub and mosquitto_sub for the first listener that they can reach. */
function mosquittoPlace(urls: readonly string[]): string | undefined {
  for (const url of urls) {
    const address = parseListenUrl(url);
    if (typeof address === 'string') continue;
    if (address.carrier === 'tcp') return `-h ${reachable(address.host)} -p ${address.port}`;
    if (address.carrier === 'unix') return `--unix ${address.path}`;
  }
  return undefined;
}

/** An address to connect to, where one stands for all of the machine's. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}
