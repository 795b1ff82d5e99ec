// Will Messages: from due to published, once each [MQTT 3.1.2.5].

import type { ReasonCode, Will } from '@skein/protocol';
import type { Lane } from './lane.ts';
import type { Message } from './message.ts';
import type { Counters, Observer } from './observer.ts';
import { type Persistence, persist } from './persist.ts';
import type { Authorizer, Clock, DueWill, Wills } from './ports.ts';

/** What publishing a Will takes. */
export interface WillSurroundings {
  readonly wills: Wills;
  readonly lane: Lane;
  readonly clock: Clock;
  readonly authorizer: Authorizer;
  readonly counters: Counters;
  readonly observer: Observer;
  readonly persistence: Persistence;
  /** Uids of Wills that this node is publishing: one that is claimed again meanwhile is in good hands. */
  readonly underWay: Set<string>;
}

/**
 * Publishes Wills that have been claimed, in the order given.
 * They enter the lane before this returns, so that whatever its caller publishes next comes after them.
 */
export function publishWills(around: WillSurroundings, due: readonly DueWill[]): void {
  for (const claimed of due) {
    const { clientId, epoch, username, will } = claimed;
    const uid = uidOf(claimed);
    if (around.underWay.has(uid)) continue;
    around.underWay.add(uid);
    // Permission may have gone since CONNECT.
    if (!around.authorizer.mayPublish(clientId, username, will.topic)) {
      around.counters.wills.not_authorized++;
      done(around, claimed);
      continue;
    }
    around.lane.push({
      message: messageOf(clientId, will, around.clock.nowMs()),
      ingress: undefined,
      uid,
      isRefusable: false,
      order: { epoch, n: Number.MAX_SAFE_INTEGER },
      finish: (reasonCode) => finished(around, claimed, reasonCode),
      fenced: () => {}, // it has no Session to lose
    });
  }
}

function finished(around: WillSurroundings, claimed: DueWill, reasonCode: ReasonCode): void {
  if (reasonCode < 0x80) {
    around.counters.wills.published++;
    around.observer.observe({ is: 'will_published', clientId: claimed.clientId, topic: claimed.will.topic });
  }
  done(around, claimed);
}

/** If the store does not hear of it, the Will comes up again; so it is repeated until it does. */
function done({ wills, persistence, underWay }: WillSurroundings, claimed: DueWill): void {
  persist(persistence, 'will_done', () => wills.done([claimed]))
    .catch((error: unknown) => persistence.failed('will_done', error))
    .finally(() => underWay.delete(uidOf(claimed)));
}

/** Names the message of a Will: one connection has one. */
export function uidOf({ generation, epoch }: Pick<DueWill, 'generation' | 'epoch'>): string {
  return `will-${generation}-${epoch}`;
}

function messageOf(publisherId: string, will: Will, nowMs: number): Message {
  const { willDelayInterval: _, ...properties } = will.properties ?? {};
  const expiry = properties.messageExpiryInterval;
  return {
    topic: will.topic,
    payload: will.payload,
    qos: will.qos,
    retain: will.retain,
    properties: Object.keys(properties).length === 0 ? undefined : properties,
    publisherId,
    expiresAtMs: expiry === undefined ? 0 : nowMs + expiry * 1000,
    frames: undefined,
  };
}
