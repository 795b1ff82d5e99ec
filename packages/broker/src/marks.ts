// What this node tells the others of its own Clients: one route for each filter that any of them has.
//
// rule: Marks. The first Client that subscribes to a filter puts the mark, and its SUBACK waits until that is stored;
// who comes while the mark stands waits for nothing. A mark is always put under a new version, and taken away by
// version, so that a removal decided before a put cannot undo it. It goes a minute after the last Client, because
// Clients come back. What Clients bring along when they return is put beside their messages, and nobody waits for it.

import type { Persistence } from './persist.ts';
import { type Clock, mark, type NodeRoute, type Routes } from './ports.ts';
import type { Interest, Router, VersionedNodeRoute } from './router.ts';

/** How long a mark outlives its last Client, and how often that is looked after. */
const idleMs = 60_000;
const sweepMs = 10_000;
/** How long to wait before a store that did not answer is asked again for what nobody waits for. */
const retryMs = 500;
/** Routes put or removed in one call. */
const routesMax = 500;

/** What the Clients of this node want of one filter. */
interface Wanted {
  /** Connected Clients that have the filter, and those of them whose Session is volatile. */
  any: number;
  volatile: number;
  /** The marks that are known to be stored. */
  stored: number;
}

/** Marks to be put, and whoever waits for it. */
interface Put {
  readonly marks: Map<string, number>;
  readonly done: Promise<void>;
  resolve(): void;
  reject(error: unknown): void;
}

/** What putting marks takes. */
export interface MarksSurroundings {
  readonly routes: Routes;
  readonly router: Router;
  /** This node, as routes name it. */
  readonly node: string;
  readonly clock: Clock;
  readonly persistence: Persistence;
}

/** The marks of one node. */
export class Marks implements Interest {
  readonly #around: MarksSurroundings;
  readonly #wanted = new Map<string, Wanted>();
  /** Somebody waits for these. */
  #urgent: Put | undefined;
  /** Nobody waits for these. */
  readonly #later = new Map<string, number>();
  #underWay: Put | undefined;
  #busy = false;
  /** Filters with a mark too many, and since when; the oldest first. */
  readonly #idle = new Map<string, number>();
  #cancel: () => void = () => {};
  #sweeping = false;
  #stopped = false;

  constructor(surroundings: MarksSurroundings) {
    this.#around = surroundings;
    surroundings.router.onOwnRoute = (topicFilter, marks) => this.#told(topicFilter, marks);
  }

