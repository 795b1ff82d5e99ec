// A stored Session that has everything, and messages for it.

import type { Claim, Enqueue, StoredSubscription } from '@skein/broker';
import type { OpenedStore } from './open.ts';

/** Everything at QoS 1, under Subscription Identifier 3. */
export const subscriptionToAll: StoredSubscription = {
  topicFilter: '#',
  qos: 1,
  noLocal: false,
  retainAsPublished: false,
  retainHandling: 0,
  subscriptionIdentifier: 3,
};

/** A stored Session that has {@link subscriptionToAll}. */
export async function subscribed({ store }: OpenedStore, clientId: string): Promise<Claim> {
  const { claim } = await store.sessions.acquire({
    clientId,
    nonce: clientId,
    cleanStart: true,
    sessionExpirySeconds: 100,
    will: undefined,
    username: undefined,
    owner: 'node',
    receiveMaximum: 10,
  });
  await store.sessions.subscribe(claim, [subscriptionToAll]);
  return claim;
}

/** A message to some of them. */
export function messageTo(claims: readonly Claim[], payload: Uint8Array = new Uint8Array(1)): Enqueue {
  return {
    message: {
      topic: 'a',
      payload,
      qos: 1,
      retain: false,
      properties: undefined,
      publisherId: 'publisher',
      expiresAtMs: 0,
      frames: undefined,
    },
    targets: claims.map(({ clientId, generation }) => ({ clientId, generation, topicFilters: ['#'] })),
    isRefusable: true,
    uid: undefined,
  };
}
