// What other nodes ask of this one: messages for its Clients, and word of what the store holds for them.

import type { Broker } from './broker.ts';
import { keepMessage } from './message.ts';
import type { PeerInbox, PeerMessage, PeerPush } from './peer-ports.ts';

/** Serves the peers of a broker. */
export class Inbox implements PeerInbox {
  readonly #broker: Broker;

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  /** @inheritdoc */
  publish({ message, uid }: PeerMessage): void {
    const { router, distribution } = this.#broker;
    if (distribution.isNew(uid)) distribution.qos0Here(message, router.match(message.topic));
  }

  /** @inheritdoc */
  deliver(messages: readonly PeerMessage[]): void {
    const { router, distribution } = this.#broker;
    for (const { message, uid } of messages) {
      const match = router.match(message.topic);
      if (match.volatile.length > 0 && distribution.isNew(uid)) {
        distribution.volatileHere(keepMessage(message), match);
      }
    }
  }

  /** @inheritdoc */
  push({ clientId, generation, epoch, entry, sentSeq }: PeerPush): void {
    const session = this.#broker.sessionOf(clientId);
    if (session?.claim.generation !== generation || session.claim.epoch !== epoch) {
      // Another connection of the Session reads what is stored for itself; what is not stored is lost.
      if (entry?.seq === 0) this.#broker.drops.add(clientId, 'session_ended');
      return;
    }
    if (entry === undefined) session.look();
    else if (entry.seq === 0) session.sendQos0(entry.message, entry.retain, entry.subscriptionIdentifiers);
    else session.push({ ...entry, message: keepMessage(entry.message) }, sentSeq);
  }

  /** @inheritdoc */
  kick(clientId: string, epoch: number): void {
    this.#broker.kicked({ clientId, epoch });
  }

  /** @inheritdoc */
  look(): void {
    this.#broker.lookout.all();
  }

  /** @inheritdoc */
  storeAnswers(): boolean {
    return this.#broker.membership?.storeAnswers ?? true;
  }
}
