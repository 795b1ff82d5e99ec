// Messages that this node has had and must not hand over again: what dedupes for Sessions that are not stored.

/** Uids remembered: many times what can be under way on one node. */
const recentUidsMax = 65_536;

/** The last uids, at least half of as many as it may hold. */
export class RecentUids {
  #recent = new Set<string>();
  #before = new Set<string>();

  has(uid: string): boolean {
    return this.#recent.has(uid) || this.#before.has(uid);
  }

  add(uid: string): void {
    this.#recent.add(uid);
    if (this.#recent.size < recentUidsMax / 2) return;
    this.#before = this.#recent;
    this.#recent = new Set();
  }
}
