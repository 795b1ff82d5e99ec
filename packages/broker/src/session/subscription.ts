// One Subscription of a Client that is connected to this node [MQTT 3.8.4].

import type { StoredSubscription } from '../ports.ts';
import type { Session } from './session.ts';

/** A Subscription and the Session here that holds it. Never changed: a repeated SUBSCRIBE puts another in its place. */
export interface Subscription extends StoredSubscription {
  readonly session: Session;
}
