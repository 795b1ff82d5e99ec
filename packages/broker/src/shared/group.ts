// The members of one Shared Subscription, as far as this node knows them [§4.8.2].
//
// What it knows comes from two sides. Routes name members wherever they are, and where their Clients were last: a hint.
// Clients connected here are known for sure, and of them this node believes no route. In a cluster each member has a
// route; on a node that is alone only stored ones do, and volatile ones are here.

import type { VersionedMemberRoute } from '../router.ts';
import type { Session } from '../session/session.ts';
import type { Subscription } from '../session/subscription.ts';

/** One Session that has the shared filter. */
export interface SharedMember {
  readonly clientId: string;
  readonly generation: string;
  readonly isStored: boolean;
  /** If its Client is connected here. */
  readonly session: Session | undefined;
  /** The other node where its Client was last known to be; '' if that is none. */
  readonly heldBy: string;
  /** Undefined if none has been told yet, or ever will. */
  readonly route: VersionedMemberRoute | undefined;
}

/** A group: those who share one filter under one name. */
export class SharedGroup {
  /** As its Clients spell it: `$share/name/filter`, or `$queue/filter`. */
  readonly sharedFilter: string;
  readonly #node: string;
  readonly #known = new Map<string, SharedMember>();
  // Both in order of generation. There may be thousands in them that come and go all the time: they are never sorted.
  readonly #members: SharedMember[] = [];
  readonly #attended: SharedMember[] = [];
  /** How many members each other node holds. */
  #held: Map<string, number> | undefined;
  #holders: readonly string[] = none;
  /** Where this node's next choice begins, among {@link members}; undefined before the first. Kept by choose.ts. */
  turn: number | undefined = undefined;
  /** Whom this node's last choice named. Kept by choose.ts. */
  last: string | undefined = undefined;

  /** @param node this node, as routes name it */
  constructor(sharedFilter: string, node: string) {
    this.sharedFilter = sharedFilter;
    this.#node = node;
  }

  get isEmpty(): boolean {
    return this.#known.size === 0;
  }

  /** All members, in an order that every node agrees on. */
  get members(): readonly SharedMember[] {
    return this.#members;
  }

  /** Those whose Client is connected here, or was last known to be elsewhere, in the same order. */
  get attended(): readonly SharedMember[] {
    return this.#attended;
  }

  /** The other nodes that hold members, as far as is known. */
  get holders(): readonly string[] {
    return this.#holders;
  }

  member(generation: string): SharedMember | undefined {
    return this.#known.get(generation);
  }

  /** The place of a member among {@link members}; undefined if it is none. */
  placeOf(generation: string): number | undefined {
    return this.#known.has(generation) ? placeIn(this.#members, generation) : undefined;
  }

  /** The place of the first of {@link attended} that does not come before a member, or would not. */
  attendedFrom(generation: string): number {
    return placeIn(this.#attended, generation);
  }

  /** A Client connected here has the filter, or has it no more. */
  local({ session }: Subscription, isPresent: boolean): void {
    const { generation } = session.claim;
    const known = this.#known.get(generation);
    if (isPresent) this.#settle(generation, session, known?.route);
    else if (known?.session === session) this.#settle(generation, undefined, known.route);
  }

  /** A member's route was told; undefined: that there is none. */
  told(generation: string, route: VersionedMemberRoute | undefined): void {
    this.#settle(generation, this.#known.get(generation)?.session, route);
  }

  #settle(generation: string, session: Session | undefined, route: VersionedMemberRoute | undefined): void {
    const before = this.#known.get(generation);
    const member = this.#memberOf(generation, session, route);
    if (member === undefined) this.#known.delete(generation);
    else this.#known.set(generation, member);
    replace(this.#members, generation, member);
    replace(this.#attended, generation, isAttended(member) ? member : undefined);
    if (before?.heldBy === member?.heldBy) return;
    this.#count(before?.heldBy, -1);
    this.#count(member?.heldBy, 1);
  }

  #count(node: string | undefined, change: 1 | -1): void {
    if (node === undefined || node === '') return;
    this.#held ??= new Map();
    const before = this.#held.get(node) ?? 0;
    if (before + change === 0) this.#held.delete(node);
    else this.#held.set(node, before + change);
    if (before === 0 || before + change === 0) this.#holders = [...this.#held.keys()];
  }

  #memberOf(
    generation: string,
    session: Session | undefined,
    route: VersionedMemberRoute | undefined,
  ): SharedMember | undefined {
    if (session === undefined && route === undefined) return undefined;
    const heldBy = route?.heldBy ?? '';
    return {
      clientId: (session?.clientId ?? route?.clientId) as string,
      generation,
      isStored: (session?.stored ?? route?.isStored) as boolean,
      session,
      heldBy: heldBy === this.#node ? '' : heldBy,
      route,
    };
  }
}

const none: readonly string[] = [];

function isAttended(member: SharedMember | undefined): boolean {
  return member !== undefined && (member.session !== undefined || member.heldBy !== '');
}

/** The place of the first member whose generation does not come before this one. */
function placeIn(members: readonly SharedMember[], generation: string): number {
  let low = 0;
  let high = members.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((members[middle] as SharedMember).generation < generation) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Puts a member in its place, or takes it out. */
function replace(members: SharedMember[], generation: string, member: SharedMember | undefined): void {
  const at = placeIn(members, generation);
  const isThere = members[at]?.generation === generation;
  if (member === undefined) {
    if (isThere) members.splice(at, 1);
  } else if (isThere) members[at] = member;
  else members.splice(at, 0, member);
}
