// What this node tells the others of the members of shared groups that it holds: a route for each, with its name on it
// while their Clients are connected here [§4.8.2].
//
// rule: Attendance. SUBSCRIBE puts the route, and its SUBACK waits for that. Everything else is a hint, and nobody waits for
// it: that a Client is back with what it had subscribed to, that it is away, that its Session is over. It is told beside
// the messages, some at a time, and tried again until it is. Only what is last true of a member is told. A route is taken
// back, or noted to be nobody's, by the version last seen, and only while it bears this node's name: where a Client has
// gone to, its new node says. If the word is late, the store says 'offline', or the node that it is not there.
//
// On a node that is alone only stored members have routes, so that they are known while they are away; where their
// Clients are, it knows by itself.

import type { Persistence } from '../persist.ts';
import type { Clock, MemberRoute, Routes } from '../ports.ts';
import type { Router, VersionedMemberRoute } from '../router.ts';
import type { Session } from '../session/session.ts';
import { isShared } from '../topic/filter.ts';

/** How long to wait before a store that did not answer is asked again. */
const retryMs = 500;
/** How long the word of another node stands that a Client is not here: it may have left, and this node not know yet. */
const misplacedMs = 1000;
/** Routes told of in one go. */
const routesMax = 500;

/** What telling takes. */
export interface AttendanceSurroundings {
  readonly routes: Routes;
  readonly router: Router;
  /** This node, as routes name it; undefined for one that is alone. */
  readonly node: string | undefined;
  readonly clock: Clock;
  readonly persistence: Persistence;
}

/** What is last true of a member. */
type News = 'here' | 'away' | 'gone';

interface Told {
  readonly member: Omit<MemberRoute, 'heldBy'>;
  readonly news: News;
}

/** The members of one node. */
export class Attendance {
  readonly #around: AttendanceSurroundings;
  /** What is not known to have been told, by filter and generation. */
  readonly #untold = new Map<string, Told>();
  #busy = false;
  #stopped = false;
  #idle: (() => void)[] = [];

  constructor(surroundings: AttendanceSurroundings) {
    this.#around = surroundings;
    surroundings.router.onMisplaced = (sharedFilter, session) => this.#misplaced(sharedFilter, session);
  }

  /** The routes to be put for filters that a Client is about to have, of which the shared ones are taken. */
  routesOf({ claim, stored }: Pick<Session, 'claim' | 'stored'>, topicFilters: readonly string[]): MemberRoute[] {
    const { node } = this.#around;
    if (node === undefined && !stored) return [];
    const { clientId, generation } = claim;
    const routes = topicFilters
      .filter(isShared)
      .map((topicFilter) => ({ topicFilter, clientId, generation, isStored: stored, heldBy: node ?? '' }));
    // What was to be said of them before is not true any more.
    for (const route of routes) this.#untold.delete(keyOf(route));
    return routes;
  }

