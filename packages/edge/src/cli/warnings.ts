// What is good enough to run with, and may not be what was meant: said once, when the node is ready.

import type { Config } from '../config/schema.ts';
import { isOnDisk, isOnThisMachine, storeShown } from '../config/store-url.ts';
import type { Edge } from '../edge.ts';
import { isLoopback, parseHostPort } from '../listen/address.ts';

/** One warning, as a log line has it; `words` are its message. */
export interface Warning {
  readonly event: string;
  readonly words: string;
  readonly store?: string;
  readonly advertise?: string;
}

/** All that there is to warn of. */
export function warnings(config: Config, edge: Pick<Edge, 'durability' | 'advertise'>): readonly Warning[] {
  return [...ofStore(config, edge), ...ofClients(config), ...ofPeers(config, edge)];
}

function ofStore(config: Config, { durability }: Pick<Edge, 'durability'>): readonly Warning[] {
  const store = storeShown(config.store);
  if (config.store === 'memory:') {
    const words =
      'the store memory: keeps everything in this process: sessions, queued and retained messages are lost at a restart';
    return [{ event: 'store_volatile', store, words }];
  }
  if (durability === 'memory' && isOnDisk(config.store)) {
    const words =
      'nothing waits for the disk: when the process is killed, messages that were acknowledged last may be lost';
    return [{ event: 'store_volatile', store, words }];
  }
  if (durability === 'memory') {
    const words = 'the store does not write to disk what it is given: when it ends, acknowledged messages may be lost';
    return [{ event: 'store_volatile', store, words }];
  }
  if (durability === 'unverified') {
    const words = 'the store does not tell how it keeps its data: what an acknowledged message survives is not known';
    return [{ event: 'store_unverified', store, words }];
  }
  return [];
}

function ofClients({ allowAnonymous }: Config): readonly Warning[] {
  if (allowAnonymous !== true) return [];
  const words = 'whoever reaches a listener may connect, publish and subscribe';
  return [{ event: 'anonymous_everywhere', words }];
}

function ofPeers(config: Config, { advertise }: Pick<Edge, 'advertise'>): readonly Warning[] {
  if (advertise === undefined) return [];
  const place = parseHostPort(advertise);
  if (place === undefined || !isLoopback({ carrier: 'tcp', ...place })) {
    const words = 'what nodes tell one another is not encrypted: whoever reads that network reads every message';
    return [{ event: 'insecure_peers', advertise, words }];
  }
  if (isOnThisMachine(config.store)) return [];
  const words =
    'the store is on another machine, and nodes on other machines cannot reach this one: see --peer and --advertise';
  return [{ event: 'peers_on_loopback', advertise, store: storeShown(config.store), words }];
}
