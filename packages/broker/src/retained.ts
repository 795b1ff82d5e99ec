// Retained messages for new Subscriptions [MQTT 3.3.1.3, 3.8.3.1].
//
// A filter may match a million of them. They are taken page by page and no faster than the Client takes them: the next
// one waits until the window has room, so that nothing is dropped and nothing piles up. To a stored Session what it
// gets at QoS 1 or 2 goes through its queue, beside the queue's limits, and does not wait for the Client: it may leave
// and come back. One Session is fed one Subscription after the other.

import type { Message } from './message.ts';
import { type Persistence, persist } from './persist.ts';
import type { Store } from './ports.ts';
import type { Session } from './session/session.ts';
import type { Subscription } from './session/subscription.ts';

/** What feeding takes. */
export interface RetainedSurroundings {
  readonly store: Pick<Store, 'retained' | 'queues'>;
  readonly persistence: Persistence;
  /** The Session of a Client connected here. */
  sessionOf(clientId: string): Session | undefined;
}

/** Feeds retained messages to one Session. */
export class RetainedFeed {
  readonly #around: RetainedSurroundings;
  readonly #failed: (error: unknown) => void;
  #subscriptions: Subscription[] = [];
  #busy = false;

  /** @param failed told when the store gave up on a feed; the Client has an incomplete set then */
  constructor(around: RetainedSurroundings, failed: (error: unknown) => void) {
    this.#around = around;
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
    const { session } = subscription;
    const isQueued = session.stored && subscription.qos > 0;
    for await (const page of this.#around.store.retained.match(subscription.topicFilter)) {
      if (!this.#isWanted(subscription) && !isQueued) return;
      if (isQueued) await this.#enqueue(page, subscription);
      for (const message of page) if (!isQueued || message.qos === 0) await this.#deliver(message, subscription);
    }
  }

  /** Whether the Client is still there, and still subscribed. */
  #isWanted(subscription: Subscription): boolean {
    const { session, topicFilter } = subscription;
    return !session.closed && session.subscriptions.get(topicFilter) === subscription;
  }

  /** Retain is 1: the message is sent because of a new Subscription [MQTT-3.3.1-8]. */
  async #deliver(message: Message, subscription: Subscription): Promise<void> {
    const { session, subscriptionIdentifier } = subscription;
    await session.outbound.whenRoomy();
    if (!this.#isWanted(subscription)) return;
    if (subscription.noLocal && message.publisherId === session.clientId) return; // [MQTT-3.8.3-3]
    const identifiers = subscriptionIdentifier === undefined ? undefined : [subscriptionIdentifier];
    session.deliverCopy(message, Math.min(message.qos, subscription.qos), true, identifiers, true);
  }

  /**
   * Puts messages into the queue of a stored Session, whether or not its Client is still there: the Session has been
   * promised them. The queue's own look at its Subscriptions says whether it still wants them.
   */
  async #enqueue(page: readonly Message[], { session, topicFilter }: Subscription): Promise<void> {
    const messages = page.filter(({ qos }) => qos > 0);
    if (messages.length === 0) return;
    const { clientId, generation } = session.claim;
    const targets = [{ clientId, generation, topicFilters: [topicFilter], retained: true }];
    const { store, sessionOf, persistence } = this.#around;
    const batch = messages.map((message) => ({ message, targets, isRefusable: false, uid: undefined }));
    const outcomes = await persist(persistence, 'enqueue', () => store.queues.enqueue(batch));
    const here = sessionOf(clientId);
    for (const answer of outcomes) {
      const outcome = answer?.[0];
      if (outcome?.is !== 'queued' || outcome.owner?.epoch !== here?.claim.epoch) continue;
      here?.push(outcome.entry, outcome.sentSeq);
    }
  }
}
