// Every key there is. All begin with the name of the cluster, so that several clusters may share a database.
//
// Only functions write (functions/*.lua), but for an import that clears its table (import-journal.ts); `{b}` stands for
// the tag of the Client Identifier's bucket. Sizes were measured on Redis 7.0, for 64-bit servers, with the key.
//
//   of a Client Identifier, in its bucket's slot
//     s:{b}:client          hash    its Session, 350 bytes: g generation, own node that holds it or '', ep epoch, qs state
//                                   of its queue (next seq, head, sent at most, bytes, releases, last release, reserve,
//                                   oldest unsent at least, earliest expiry), kept 1 if stored, xi Session Expiry
//                                   Interval, dc time it was let go; wl Will, wdl its delay, pw the Will it left
//                                   waiting; of the last acquire: an nonce, ap present, ao previous owner, as sent, aw
//                                   Wills
//     u:{b}:client:g        hash    Topic Filter → options, 140 bytes and 20 for each filter more
//     q:{b}:client:g        hash    seq → entry (blob.ts), 340 bytes for one of 100, 160 for each of many
//     h:{b}:client:g        zset    what of it came by a shared filter, in runs: '<first seq> <last> <QoS> <filter>',
//                                   by the last, 140 bytes and 40 for each run more; may name what is gone
//     y:{b}:client:g        hash    what was taken of that for others: seq → until when it is claimed, entry; as q
//     c:{b}:client:g        hash    Topic Filter → cursor of its retained messages, while they are not all queued: 120
//                                   bytes
//     r:{b}:client:g        zset    seqs whose PUBREL is owed, by order of their PUBRECs; gone when none is
//     t:{b}:client:g        zset    seqs of entries that expire, by time in ms
//     d:{b}:client:g        zset    uids it has had, by time in ms: 23 bytes each up to 128, 110 beyond
//     i:{b}:client:g        hash    QoS 2 messages received: Packet Identifier → '0' or '1' (published), uid
//   of a bucket, in the same slot
//     b:{b}                 hash    ep last epoch given, n Sessions
//     x:{b}                 zset    Sessions whose Client is away, by the time of their expiry in ms, 110 bytes each
//     o:{b}                 hash    client → node\0generation, of each Session that a node holds: 60 bytes, 110 among many
//     e:{b}                 hash    generations that are over: generation\0client → 1 if it waits to be dismantled; or w,
//                                   u if nobody has looked yet, and its last seq sent: others may have what it holds
//     hd:{b}                zset    generations whose shared messages others are to have, by the time of that in ms: 100
//                                   bytes
//     hu:{b}  hz:{b}        hash, zset   uid\0shared filter → who gets it; the same by time in ms: 150 bytes together
//     w:{b}                 hash    Wills on their way: epoch\0generation\0client → Will; client → their list
//     wd:{b}                zset    those waiting, by the time they are due in ms
//     wc:{b}                zset    those claimed, by the time their claim ends
//   of retained messages, 64 partitions by topic, each in the slot of a bucket
//     k:{b}  kl:{b}  ke:{b} hash, zset, zset   topic → epoch, number, message; topics in order; topics by expiry: 220
//                                   bytes and 120
//     ku:{b}                zset    uids of those it has had, by time in ms; gone when there is none: as d
//     kd:{b}                zset    topics whose message was removed within a minute, by time in ms: 120
//                                   bytes; where that stood is in k, under a byte 255 and the topic: 100
//     kn                    number  retained messages in all partitions
//   of routes, in one slot
//     rt:{routes}           hash    Topic Filter\0generation → version\0client, and Topic Filter\0@node → version\0marks;
//                                   shared filter\0generation → version\0client\0s or v, node; 100 to 130 bytes each
//     rv:{routes}           number  version of the table
//     rx:{routes}           text    checksum over all routes
//     rl:{routes}           stream  changes, 51 bytes each, the last 200,000 about
//   of nodes, in one slot
//     nm:{nodes}            hash    node → JSON of its nodeId, address, secret and startedAt
//     nl:{nodes}            hash    node → its lease: how often it was renewed, and ' dead' behind that once it has ended
//     ng:{nodes}            hash    node → how often messages for its volatile Sessions were given up
//     im:{nodes}            hash    journal of the import that the cluster began with, if any: is, 'open' or 'done'; the
//                                   rest is in import-journal.ts
//   of the database
//     meta                  hash    format of all this, dataset: a random name, new with each database
//
// A sweep must not ask 1024 buckets a second whether something is due there, and an index over all of them would lie in
// another slot than what it tells of. So every node remembers when a bucket is worth a look (looks.ts): it knows what it
// left there itself, and looks at the rest in turn.

import { bucketCount, bucketOf, bucketTags, byteHash } from './bucket.ts';

/** How many partitions hold the retained messages. */
const partitionCount = 64;

/**
 * What the layout of keys and values is called; a store in another one is left alone. In 2 a retained message has its
 * order before it, an entry may have its shared filter, and a generation that is over may wait for others.
 */
export const storeFormat = 2;

/** The keys of one Client Identifier's bucket. */
export interface BucketKeys {
  readonly bucket: string;
  readonly expiries: string;
  readonly owners: string;
  readonly ended: string;
  readonly wills: string;
  readonly willsDue: string;
  readonly willsClaimed: string;
  readonly left: string;
  readonly choices: string;
  readonly choiceTimes: string;
}

