// What this node does about owning Sessions: one thing after the other for each Client Identifier.
//
// An acquire that overtook the release of the connection before it would find a Session still owned, and publish a
// Will that its Client had taken back. One that overtook an acquire whose Client is gone meanwhile would publish the
// Will of a connection that was never accepted. So they take turns; other identifiers do not wait.

import { type Persistence, persist } from './persist.ts';
import type { Release, Sessions } from './ports.ts';

/** What owning Sessions takes. */
export interface OwnershipSurroundings {
  readonly sessions: Sessions;
  readonly persistence: Persistence;
  /** A Will was left behind, due in so many milliseconds. */
  willDue(inMs: number): void;
  /** An acquire that nobody knew of has been undone: whoever was connected before it owns the Session no more. */
  undone(clientId: string): void;
}

/** Acquires and releases, in turn. */
export class Ownership {
  readonly #around: OwnershipSurroundings;
  /** The last turn of each Client Identifier that has one. */
  readonly #turns = new Map<string, Promise<void>>();

  constructor(surroundings: OwnershipSurroundings) {
    this.#around = surroundings;
  }

  /** Whether a turn taken now would have to wait. */
  isBusy(clientId: string): boolean {
    return this.#turns.has(clientId);
  }

  /** Does what concerns the ownership of a Session when all before it is done, well or badly. */
  inTurn(clientId: string, work: () => Promise<void>): Promise<void> {
    const before = this.#turns.get(clientId);
    const turn = before === undefined ? work() : before.then(work);
    const end = (): void => {
      if (this.#turns.get(clientId) === over) this.#turns.delete(clientId);
    };
    // Before whoever waits for the turn hears of its end.
    const over = turn.then(end, end);
    this.#turns.set(clientId, over);
    return turn;
  }

  /** Lets a Session go in the background, in turn. */
  release(request: Release): void {
    this.inTurn(request.claim.clientId, () => this.releaseNow(request)).catch((error: unknown) =>
      this.#around.persistence.failed('release', error),
    );
  }

  /** Lets a Session go; for whoever has the turn. */
  async releaseNow(request: Release): Promise<void> {
    const { sessions, persistence, willDue } = this.#around;
    const released = await persist(persistence, 'release', () => sessions.release(request));
    if (released === 'fenced') return; // another connection has it, and has decided its Will
    if (released.willDueInMs !== undefined) willDue(released.willDueInMs);
  }

  /** Undoes an acquire whose outcome is unknown; for whoever has the turn. */
  async abandonNow(clientId: string, nonce: string): Promise<void> {
    const { sessions, persistence, undone } = this.#around;
    if (await persist(persistence, 'abandon', () => sessions.abandon(clientId, nonce))) undone(clientId);
  }

  /** Resolves when no turn is left. */
  async flush(): Promise<void> {
    while (this.#turns.size > 0) await Promise.all(this.#turns.values());
  }
}
