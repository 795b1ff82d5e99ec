// Whether the Sessions connected here know of all that is stored for them.
//
// What another node stores it pushes to the owner, and a push may be lost. So the owner compares what it knows with
// what the store has: for everybody when pushes may have been lost, and otherwise for some each second, so that a round
// takes 20. The same look finds Sessions that another connection has acquired, if the kick was lost.

import type { Persistence } from './persist.ts';
import type { Clock, Queues } from './ports.ts';
import type { Session } from './session/session.ts';

/** A look at some Sessions, and how many looks make a round. */
const lookMs = 1000;
const looksInRound = 20;
/** Sessions asked for in one call. */
const callMax = 500;
/** A push may be on its way: only who is still behind after so long is told to read. */
const onItsWayMs = 50;

/** What looking out takes. */
export interface LookoutSurroundings {
  readonly queues: Queues;
  readonly clock: Clock;
  readonly persistence: Persistence;
  /** The Sessions connected here. */
  sessions(): Iterable<Session>;
  /** Another connection owns this one's Session. */
  fenced(session: Session): void;
}

/** Looks after Sessions that were told too little. */
export class Lookout {
  readonly #around: LookoutSurroundings;
  /** Those not yet looked at in this round. */
  #round: Session[] = [];
  #perLook = 0;
  /** Whether everybody is to be looked at, at once. */
  #all = false;
  #busy = false;
  #cancel: () => void = () => {};

  constructor(surroundings: LookoutSurroundings) {
    this.#around = surroundings;
  }

  start(): void {
    this.#cancel = this.#around.clock.after(lookMs, () => {
      this.start();
      this.#look().catch((error: unknown) => this.#failed(error));
    });
  }

  stop(): void {
    this.#cancel();
  }

  /** Pushes may have been lost. */
  all(): void {
    this.#all = true;
    this.#around.clock.endOfTurn(() => void this.#look().catch((error: unknown) => this.#failed(error)));
  }

  async #look(): Promise<void> {
    if (this.#busy) return; // what is asked for meanwhile comes with the next look
    this.#busy = true;
    try {
      if (this.#all) {
        this.#all = false;
        await this.#compare([...this.#around.sessions()]);
        return;
      }
      if (this.#round.length === 0) {
        this.#round = [...this.#around.sessions()];
        this.#perLook = Math.ceil(this.#round.length / looksInRound);
      }
      await this.#compare(this.#round.splice(0, this.#perLook));
    } finally {
      this.#busy = false;
    }
  }

  async #compare(sessions: readonly Session[]): Promise<void> {
    const { queues, clock, fenced } = this.#around;
    for (let at = 0; at < sessions.length; at += callMax) {
      const some = sessions.slice(at, at + callMax).filter(({ closed }) => !closed);
      if (some.length === 0) continue;
      const ends = await queues.ends(some.map(({ claim }) => claim));
      const behind: { readonly session: Session; readonly endSeq: number }[] = [];
      for (const [i, session] of some.entries()) {
        const endSeq = ends[i] as number | 'fenced';
        if (session.closed) continue;
        if (endSeq === 'fenced') fenced(session);
        else if (endSeq > session.endSeq) behind.push({ session, endSeq });
      }
      if (behind.length === 0) continue;
      await new Promise<void>((resolve) => clock.after(onItsWayMs, resolve));
      for (const { session, endSeq } of behind) if (session.endSeq < endSeq) session.look();
    }
  }

  /** The next look makes up for it. */
  #failed(error: unknown): void {
    this.#all = true;
    this.#around.persistence.failed('ends', error);
  }
}