  /** A Client is back that had filters before. */
  resumed(session: Session): void {
    if (this.#around.node !== undefined) this.#tell(session, session.subscriptions.keys(), 'here');
  }

  /** A Client that was connected here is no more. @param isFenced whether another connection has its Session */
  left(session: Session, isFenced: boolean): void {
    if (this.#around.node === undefined) return;
    if (!session.stored) this.#tell(session, session.subscriptions.keys(), 'gone');
    else if (!isFenced) this.#tell(session, session.subscriptions.keys(), 'away');
    else {
      const { generation } = session.claim;
      for (const topicFilter of session.subscriptions.keys()) this.#untold.delete(keyOf({ topicFilter, generation }));
    }
  }

  /** A volatile Session has these filters no more, or never came to have them. */
  gone(session: Session, topicFilters: readonly string[]): void {
    if (this.#around.node !== undefined && !session.stored) this.#tell(session, topicFilters, 'gone');
  }

  /** Routes were put for filters of a Client that had left before it could be told. */
  missed(session: Session, topicFilters: readonly string[]): void {
    if (this.#around.node !== undefined) this.#tell(session, topicFilters, session.stored ? 'away' : 'gone');
  }

  /** A message came for a volatile Session that is not here: a word that it is gone was lost, if it has ended. */
  stray(sharedFilter: string, generation: string, isHere: (clientId: string) => boolean): void {
    const { node, router } = this.#around;
    const route = router.groupOf(sharedFilter)?.member(generation)?.route;
    if (route === undefined || route.isStored || route.heldBy !== node || isHere(route.clientId)) return;
    const { heldBy: _, version: __, ...member } = route;
    this.#untold.set(keyOf(member), { member, news: 'gone' });
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Resolves when nothing is left to be told, or the store is away. */
  async flush(): Promise<void> {
    if (this.#busy) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** A word about an earlier connection of a Session came late, or the store has forgotten some: it is put right. */
  #misplaced(sharedFilter: string, session: Session): void {
    const { clock, router, node } = this.#around;
    if (node === undefined) return;
    clock.after(misplacedMs, () => {
      const member = router.groupOf(sharedFilter)?.member(session.claim.generation);
      if (member?.session === session && member.route?.heldBy !== node) this.#tell(session, [sharedFilter], 'here');
    });
  }

  #tell({ claim, stored }: Session, topicFilters: Iterable<string>, news: News): void {
    const { clientId, generation } = claim;
    for (const topicFilter of topicFilters) {
      if (!isShared(topicFilter)) continue;
      const member = { topicFilter, clientId, generation, isStored: stored };
      this.#untold.set(keyOf(member), { member, news });
    }
    this.#schedule();
  }

  #schedule(): void {
    if (this.#busy || this.#stopped || this.#untold.size === 0) return;
    this.#busy = true;
    this.#around.clock.endOfTurn(() => void this.#run());
  }

  async #run(): Promise<void> {
    let isAway = false;
    while (this.#untold.size > 0 && !isAway && !this.#stopped) {
      const some: Told[] = [];
      for (const told of this.#untold.values()) if (some.push(told) === routesMax) break;
      try {
        await this.#say(some);
        for (const told of some) if (this.#isLast(told)) this.#untold.delete(keyOf(told.member));
      } catch (error) {
        isAway = true;
        this.#around.persistence.failed('attendance', error);
      }
    }
    this.#busy = false;
    for (const resolve of this.#idle.splice(0)) resolve();
    if (isAway) this.#around.clock.after(retryMs, () => this.#schedule());
  }

  async #say(some: readonly Told[]): Promise<void> {
    const { routes, router, node = '' } = this.#around;
    const here = some.filter(({ news }) => news === 'here');
    if (here.length > 0) await routes.put(here.map(({ member }) => ({ ...member, heldBy: node })));
    if (here.length === some.length) return;
    // What this node has put is to be seen here first, though it may not know that it has: an answer may have been lost.
    await router.atLeast(await routes.version());
    const away = this.#known(some, 'away');
    if (away.length > 0) await routes.awayIf(away);
    const gone = this.#known(some, 'gone');
    if (gone.length > 0) await routes.removeIf(gone);
  }

  /** Whether nothing else has become true since, such as that a SUBSCRIBE is about to put the route anew [rule: Marks]. */
  #isLast(told: Told): boolean {
    return this.#untold.get(keyOf(told.member)) === told;
  }

  /** The routes that still bear this node's name. */
  #known(some: readonly Told[], wanted: News): VersionedMemberRoute[] {
    const { router, node } = this.#around;
    const known: VersionedMemberRoute[] = [];
    for (const told of some) {
      const { member, news } = told;
      if (news !== wanted || !this.#isLast(told)) continue;
      const found = router.groupOf(member.topicFilter)?.member(member.generation);
      // A later connection of the same Session may be here.
      if (found?.route !== undefined && found.session === undefined && found.route.heldBy === node)
        known.push(found.route);
    }
    return known;
  }
}

function keyOf({ topicFilter, generation }: Pick<MemberRoute, 'topicFilter' | 'generation'>): string {
  return `${topicFilter}\0${generation}`;
}
