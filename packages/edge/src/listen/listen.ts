// From a URL to a listener.

import { parseListenUrl } from './address.ts';
import { listenTcp } from './tcp.ts';
import type { Listener, Reception } from './transport.ts';
import { listenWebSocket } from './websocket.ts';

/**
 * Listens where a URL says.
 *
 * @param maximumPacketSize in bytes; bounds what the carrier takes at a time
 * @throws ListenError if the address cannot be had
 */
export function listen(url: string, maximumPacketSize: number, reception: Reception): Promise<Listener> {
  const address = parseListenUrl(url);
  // The configuration has refused such a URL long before.
  if (typeof address === 'string') throw new Error(`${url}: ${address}`);
  if (address.carrier === 'websocket') return listenWebSocket(address, maximumPacketSize, reception);
  return listenTcp(address, reception);
}
