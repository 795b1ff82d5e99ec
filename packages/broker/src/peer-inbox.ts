// What other nodes ask of this one: messages for its Clients, and word of what the store holds for them.

import type { Broker } from './broker.ts';
import { keepMessage, type Message } from './message.ts';
import type { PeerInbox, PeerMessage, PeerPush, SharedAddress } from './peer-ports.ts';
import { ownUid } from './shared/uid.ts';

/** Serves the peers of a broker. */
export class Inbox implements PeerInbox {
  readonly #broker: Broker;

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  /** @inheritdoc */
  publish({ message, uid, member }: PeerMessage): void {
    const { router, distribution } = this.#broker;
    if (!distribution.isNew(uid)) return;
    if (member === undefined) distribution.qos0Here(message, router.match(message.topic));
    else distribution.qos0ToMember(message, router.groupOf(member.sharedFilter), member.generation);
  }

  /** @inheritdoc */
  deliver(messages: readonly PeerMessage[]): void {
    const { router, distribution } = this.#broker;
    for (const { message, uid, member } of messages) {
      if (member !== undefined) {
        this.#deliverTo(member, keepMessage(message), uid);
        continue;
      }
      const match = router.match(message.topic);
      if (match.volatile.length > 0 && distribution.isNew(uid)) {
        distribution.volatileHere(keepMessage(message), match);
      }
    }
  }

  /** One for a member that has gone goes to another one: this node has taken charge of it. */
  #deliverTo({ sharedFilter, generation }: SharedAddress, message: Message, uid: string | undefined): void {
    const { router, distribution, lane, subscribing } = this.#broker;
    if (distribution.toMember(message, router.groupOf(sharedFilter), generation, uid)) return;
    const isHere = (clientId: string): boolean => this.#broker.sessionOf(clientId)?.claim.generation === generation;
    subscribing.attendance.stray(sharedFilter, generation, isHere);
    lane.push({
      message,
      ingress: undefined,
      uid: uid === undefined ? undefined : ownUid(uid, sharedFilter),
      isRefusable: false,
      again: { sharedFilter, except: generation },
      finish: () => {},
      fenced: () => {},
    });
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
