// Retained messages for new Subscriptions [MQTT 3.3.1.3, 3.8.3.1].
//
// A filter may match a million of them. They are taken page by page and no faster than the Client takes them: the next
// one waits until the window has room, so that nothing is dropped and nothing piles up. One Session is fed one
// Subscription after the other.

import type { Message } from './message.ts';
import type { Store } from './ports.ts';
import type { Session } from './session/session.ts';
import type { Subscription } from './session/subscription.ts';

/** Feeds retained messages to one Session. */
export class RetainedFeed {
  readonly #session: Session;
  readonly #store: Pick<Store, 'retained' | 'queues'>;
  readonly #failed: (error: unknown) => void;
  #subscriptions: Subscription[] = [];
  #busy = false;

  /** @param failed told when the store gave up on a feed; the Client has an incomplete set then */
  constructor(session: Session, store: Pick<Store, 'retained' | 'queues'>, failed: (error: unknown) => void) {
    this.#session = session;
    this.#store = store;
    this.#failed = failed;
  }

  /** Sends what a new Subscription matches, after those asked for before. */
  add(subscription: Subscription): void {
    this.#subscriptions.push(subscription);
    if (this.#busy) return;
    this.#busy = true;
    this.#run().catch(this.#failed);
  }

  async #run(): Promise<void> {
    try {
      for (let next = this.#subscriptions.shift(); next !== undefined; next = this.#subscriptions.shift()) {
        await this.#feed(next);
      }
    } finally {
      this.#busy = false;
    }
  }

  async #feed(subscription: Subscription): Promise<void> {
    for await (const page of this.#store.retained.match(subscription.topicFilter)) {
      for (const message of page) {
        await this.#session.outbound.whenRoomy();
        if (!this.#isWanted(subscription)) return;
        if (subscription.noLocal && message.publisherId === this.#session.clientId) continue; // [MQTT-3.8.3-3]
        await this.#send(message, subscription);
      }
    }
  }

  /** Whether the Client is still there, and still subscribed. */
  #isWanted(subscription: Subscription): boolean {
    const { session } = subscription;
    return !session.closed && session.subscriptions.get(subscription.topicFilter) === subscription;
  }

  async #send(message: Message, subscription: Subscription): Promise<void> {
    const { subscriptionIdentifier, topicFilter } = subscription;
    const identifiers = subscriptionIdentifier === undefined ? undefined : [subscriptionIdentifier];
    const qos = Math.min(message.qos, subscription.qos);
    // Retain is 1: the message is sent because of a new Subscription [MQTT-3.3.1-8].
    if (qos === 0 || !this.#session.stored) {
      this.#session.deliverCopy(message, qos, true, identifiers, true);
      return;
    }
    const { clientId, generation } = this.#session.claim;
    const targets = [{ clientId, generation, topicFilters: [topicFilter], retained: true }];
    const [outcomes] = await this.#store.queues.enqueue([{ message, targets, isRefusable: false }]);
    const outcome = outcomes?.[0];
    if (outcome?.is === 'queued') this.#session.push(outcome.entry, outcome.sentSeq);
  }
}
