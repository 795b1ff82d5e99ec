// A stored Session that has everything, and messages for it.

import type { Claim, Enqueue } from '../src/ports.ts';
import type { OpenedStore } from './open.ts';

/** A stored Session that has everything at QoS 1, under Subscription Identifier 3. */
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
  await store.sessions.subscribe(claim, [
    {
      topicFilter: '#',
      qos: 1,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
      subscriptionIdentifier: 3,
    },
  ]);
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
