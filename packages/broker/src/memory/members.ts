// The register of nodes: who has joined, who still renews its lease, who is dead.
//
// A lease here has no clock: whoever watches it counts its renewals by a clock of their own, and says what was seen last.
// So a store that stood still makes no node look dead. Once ended, a lease stays so: a node that was taken for dead finds
// that out at its next renewal, and comes back under a new name.

import type { Member, MemberLease, Renewal } from '../peer-ports.ts';

interface Lease {
  readonly member: Member;
  renewals: number;
  isDead: boolean;
  missed: boolean;
}

/** All nodes that have joined and are not forgotten. @see Members */
export class Register {
  /** By the name of the node's start, in order of joining. */
  readonly #leases = new Map<string, Lease>();

  join(self: Member): void {
    if (this.#leases.has(self.node)) return;
    this.#leases.set(self.node, { member: { ...self }, renewals: 0, isDead: false, missed: false });
  }

  renew(node: string): Renewal {
    const lease = this.#leases.get(node);
    if (lease === undefined || lease.isDead) return { held: false, missed: false, members: this.#members() };
    const { missed } = lease;
    lease.renewals++;
    lease.missed = false;
    return { held: true, missed, members: this.#members() };
  }

  bury(node: string, renewals: number): boolean {
    const lease = this.#leases.get(node);
    if (lease === undefined) return true;
    if (lease.renewals === renewals) lease.isDead = true;
    return lease.isDead;
  }

  forget(node: string): void {
    if (this.#leases.get(node)?.isDead === true) this.#leases.delete(node);
  }

  miss(node: string): void {
    const lease = this.#leases.get(node);
    if (lease !== undefined) lease.missed = true;
  }

  #members(): readonly MemberLease[] {
    return Array.from(this.#leases.values(), ({ member, renewals, isDead }) => ({ ...member, renewals, isDead }));
  }
}
