// What a person at a terminal sees first: where the node listens, and two lines to copy.

import { parseListenUrl } from '../listen/address.ts';
import { version } from '../version.ts';

/** What the banner tells of. */
export interface Greeting {
  readonly nodeId: string;
  readonly urls: readonly string[];
  readonly adminUrl: string;
}

/** The banner, several lines. */
export function banner({ nodeId, urls, adminUrl }: Greeting): string {
  const lines = [
    '',
    `  Skein ${version}, node ${nodeId}`,
    '  Everything is kept in memory: nothing survives a restart.',
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
