// Where to listen, as people write it: `mqtt://127.0.0.1:1883`, `ws://[::1]:8083/mqtt`, `unix:///run/skein.sock`.

/** A place to listen at. */
export type Address =
  | { readonly carrier: 'tcp'; readonly host: string; readonly port: number }
  | { readonly carrier: 'websocket'; readonly host: string; readonly port: number; readonly path: string }
  | { readonly carrier: 'unix'; readonly path: string };

/** What may be written, in a sentence that completes "allowed:". */
export const allowedListenUrls =
  'mqtt://HOST[:PORT], ws://HOST[:PORT][/PATH] or unix:///PATH; HOST is a name, an IPv4 address or an [IPv6 address], PORT 0 to 65535 (0 takes any)';

const defaultPort = { mqtt: 1883, ws: 8083 } as const;
const shape = /^(mqtt|ws):\/\/(\[[0-9a-fA-F:.%\w]+\]|[^/:?#@[\]\s]+)(?::(\d{1,5}))?(\/[^?#\s]*)?$/;

/**
 * Reads a listen URL.
 *
 * @returns the address, or in a sentence what is wrong with it
 */
export function parseListenUrl(url: string): Address | string {
  if (/^(mqtts|wss|ssl|tls):/.test(url)) return 'TLS listeners are not built yet; put a proxy that ends TLS in front';
  if (url.startsWith('unix:')) {
    const path = url.slice('unix://'.length);
    return url.startsWith('unix:///') && path.length > 1 ? { carrier: 'unix', path } : 'a socket needs its full path';
  }
  const [, scheme, bracketed, port, path] = shape.exec(url) ?? [];
  if (scheme === undefined || bracketed === undefined) return 'it is not a listen URL';
  const host = bracketed.startsWith('[') ? bracketed.slice(1, -1) : bracketed;
  const portNumber = port === undefined ? defaultPort[scheme as 'mqtt' | 'ws'] : Number(port);
  if (portNumber > 65_535) return 'there is no such port';
  if (scheme === 'ws') return { carrier: 'websocket', host, port: portNumber, path: path ?? '/mqtt' };
  if (path !== undefined && path !== '/') return 'MQTT over TCP has no path';
  return { carrier: 'tcp', host, port: portNumber };
}

/** Reads `HOST:PORT`, as the admin address is written; undefined if it is not that. */
export function parseHostPort(text: string): { readonly host: string; readonly port: number } | undefined {
  const [, bracketed, port] = /^(\[[0-9a-fA-F:.%\w]+\]|[^/:?#@[\]\s]+):(\d{1,5})$/.exec(text) ?? [];
  if (bracketed === undefined || Number(port) > 65_535) return undefined;
  return { host: bracketed.startsWith('[') ? bracketed.slice(1, -1) : bracketed, port: Number(port) };
}

/** Whether only this machine can reach the address. */
export function isLoopback(address: Address): boolean {
  if (address.carrier === 'unix') return true;
  const host = address.host.toLowerCase();
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host) || /^::ffff:127\./.test(host);
}

/** An address and port as a URL has them, IPv6 in brackets. */
export function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** An address as a URL. */
export function formatAddress(address: Address): string {
  if (address.carrier === 'unix') return `unix://${address.path}`;
  const place = hostPort(address.host, address.port);
  return address.carrier === 'tcp' ? `mqtt://${place}` : `ws://${place}${address.path}`;
}
