// Messages of Shared Subscriptions whose member will not get them: they go to another one [§4.8.2].
//
// A volatile Session gives them away as it ends, from its node's memory. A stored one leaves them in its queue: a look each
// second takes what others can have, gives it to them, and then says that it is done. Whoever dies in between leaves the
// rest to another node, which takes the same messages under the same names, so that each still goes to one member.

import type { ReasonCode } from '@skein/protocol';
import type { Lane } from '../lane.ts';
import type { Persistence } from '../persist.ts';
import type { LeftSession, Shared, TakenMessage } from '../ports.ts';
import type { Router } from '../router.ts';
import type { Ended, Session } from '../session/session.ts';
import type { Chooser } from './choose.ts';
import type { SharedMember } from './group.ts';

/** Sessions looked at, and messages taken, in one call. */
const sessionsMax = 64;
const messagesMax = 256;

/** What giving messages to others takes. */
export interface RedispatchSurroundings {
  readonly shared: Shared;
  readonly lane: Lane;
  readonly router: Router;
  readonly chooser: Chooser;
  readonly persistence: Persistence;
}

/** Gives messages of members that are gone, or away, to others. */
export class Redispatch {
  readonly #around: RedispatchSurroundings;
  #busy = false;

  constructor(surroundings: RedispatchSurroundings) {
    this.#around = surroundings;
  }

  /** A volatile Session has ended. */
  passOn({ claim }: Session, { forOthers }: Ended): void {
    const { lane } = this.#around;
    for (const { message, sharedFilter } of forOthers) {
      if (sharedFilter === undefined) continue;
      lane.push({
        message,
        ingress: undefined,
        uid: message.qos === 2 ? lane.newUid() : undefined,
        isRefusable: false,
        again: { sharedFilter, except: claim.generation },
        finish: () => {},
        fenced: () => {},
      });
    }
  }

  /** Looks for stored Sessions that have left messages behind. One look at a time: what is missed comes with the next. */
  async sweep(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      const { shared } = this.#around;
      const left = await shared.left(sessionsMax);
      for (const session of left) {
        const sharedFilters = session.sharedFilters.filter((sharedFilter) => this.#hasTaker(session, sharedFilter));
        if (sharedFilters.length === 0) await shared.pass(session);
        else await this.#take(session, sharedFilters);
      }
    } finally {
      this.#busy = false;
    }
  }

  /** Whether another member could have it: one whose Client is connected, or any at all if the Session is over. */
  #hasTaker({ generation, isOver }: LeftSession, sharedFilter: string): boolean {
    const { router, chooser } = this.#around;
    const group = router.groupOf(sharedFilter);
    const isOther = (member: SharedMember): boolean => member.generation !== generation;
    return (
      group?.attended.some((member) => isOther(member) && chooser.isOnline(member)) ||
      (isOver && group?.members.some((member) => isOther(member) && member.isStored)) ||
      false
    );
  }

  async #take(session: LeftSession, sharedFilters: readonly string[]): Promise<void> {
    const { shared, persistence } = this.#around;
    for (;;) {
      const taken = await shared.take(session, sharedFilters, messagesMax);
      const areGiven = await Promise.all(taken.map((one) => this.#give(one)));
      if (persistence.stopped) return;
      if (taken.length > 0) await shared.done(taken);
      if (areGiven.includes(false)) await shared.pass(session); // the others are full: they are tried again in a while
      if (taken.length < messagesMax || areGiven.includes(false)) return;
    }
  }

  /** @returns false if nobody else could take it, and it is back where it was */
  #give({ message, uid, sharedFilter, generation }: TakenMessage): Promise<boolean> {
    return new Promise((resolve) => {
      const finish = (reasonCode: ReasonCode): void => resolve(reasonCode < 0x80);
      const fenced = (): void => resolve(true); // it has no Session to lose
      const again = { sharedFilter, except: generation };
      this.#around.lane.push({ message, ingress: undefined, uid, isRefusable: false, again, finish, fenced });
    });
  }
}
