// The table of routes, as the broker needs it: where messages that match a filter may have to go. A part of the store, and
// answers like the rest of it (ports.ts).

/** From a Topic Filter to a stored Session that may have it. A hint: the Session's own list is the truth. */
export interface SessionRoute {
  readonly topicFilter: string;
  readonly clientId: string;
  readonly generation: string;
}

/**
 * What a node says of its Clients, added up: `any` that a connected one may have the filter, `volatile` that one whose
 * Session lives in the node's memory may have it.
 */
export const mark = { any: 1, volatile: 2 } as const;

/** From a Topic Filter to a node with Clients that may have it. A hint: the node's own list is the truth. */
export interface NodeRoute {
  readonly topicFilter: string;
  /** As the register of Members names it. */
  readonly node: string;
  /** One or more of {@link mark}, added up. */
  readonly marks: number;
}

/**
 * From a shared filter, as its Clients spell it, to one member of the group. A hint: the Session's own list is the truth,
 * and whoever holds it knows who is online. It has the place in the table that a SessionRoute would have.
 */
export interface MemberRoute extends SessionRoute {
  /** Whether the Session is stored; if not, it lives in the memory of the node that holds it. */
  readonly isStored: boolean;
  /** The node that holds the Client; '' while it is away. */
  readonly heldBy: string;
}

/** Where messages that match a filter may have to go. */
export type Route = SessionRoute | MemberRoute | NodeRoute;

/**
 * A route that came or changed, or went (`present` false), and the version of the table that this made.
 * A node's route tells the marks that it bears from now on; one that went bears none (0).
 */
export type RouteChange = Route & { readonly present: boolean; readonly version: number };

/** The table of routes; every node holds a copy and follows the changes. */
export interface Routes {
  /**
   * Puts routes, each under a new version even if it was there. The marks of a node's route are added to those it bears.
   * Resolves when every later {@link version} is at least the one returned.
   */
  put(routes: readonly Route[]): Promise<number>;
  /**
   * Removes routes whose version is still the one given. Of a node's route it takes the marks given away, and it goes
   * with the last of them; while some are left it is put with them, under a new version.
   */
  removeIf(routes: readonly (Route & { readonly version: number })[]): Promise<void>;
  /** Notes of members that their Clients are away, where the version of the route is still the one given; it gets a new one. */
  awayIf(routes: readonly (MemberRoute & { readonly version: number })[]): Promise<void>;
  /** The version of the table, read after this was called. */
  version(): Promise<number>;
  /**
   * Tells all routes there are, then every change, in order of version; and how new the copy is with that: at first
   * that may be newer than any route in it, since what was changed last may be gone. Resolves when all there are have
   * been told.
   */
  follow(changed: (changes: readonly RouteChange[], version: number) => void): Promise<void>;
}
