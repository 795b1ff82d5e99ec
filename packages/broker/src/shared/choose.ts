// Who is to get a message of a Shared Subscription [§4.8.2].
//
// Online before offline: first those whose Client is connected, here or to another living node, in the order of the
// strategy; then stored Sessions whose Client is away. Every node chooses for itself what is published through it. Each
// walks the same list of members, and begins somewhere of its own: so what all of them choose is fair to all members.
//
// rule: Session full. A volatile Session here that cannot queue a message is passed over; whether a queue in the store
// is full, the store says when it is tried.

import type { Message } from '../message.ts';
import type { SharedStrategy } from '../policy.ts';
import type { SharedGroup, SharedMember } from './group.ts';

/** What choosing takes. */
export interface ChooserSurroundings {
  readonly strategy: SharedStrategy;
  /** This node, as routes name it. */
  readonly node: string;
  /** Whether another node is known to be alive. */
  knows(node: string): boolean;
}

/** Chooses members. */
export class Chooser {
  readonly #around: ChooserSurroundings;

  constructor(surroundings: ChooserSurroundings) {
    this.#around = surroundings;
  }

  /** Whether a member's Client is connected, as far as this node knows. */
  isOnline({ session, heldBy }: SharedMember): boolean {
    return session !== undefined || (heldBy !== '' && this.#around.knows(heldBy));
  }

  /** The next member whose Client is connected. @param tried generations that are out of the question */
  online(group: SharedGroup, message: Message, tried?: ReadonlySet<string>): SharedMember | undefined {
    const isFit = (member: SharedMember): boolean =>
      tried?.has(member.generation) !== true && this.isOnline(member) && member.session?.isFull(message) !== true;
    const chosen =
      (this.#around.strategy === 'local'
        ? this.#attended(group, message, (member) => isHere(member) && isFit(member))
        : undefined) ?? this.#attended(group, message, isFit);
    return chosen && this.#note(group, chosen, tried);
  }

  /** The next stored Session, whether or not its Client is connected. @param tried as above */
  stored(group: SharedGroup, message: Message, tried?: ReadonlySet<string>): SharedMember | undefined {
    const isFit = ({ isStored, generation }: SharedMember): boolean => isStored && tried?.has(generation) !== true;
    const chosen = walk(group.members, this.#start(group, message), isFit);
    return chosen && this.#note(group, chosen, tried);
  }

  /** Another volatile Session here, which is given a message in the same breath. */
  here(group: SharedGroup, message: Message, except: string): SharedMember | undefined {
    const isFit = (member: SharedMember): boolean =>
      isHere(member) && !member.isStored && member.generation !== except && member.session?.isFull(message) === false;
    const chosen = this.#attended(group, message, isFit);
    return chosen && this.#note(group, chosen, undefined);
  }

  /** Walks as if through all members, and skips those that are away: there may be thousands of them. */
  #attended(group: SharedGroup, message: Message, isFit: (member: SharedMember) => boolean): SharedMember | undefined {
    const { members, attended } = group;
    if (attended.length === 0) return undefined;
    const { generation } = members[this.#start(group, message)] as SharedMember;
    return walk(attended, group.attendedFrom(generation), isFit);
  }

  /** Where the walk through the members begins. */
  #start(group: SharedGroup, { publisherId }: Message): number {
    const { members, last } = group;
    switch (this.#around.strategy) {
      case 'hash':
        return hashOf(publisherId) % members.length;
      case 'sticky': {
        // Until somebody was chosen, all nodes begin with the same one.
        return (last === undefined ? undefined : group.placeOf(last)) ?? 0;
      }
      case 'round-robin':
      case 'local':
        group.turn ??= hashOf(`${this.#around.node} ${group.sharedFilter}`);
        return group.turn % members.length;
    }
  }

  #note(group: SharedGroup, member: SharedMember, tried: ReadonlySet<string> | undefined): SharedMember {
    const { generation } = member;
    group.turn = (group.placeOf(generation) ?? -1) + 1;
    // One that only cannot take this message stays the one to stick to.
    if (tried === undefined || group.member(group.last ?? '') === undefined) group.last = generation;
    return member;
  }
}

function isHere({ session }: SharedMember): boolean {
  return session !== undefined;
}

/** The first member from a place on that fits, once round. */
function walk(
  members: readonly SharedMember[],
  start: number,
  isFit: (member: SharedMember) => boolean,
): SharedMember | undefined {
  for (let i = 0; i < members.length; i++) {
    const member = members[(start + i) % members.length] as SharedMember;
    if (isFit(member)) return member;
  }
  return undefined;
}

/** FNV-1a, over UTF-16 units. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
