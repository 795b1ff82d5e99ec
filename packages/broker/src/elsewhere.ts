// Messages that are not done with when their batch is: other nodes have to take charge of them first.
//
// What goes to all volatile Sessions of a node that match is that node's affair from then on. What goes to one member of a
// shared group is its publisher's: if the member is gone, and its node with it, another one is chosen.

import type { ReasonCode } from '@skein/protocol';
import type { Drops } from './drops.ts';
import type { Incoming } from './lane.ts';
import type { Message } from './message.ts';
import type { Counters } from './observer.ts';
import type { PeerMessage, Peers } from './peer-ports.ts';
import type { Persistence } from './persist.ts';
import { mark } from './ports.ts';
import type { Match } from './router.ts';
import type { Placement } from './shared/placement.ts';
import { ownUid, sharedUid } from './shared/uid.ts';

/** What handing over is counted by, and whether it still may be. */
export interface SendSurroundings {
  readonly counters: Counters;
  readonly drops: Drops;
  readonly persistence: Persistence;
  /** Sends a message on its way once more. */
  push(incoming: Incoming): void;
}

/** Messages of one batch that wait for others before their publishers are answered. */
export class ElsewhereBatch {
  readonly #byNode = new Map<string, { readonly messages: PeerMessage[]; readonly waiting: Waiting[] }>();
  /** Messages whose member has gone, here and now. */
  readonly #missed: { readonly again: Again; readonly waiting: Waiting }[] = [];

  /** Adds a message for the volatile Sessions of other nodes. @returns false if nobody has to be waited for */
  add(
    incoming: Incoming,
    message: Message,
    match: Match,
    shared: readonly Placement[],
    reasonCode: ReasonCode,
  ): boolean {
    let waiting: Waiting | undefined;
    for (const { node, marks } of match.nodes) {
      if ((marks & mark.volatile) === 0) continue;
      waiting ??= { incoming, reasonCode, parts: 0 };
      this.#addTo(node, { message, uid: incoming.uid }, waiting);
    }
    for (const { fate, group } of shared) {
      const { sharedFilter } = group;
      if (fate?.is === 'missed') {
        waiting ??= { incoming, reasonCode, parts: 0 };
        waiting.parts++;
        const again = { sharedFilter, except: fate.generation };
        this.#missed.push({ again: { message, uid: incoming.uid, again }, waiting });
      } else if (fate?.is === 'volatile' && fate.member.session === undefined) {
        waiting ??= { incoming, reasonCode, parts: 0 };
        const uid = incoming.uid === undefined ? undefined : sharedUid(incoming.uid, sharedFilter);
        const member = { sharedFilter, generation: fate.member.generation };
        this.#addTo(fate.member.heldBy, { message, uid, member }, waiting);
      }
    }
    return waiting !== undefined;
  }

  /** Sends what has missed its member here on its way once more. */
  passOn(around: SendSurroundings): void {
    for (const { again, waiting } of this.#missed) passOn(around, again, () => arrived(waiting));
  }

  /**
   * Hands the messages over; each is finished when all of its nodes have it, or are gone, or know that they have missed
   * it. If it is this node that is gone they are not: unanswered and not noted as published, they come again through
   * their publishers' next node.
   *
   * @param missed tells a node, if it is alive, that messages for it were given up
   */
  async send(peers: Peers, missed: (node: string) => Promise<void>, around: SendSurroundings): Promise<void> {
    const { counters, persistence } = around;
    await Promise.all(
      Array.from(this.#byNode, async ([node, { messages, waiting }]) => {
        const isTaken = await peers.deliver(node, messages);
        if (isTaken) {
          counters.peerDelivered += messages.length;
          waiting.forEach(arrived);
          return;
        }
        if (persistence.stopped) return;
        // What goes to another member of its group nobody there has missed.
        if (messages.some(({ member }) => member === undefined)) await missed(node);
        for (const [i, message] of messages.entries()) giveUp(around, message, waiting[i] as Waiting);
      }),
    );
  }

  #addTo(node: string, message: PeerMessage, waiting: Waiting): void {
    waiting.parts++;
    let batch = this.#byNode.get(node);
    if (batch === undefined) {
      batch = { messages: [], waiting: [] };
      this.#byNode.set(node, batch);
    }
    batch.messages.push(message);
    batch.waiting.push(waiting);
  }
}

interface Waiting {
  readonly incoming: Incoming;
  readonly reasonCode: ReasonCode;
  /** Of the message, that have not arrived. */
  parts: number;
}

type Again = Required<Pick<Incoming, 'uid' | 'again'>> & { readonly message: Message };

function arrived(waiting: Waiting): void {
  if (--waiting.parts === 0) waiting.incoming.finish(waiting.reasonCode);
}

/** A node is gone, or was given up, and it is not known what it has had. */
function giveUp(around: SendSurroundings, { message, uid, member }: PeerMessage, waiting: Waiting): void {
  const { drops } = around;
  if (member === undefined) drops.add(message.publisherId, 'peer_unreachable');
  else if (message.qos === 2)
    drops.add(message.publisherId, 'member_gone'); // [MQTT-4.8.2-5]
  else {
    const { sharedFilter, generation } = member;
    const own = uid === undefined ? undefined : ownUid(uid, sharedFilter);
    passOn(around, { message, uid: own, again: { sharedFilter, except: generation } }, () => arrived(waiting));
    return;
  }
  arrived(waiting);
}

/** Sends a message of a group to another member. */
function passOn({ push }: SendSurroundings, again: Again, finish: () => void): void {
  push({ ...again, ingress: undefined, isRefusable: false, finish, fenced: finish });
}
