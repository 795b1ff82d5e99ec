// QoS 2 messages that stored Sessions have sent and not released, as pure functions over the memory state [MQTT 4.3.3].

import type { Ingress } from '../ports.ts';
import { drop, put } from './collections.ts';
import type { MemoryState } from './state.ts';

/** @see Inbound2.ingress */
export function ingress(state: MemoryState, received: readonly Ingress[]): ('noted' | 'fenced')[] {
  return received.map(({ claim, packetId, uid }) => {
    const record = state.claimed(claim);
    if (record === undefined) return 'fenced';
    record.inbound = put(record.inbound, packetId, { uid, isDone: false });
    return 'noted';
  });
}

/** @see Inbound2.done */
export function done(state: MemoryState, published: readonly Ingress[]): void {
  for (const { claim, packetId, uid } of published) {
    const message = state.generationOf(claim)?.inbound.get(packetId);
    if (message?.uid === uid) message.isDone = true;
  }
}

/** @see Inbound2.release */
export function release(state: MemoryState, released: readonly Ingress[]): void {
  for (const { claim, packetId, uid } of released) {
    const inbound = state.generationOf(claim)?.inbound;
    if (inbound?.get(packetId)?.uid === uid) drop(inbound, packetId);
  }
}
