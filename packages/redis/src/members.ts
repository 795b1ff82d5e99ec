// The register of nodes, and how what a dead one held is let go: the port over functions/members and functions/reap.
//
// The hashes `o` of the buckets say which node holds which Session. A reap goes through all of them, some at a time,
// and names what it found to a second function, which looks again before it acts: so several nodes may reap at once.

import type { Member, Members, Renewal } from '@skein/broker';
import { bucketCount } from './bucket.ts';
import { type Argument, listOf, numberOf, type Reply, textOf } from './calls.ts';
import type { LeaseTime } from './lease-time.ts';
import { awayMs } from './looks.ts';
import type { Surroundings } from './surroundings.ts';

/** Buckets looked through in one call. */
const bucketsMax = 64;
/** Sessions looked at in one call, about. */
const looksMax = 2000;
/** Sessions found in one look, about. */
const foundMax = 200;
/** Sessions let go in one call: one costs the server 20 to 40 µs, and everybody waits for 2 ms at most. */
const sessionsMax = 50;
/** A cursor is a bucket and where to go on in it; Redis counts the latter within the size of a hash. */
const placesPerBucket = 2 ** 40;

type Reaped = Awaited<ReturnType<Members['reap']>>;

/** What only the register needs. */
export interface MembersSurroundings {
  /** Learns the server's time from renewals. */
  readonly leaseTime: LeaseTime;
  /** Wall clock, in milliseconds since 1970: when nodes began, for people to read. */
  readonly wallMs: () => number;
}

/** Members in Redis. */
export class RedisMembers implements Members {
  readonly #around: Surroundings;
  readonly #own: MembersSurroundings;
  /** How many misses each node has been told of. The answer that tells of one may be lost, so the register keeps count. */
  readonly #missesTold = new Map<string, number>();

  constructor(surroundings: Surroundings, own: MembersSurroundings) {
    this.#around = surroundings;
    this.#own = own;
  }

  /** @inheritdoc */
  async join({ node, nodeId, address, secret }: Member): Promise<void> {
    const { members, leases, imported } = this.#around.keys;
    const startedAt = new Date(this.#own.wallMs()).toISOString();
    const written = JSON.stringify({ nodeId, address, secret, startedAt });
    await this.#around.calls.call('member_join', [members, leases, imported], [node, written]);
  }

  /** @inheritdoc */
  async renew(node: string): Promise<Renewal> {
    const { members, leases, misses } = this.#around.keys;
    const reply = await this.#around.calls.call('member_renew', [members, leases, misses], [node]);
    const [heldNow, missesNow, seconds, microseconds, ...register] = listOf(reply);
    const held = heldNow === 1;
    if (held) this.#own.leaseTime.renewed(numberOf(seconds) * 1000 + numberOf(microseconds) / 1000);
    const missed = held && numberOf(missesNow) > (this.#missesTold.get(node) ?? 0);
    if (missed) this.#missesTold.set(node, numberOf(missesNow));
    else if (!held) this.#missesTold.delete(node);
    return { held, missed, members: membersOf(register) };
  }

  /** @inheritdoc */
  async bury(node: string, renewals: number): Promise<boolean> {
    return (await this.#around.calls.call('member_bury', [this.#around.keys.leases], [node, renewals])) === 1;
  }

  /** @inheritdoc */
  async reap(node: string, cursor: number): Promise<Reaped> {
    const { calls, keys, endings, willLooks, leftLooks } = this.#around;
    const first = Math.floor(cursor / placesPerBucket);
    const owners = keys.buckets.slice(first, first + bucketsMax).map((bucket) => bucket.owners);
    const look = listOf(await calls.call('reap_look', owners, [node, cursor % placesPerBucket, foundMax, looksMax]));
    const [through, place, ...flat] = look;
    let sessions = 0;
    for (let at = 0; at < flat.length; at += 2 * sessionsMax) {
      sessions += await this.#letGo(node, flat.slice(at, at + 2 * sessionsMax).map(textOf));
    }
    const next = first + numberOf(through);
    // What the dead node would have looked after is this one's now: Wills that are due or that it had claimed, and
    // Sessions that end, and messages of shared groups.
    for (let bucket = first; bucket <= next && bucket < bucketCount; bucket++) {
      endings.expect(bucket, 0);
      willLooks.expect(bucket, 0);
      leftLooks.expect(bucket, 0);
      leftLooks.expect(bucket, awayMs);
    }
    return { sessions, next: next === bucketCount ? undefined : next * placesPerBucket + numberOf(place) };
  }

  /** @param named clientId, generation of each */
  async #letGo(node: string, named: readonly string[]): Promise<number> {
    const { calls, keys, nowMs } = this.#around;
    const touched: string[] = [];
    const args: Argument[] = [nowMs(), node, ...named];
    for (let at = 0; at < named.length; at += 2) touched.push(...keys.ownership(named[at] as string, named[at + 1]));
    return numberOf(await calls.call('reap', touched, args));
  }

  /** @inheritdoc */
  async forget(node: string): Promise<void> {
    const { members, leases, misses } = this.#around.keys;
    this.#missesTold.delete(node);
    await this.#around.calls.call('member_forget', [members, leases, misses], [node]);
  }

  /** @inheritdoc */
  async miss(node: string): Promise<void> {
    const { leases, misses } = this.#around.keys;
    await this.#around.calls.call('member_miss', [leases, misses], [node]);
  }
}

/** The register as a function answers it: for each node its name, what it is, its lease. */
function membersOf(flat: readonly Reply[]): Renewal['members'] {
  return Array.from({ length: flat.length / 3 }, (_, i) => {
    const [node = '', written = '', lease = ''] = flat.slice(i * 3, i * 3 + 3).map(textOf);
    const { nodeId, address, secret } = JSON.parse(written) as Omit<Member, 'node'>;
    return { node, nodeId, address, secret, renewals: Number.parseInt(lease, 10), isDead: lease.endsWith(' dead') };
  });
}
