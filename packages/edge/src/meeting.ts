// Where a node and its peers meet: the address that it listens at for them, and the one that they are told.

import type { PeersEvent } from '@skein/cluster';
import type { Logger } from 'pino';
import type { Config } from './config/schema.ts';
import type { Meeting } from './engine.ts';
import { hostPort, parseHostPort } from './listen/address.ts';
import { cut } from './observe.ts';
import { StartRefused } from './start-refused.ts';

/** What happens to the ways between peers; labels of a counter. */
export const peerEvents: readonly PeersEvent['is'][] = ['opened', 'broken', 'narrow', 'refused', 'malformed'];

/** How often each has happened. */
export type PeerEventCounts = Readonly<Record<PeersEvent['is'], number>>;

/** A place where peers are listened for. */
export interface MeetingPlace extends Meeting {
  /** As bound, `host:port`. */
  readonly peer: string;
  readonly events: PeerEventCounts;
  /** Listens no more. */
  close(): Promise<void>;
}

/**
 * Listens for peers where the settings say.
 *
 * @throws StartRefused if the address cannot be had
 */
export async function meet(config: Config, log: Logger): Promise<MeetingPlace> {
  const { host, port } = parseHostPort(config.peer) ?? { host: '127.0.0.1', port: 0 };
  const events = { opened: 0, broken: 0, narrow: 0, refused: 0, malformed: 0 };
  const onEvent = (event: PeersEvent): void => {
    events[event.is] += 1;
    write(log, event);
  };
  // Loaded by whoever needs it: see store.ts.
  const { bindPeers, PeersListenError } = await import('@skein/cluster');
  try {
    const bound = await bindPeers({ host, port, onEvent });
    const peer = hostPort(host, bound.port);
    return { bound, peer, address: config.advertise ?? peer, events, close: () => bound.close() };
  } catch (error) {
    if (!(error instanceof PeersListenError)) throw error;
    throw new StartRefused('peer', error.message, error);
  }
}

function write(log: Logger, event: PeersEvent): void {
  switch (event.is) {
    case 'opened':
      log.info({ event: 'peer_opened', node: event.node, address: event.address });
      return;
    case 'broken':
      log.warn({ event: 'peer_broken', node: event.node, address: event.address, why: cut(event.why) });
      return;
    case 'narrow':
      log.warn({ event: 'peer_narrow', node: event.node }, 'a node does not keep up: QoS 0 messages to it are dropped');
      return;
    case 'refused':
    case 'malformed':
      log.warn({ event: `peer_${event.is}`, from: cut(event.from), why: cut(event.why) });
      return;
  }
}