  /** Begins to take marks away that nobody needs. */
  start(): void {
    this.#cancel = this.#around.clock.after(sweepMs, () => {
      this.start();
      this.#sweep().catch((error: unknown) => this.#around.persistence.failed('remove_route', error));
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  /**
   * Sees to it that other nodes know of filters a Client is about to have.
   *
   * @returns resolves when they do, undefined if they do already; rejects with StoreUnavailable
   */
  ensure(topicFilters: readonly string[], isVolatile: boolean): Promise<void> | undefined {
    const marks = marksOf(isVolatile);
    const missing: string[] = [];
    let covered = true;
    for (const topicFilter of topicFilters) {
      if (this.#idle.delete(topicFilter)) this.#idles(topicFilter); // its Client is about to come
      const lacks = marks & ~(this.#wanted.get(topicFilter)?.stored ?? 0);
      if (lacks === 0) continue;
      missing.push(topicFilter);
      if ((lacks & ~(this.#underWay?.marks.get(topicFilter) ?? 0)) !== 0) covered = false;
    }
    if (missing.length === 0) return undefined;
    if (covered && this.#underWay !== undefined) return this.#underWay.done;
    this.#urgent ??= newPut();
    for (const topicFilter of missing) addMarks(this.#urgent.marks, topicFilter, marks);
    this.#schedule();
    return this.#urgent.done;
  }

  /** @inheritdoc */
  came(topicFilter: string, isVolatile: boolean): void {
    const wanted = this.#wanted.get(topicFilter) ?? { any: 0, volatile: 0, stored: 0 };
    if (wanted.any === 0) this.#wanted.set(topicFilter, wanted);
    wanted.any++;
    if (isVolatile) wanted.volatile++;
    if ((wanted.stored & ~neededBy(wanted)) === 0) this.#idle.delete(topicFilter);
    this.#restore(topicFilter, wanted);
  }

  /** @inheritdoc */
  went(topicFilter: string, isVolatile: boolean): void {
    const wanted = this.#wanted.get(topicFilter);
    if (wanted === undefined) return;
    wanted.any--;
    if (isVolatile) wanted.volatile--;
    if ((wanted.stored & ~neededBy(wanted)) !== 0) this.#idles(topicFilter);
    else if (wanted.any === 0) this.#wanted.delete(topicFilter);
  }

  /** Puts, beside everything else, what is needed and not stored. */
  #restore(topicFilter: string, wanted: Wanted): void {
    const lacks = neededBy(wanted) & ~wanted.stored;
    if (lacks === 0) return;
    addMarks(this.#later, topicFilter, lacks);
    this.#schedule();
  }

  #idles(topicFilter: string): void {
    if (!this.#idle.has(topicFilter)) this.#idle.set(topicFilter, this.#around.clock.monotonicMs());
  }

  /** The table says what is stored: perhaps less than was, after the store lost its last second, perhaps more. */
  #told(topicFilter: string, marks: number): void {
    const wanted = this.#wanted.get(topicFilter);
    if (wanted === undefined) {
      if (marks !== 0) this.#idles(topicFilter);
      return;
    }
    wanted.stored &= marks;
    if (wanted.any === 0 && marks === 0) this.#wanted.delete(topicFilter);
    else this.#restore(topicFilter, wanted);
  }

  #schedule(): void {
    if (this.#busy || this.#stopped) return;
    this.#busy = true;
    this.#around.clock.endOfTurn(() => void this.#run());
  }

  async #run(): Promise<void> {
    let isAway = false;
    while (!this.#stopped && (this.#urgent !== undefined || (this.#later.size > 0 && !isAway))) {
      if (this.#urgent !== undefined) {
        const put = this.#urgent;
        this.#urgent = undefined;
        this.#underWay = put;
        await this.#put(put.marks).then(put.resolve, put.reject);
        this.#underWay = undefined;
      } else {
        isAway = !(await this.#putLater());
      }
    }
    this.#busy = false;
    // Whoever waits is not made to wait for what is tried again.
    if (isAway) this.#around.clock.after(retryMs, () => this.#schedule());
  }

  /** @returns false if the store did not answer; what was to be put is kept for later */
  async #putLater(): Promise<boolean> {
    const some = new Map<string, number>();
    for (const [topicFilter, marks] of this.#later) {
      if (some.size === routesMax) break;
      this.#later.delete(topicFilter);
      const wanted = this.#wanted.get(topicFilter);
      const lacks = wanted === undefined ? 0 : marks & neededBy(wanted) & ~wanted.stored;
      if (lacks !== 0) some.set(topicFilter, lacks);
    }
    if (some.size === 0) return true;
    try {
      await this.#put(some);
      return true;
    } catch (error) {
      this.#around.persistence.failed('put_routes', error);
      for (const [topicFilter, marks] of some) addMarks(this.#later, topicFilter, marks);
      return false;
    }
  }

  async #put(marks: ReadonlyMap<string, number>): Promise<void> {
    const { routes, node } = this.#around;
    await routes.put(Array.from(marks, ([topicFilter, some]): NodeRoute => ({ topicFilter, node, marks: some })));
    for (const [topicFilter, some] of marks) {
      const wanted = this.#wanted.get(topicFilter);
      if (wanted !== undefined) wanted.stored |= some;
      else {
        // The Client that will have it is about to be told, or has gone away meanwhile.
        this.#wanted.set(topicFilter, { any: 0, volatile: 0, stored: some });
        this.#idles(topicFilter);
      }
    }
  }

  /** Takes away the marks that nobody has needed for a while. */
  async #sweep(): Promise<void> {
    if (this.#sweeping) return;
    this.#sweeping = true;
    try {
      while (!this.#stopped && (await this.#sweepSome())) {}
    } finally {
      this.#sweeping = false;
    }
  }

  /** @returns whether there may be more */
  async #sweepSome(): Promise<boolean> {
    const { clock, router, routes, node } = this.#around;
    const beforeMs = clock.monotonicMs() - idleMs;
    const removed: VersionedNodeRoute[] = [];
    for (const [topicFilter, sinceMs] of this.#idle) {
      if (sinceMs > beforeMs || removed.length === routesMax) break;
      this.#idle.delete(topicFilter);
      const wanted = this.#wanted.get(topicFilter);
      const needed = wanted === undefined ? 0 : neededBy(wanted);
      const route = router.routeTo(topicFilter, node);
      const marks = (route?.marks ?? 0) & ~needed;
      // From here on nobody may count on them, whatever becomes of the call.
      if (wanted !== undefined) wanted.stored &= needed;
      if (needed === 0) this.#wanted.delete(topicFilter);
      if (route !== undefined && marks !== 0) removed.push({ ...route, marks });
    }
    if (removed.length === 0) return false;
    try {
      await routes.removeIf(removed);
    } catch (error) {
      for (const { topicFilter } of removed) this.#idles(topicFilter);
      throw error;
    }
    return removed.length === routesMax;
  }
}

function marksOf(isVolatile: boolean): number {
  return isVolatile ? mark.any | mark.volatile : mark.any;
}

function neededBy({ any, volatile }: Wanted): number {
  return (any > 0 ? mark.any : 0) | (volatile > 0 ? mark.volatile : 0);
}

function addMarks(to: Map<string, number>, topicFilter: string, marks: number): void {
  to.set(topicFilter, (to.get(topicFilter) ?? 0) | marks);
}

function newPut(): Put {
  let resolve = (): void => {};
  let reject = (_error: unknown): void => {};
  const done = new Promise<void>((whenDone, whenFailed) => {
    resolve = whenDone;
    reject = whenFailed;
  });
  done.catch(() => {}); // somebody waits for it, or has stopped waiting
  return { marks: new Map(), done, resolve, reject };
}
