// What a CONNACK tells of its server.

import type { Connack } from '@skein/protocol';
import type { ServerFacts } from './scenario.ts';

/** Null is what it left unsaid. */
export function serverFacts(url: string, { properties }: Connack): ServerFacts {
  const flag = (value: 0 | 1 | undefined): boolean | null => (value === undefined ? null : value === 1);
  return {
    url,
    receiveMaximum: properties?.receiveMaximum ?? null,
    maximumQos: properties?.maximumQos ?? null,
    maximumPacketSize: properties?.maximumPacketSize ?? null,
    topicAliasMaximum: properties?.topicAliasMaximum ?? null,
    serverKeepAlive: properties?.serverKeepAlive ?? null,
    sessionExpiryInterval: properties?.sessionExpiryInterval ?? null,
    sharedSubscriptionAvailable: flag(properties?.sharedSubscriptionAvailable),
    retainAvailable: flag(properties?.retainAvailable),
  };
}