/** The keys of one partition of retained messages. */
export interface PartitionKeys {
  readonly messages: string;
  readonly topics: string;
  readonly expiries: string;
  readonly seen: string;
  readonly removals: string;
}

/** Makes the keys of one cluster. */
export class Keys {
  readonly prefix: string;
  readonly meta: string;
  readonly routes: string;
  readonly routesVersion: string;
  readonly routesChecksum: string;
  readonly routesLog: string;
  readonly members: string;
  readonly leases: string;
  readonly misses: string;
  readonly imported: string;
  readonly retainedCount: string;
  /** By number of the bucket. */
  readonly buckets: readonly BucketKeys[];
  /** By number of the partition. */
  readonly partitions: readonly PartitionKeys[];

  /** @param cluster its name, of the characters that {@link isClusterName} lets by */
  constructor(cluster: string) {
    const prefix = `${cluster}:`;
    this.prefix = prefix;
    this.meta = `${prefix}meta`;
    this.routes = `${prefix}rt:{routes}`;
    this.routesVersion = `${prefix}rv:{routes}`;
    this.routesChecksum = `${prefix}rx:{routes}`;
    this.routesLog = `${prefix}rl:{routes}`;
    this.members = `${prefix}nm:{nodes}`;
    this.leases = `${prefix}nl:{nodes}`;
    this.misses = `${prefix}ng:{nodes}`;
    this.imported = `${prefix}im:{nodes}`;
    this.retainedCount = `${prefix}kn`;
    this.buckets = bucketTags.map((tag) => ({
      bucket: `${prefix}b:{${tag}}`,
      expiries: `${prefix}x:{${tag}}`,
      owners: `${prefix}o:{${tag}}`,
      ended: `${prefix}e:{${tag}}`,
      wills: `${prefix}w:{${tag}}`,
      willsDue: `${prefix}wd:{${tag}}`,
      willsClaimed: `${prefix}wc:{${tag}}`,
      left: `${prefix}hd:{${tag}}`,
      choices: `${prefix}hu:{${tag}}`,
      choiceTimes: `${prefix}hz:{${tag}}`,
    }));
    this.partitions = Array.from({ length: partitionCount }, (_, partition) => {
      const tag = bucketTags[partition * (bucketCount / partitionCount)];
      return {
        messages: `${prefix}k:{${tag}}`,
        topics: `${prefix}kl:{${tag}}`,
        expiries: `${prefix}ke:{${tag}}`,
        seen: `${prefix}ku:{${tag}}`,
        removals: `${prefix}kd:{${tag}}`,
      };
    });
  }

  bucketOf(clientId: string): BucketKeys {
    return this.buckets[bucketOf(clientId)] as BucketKeys;
  }

  session(clientId: string): string {
    return `${this.prefix}s:{${tagOf(clientId)}}:${clientId}`;
  }

  subscriptions(clientId: string, generation: string): string {
    return this.#of('u', clientId, generation);
  }

  queue(clientId: string, generation: string): string {
    return this.#of('q', clientId, generation);
  }

  releases(clientId: string, generation: string): string {
    return this.#of('r', clientId, generation);
  }

  times(clientId: string, generation: string): string {
    return this.#of('t', clientId, generation);
  }

  seen(clientId: string, generation: string): string {
    return this.#of('d', clientId, generation);
  }

  inbound(clientId: string, generation: string): string {
    return this.#of('i', clientId, generation);
  }

  held(clientId: string, generation: string): string {
    return this.#of('h', clientId, generation);
  }

  taken(clientId: string, generation: string): string {
    return this.#of('y', clientId, generation);
  }

  cursors(clientId: string, generation: string): string {
    return this.#of('c', clientId, generation);
  }

  /** All keys of a generation, in the order in which functions take them. */
  generation(clientId: string, generation: string): string[] {
    return [
      this.subscriptions(clientId, generation),
      this.queue(clientId, generation),
      this.releases(clientId, generation),
      this.times(clientId, generation),
      this.inbound(clientId, generation),
      this.seen(clientId, generation),
      this.held(clientId, generation),
      this.taken(clientId, generation),
      this.cursors(clientId, generation),
    ];
  }

  /**
   * All keys that owning a Session touches, in the order in which functions take them: its own, its bucket's, and those
   * of a generation if one is named.
   */
  ownership(clientId: string, generation: string | undefined): string[] {
    const { bucket, expiries, willsDue, willsClaimed, wills, ended, owners, left } = this.bucketOf(clientId);
    const named = [this.session(clientId), bucket, expiries, willsDue, willsClaimed, wills, ended, owners, left];
    return generation === undefined ? named : [...named, ...this.generation(clientId, generation)];
  }

  #of(letter: string, clientId: string, generation: string): string {
    return `${this.prefix}${letter}:{${tagOf(clientId)}}:${clientId}:${generation}`;
  }
}

/** The partition of a topic's retained message. */
export function partitionOf(topic: string): number {
  const hash = byteHash(topic);
  return ((hash ^ (hash >>> 6) ^ (hash >>> 12) ^ (hash >>> 18)) >>> 0) % partitionCount;
}

/** Whether a cluster may be called so: braces would move its keys into other slots. */
export function isClusterName(name: string): boolean {
  return /^[A-Za-z0-9._-]{1,64}$/.test(name);
}

function tagOf(clientId: string): string {
  return bucketTags[bucketOf(clientId)] as string;
}
