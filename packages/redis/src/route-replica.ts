// This node's copy of the table of routes: read whole, then kept up by the log of changes [rule: Read-index].
//
// Versions grow by one, so a change that is missing is seen, and the whole table is read again. So it is too when the
// checksum over all routes is another one than the store's at the same version, and when the store's version has
// gone back: a server that lost its last second. Then the version is first raised over all that was seen, so that no
// version ever means two things.
//
// Changes that this node makes are told as soon as the store answers, if nothing is missing before them; the log brings
// them once more, and they are passed over.

import { hash } from 'node:crypto';
import { type Route, type RouteChange, StoreUnavailable } from '@skein/broker';
import type { Redis } from 'ioredis';
import { listOf, numberOf, type Reply, textOf } from './calls.ts';
import type { Keys } from './keys.ts';

/** How long a read of the log waits for a change, in milliseconds; then the checksum is compared. */
export const logWaitMs = 2000;
/** Changes read at once, and routes. */
const pageMax = 1000;
const retryMs = 100;
/** How long a table that keeps changing may go without having been compared, in milliseconds. */
const compareMs = 10_000;

type Follower = (changes: readonly RouteChange[], version: number) => void;

/** What a replica needs of the store around it. */
export interface ReplicaSurroundings {
  /** A connection of its own, since it waits for changes on it. */
  readonly tail: Redis;
  readonly keys: Keys;
  /** Raises the store's version to at least one that was seen. */
  raise(version: number): Promise<void>;
  /** The table was read again, for this reason. */
  resynced(reason: string): void;
}

/** A route as the table holds it: what it bears (functions/route.lua), and its version. */
interface Held {
  readonly bears: string;
  readonly version: number;
}

/** A copy of the table of routes. */
export class RouteReplica {
  readonly #around: ReplicaSurroundings;
  /** By filter and destination. */
  #routes = new Map<string, Held>();
  readonly #followers: Follower[] = [];
  #version = 0;
  #sum: [number, number] = [0, 0];
  #begun: Promise<void> | undefined;
  #running: Promise<void> | undefined;
  #stale: string | undefined;
  #comparedMs = performance.now();
  /** While the table is read, what this node does is left to the log: it may be in the table already, or not. */
  #reading = false;
  #closed = false;
  #wake: (() => void) | undefined;

  constructor(surroundings: ReplicaSurroundings) {
    this.#around = surroundings;
  }

  /** The last version that followers have been told of. */
  get version(): number {
    return this.#version;
  }

  /** Tells a follower all routes, then every change. @throws StoreUnavailable if the table cannot be read */
  async follow(changed: Follower): Promise<void> {
    this.#begun ??= this.#begin();
    try {
      await this.#begun;
    } catch (error) {
      this.#begun = undefined;
      throw new StoreUnavailable('the routes cannot be read', { cause: error });
    }
    const all = Array.from(this.#routes, ([route, { bears, version }]) =>
      changeOf(route, bears, true, Math.min(version, this.#version)),
    );
    changed(
      all.sort((a, b) => a.version - b.version),
      this.#version,
    );
    this.#followers.push(changed);
  }

  /** Changes that this node has made; told now, unless others come before them. */
  made(changes: readonly RouteChange[]): void {
    if (this.#begun !== undefined && !this.#reading && changes[0]?.version === this.#version + 1) this.#apply(changes);
  }

  /** The copy is not to be trusted any more: it is read again. */
  distrust(reason: string): void {
    this.#stale ??= reason;
    this.#wake?.();
  }

  /** Stops following. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#wake?.();
    this.#around.tail.disconnect();
    await this.#running;
  }

  async #begin(): Promise<void> {
    await this.#readAll();
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      try {
        if (this.#stale !== undefined) {
          const reason = this.#stale;
          await this.#readAll();
          this.#stale = undefined;
          this.#around.resynced(reason);
        }
        await this.#readLog();
      } catch {
        // The connection is broken, which it says by itself; it mends itself as well.
        await this.#pause();
      }
    }
  }

  async #readLog(): Promise<void> {
    const { tail, keys } = this.#around;
    const from = `${this.#version}-1`;
    const reply = await tail.callBuffer('XREAD', 'COUNT', pageMax, 'BLOCK', logWaitMs, 'STREAMS', keys.routesLog, from);
    const [[, entries] = []] = listOf(reply as Reply).map(listOf);
    if (entries === undefined) {
      await this.#compare();
      return;
    }
    const changes: RouteChange[] = [];
    for (const entry of listOf(entries)) {
      const [id, fields] = listOf(entry);
      const version = Number(textOf(id).split('-')[0]);
      const [sign, value] = listOf(fields).map(textOf);
      const [topicFilter, destination, ...bears] = (value ?? '').split('\0');
      if (version <= this.#version) continue;
      if (version !== this.#version + changes.length + 1) {
        this.#apply(changes);
        this.distrust(`changes before version ${version} are gone from the log`);
        return;
      }
      changes.push(changeOf(`${topicFilter}\0${destination}`, bears.join('\0'), sign === '+', version));
    }
    this.#apply(changes);
    // A table that is never quiet has to be compared as well; it can be, whenever no change has come since the last.
    if (performance.now() - this.#comparedMs > compareMs) await this.#compare();
  }

  /** Whether this copy still is what the store has. */
  async #compare(): Promise<void> {
    const { tail, keys } = this.#around;
    // What this node does itself is told beside the log, and may be told before the answer is here.
    const known = this.#version;
    const [storeVersion, checksum] = listOf(
      (await tail.callBuffer('MGET', keys.routesVersion, keys.routesChecksum)) as Reply,
    );
    const version = storeVersion === null ? 0 : numberOf(storeVersion);
    if (version < known) this.distrust(`the version went back from ${known} to ${version}`);
    else if (version === this.#version) {
      this.#comparedMs = performance.now();
      if (version > 0 && textOf(checksum) !== hexOf(this.#sum)) {
        this.distrust(`the checksum differs at version ${version}`);
      }
    }
  }

  /**
   * Reads the whole table. What is put meanwhile is told under the version at which reading began, since changes that
   * came before it may have been missed; the log tells of them all.
   */
  async #readAll(): Promise<void> {
    this.#reading = true;
    try {
      await this.#readTable();
    } finally {
      this.#reading = false;
    }
  }

  async #readTable(): Promise<void> {
    const { tail, keys } = this.#around;
    let version = await this.#storeVersion();
    if (version < this.#version) {
      await this.#around.raise(this.#version);
      version = await this.#storeVersion();
    }
    const routes = new Map<string, Held>();
    let cursor = '0';
    do {
      const reply = listOf((await tail.callBuffer('HSCAN', keys.routes, cursor, 'COUNT', pageMax)) as Reply);
      cursor = textOf(reply[0]);
      const flat = listOf(reply[1]);
      for (let at = 0; at < flat.length; at += 2) {
        const [put, ...bears] = textOf(flat[at + 1]).split('\0');
        routes.set(textOf(flat[at]), { bears: bears.join('\0'), version: Number(put) });
      }
    } while (cursor !== '0');

    const before = this.#routes;
    const changes: RouteChange[] = [];
    for (const [route, { bears, version: put }] of routes) {
      if (before.get(route)?.version !== put) changes.push(changeOf(route, bears, true, Math.min(put, version)));
    }
    changes.sort((a, b) => a.version - b.version);
    for (const [route, { bears }] of before) {
      if (!routes.has(route)) changes.push(changeOf(route, bears, false, version));
    }
    this.#routes = routes;
    this.#version = version;
    this.#sum = [0, 0];
    for (const [route, held] of routes) this.#fold(route, held);
    this.#tell(changes);
  }

  async #storeVersion(): Promise<number> {
    const { tail, keys } = this.#around;
    const reply = (await tail.callBuffer('GET', keys.routesVersion)) as Reply;
    return reply === null ? 0 : numberOf(reply);
  }

  #apply(changes: readonly RouteChange[]): void {
    for (const change of changes) {
      const route = nameOf(change);
      const before = this.#routes.get(route);
      if (before !== undefined) this.#fold(route, before);
      if (change.present) {
        const held = { bears: bearsOf(change), version: change.version };
        this.#fold(route, held);
        this.#routes.set(route, held);
      } else {
        this.#routes.delete(route);
      }
      this.#version = change.version;
    }
    this.#tell(changes);
  }

  #tell(changes: readonly RouteChange[]): void {
    for (const changed of this.#followers) changed(changes, this.#version);
  }

  /** Takes a route and all that is stored of it into the checksum, or out of it, as the functions do. */
  #fold(route: string, { bears, version }: Held): void {
    const digest = hash('sha1', `${route}\0${version}\0${bears}`, 'buffer');
    this.#sum[0] ^= digest.readInt32BE(0);
    this.#sum[1] ^= digest.readInt32BE(4);
  }

  #pause(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, retryMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** As the table names a route. U+0000 can stand neither in a filter nor in a name [MQTT-1.5.4-2]; a generation has no `@`. */
export function nameOf(route: Route): string {
  return `${route.topicFilter}\0${'node' in route ? `@${route.node}` : route.generation}`;
}

/** What a route bears in the table. */
export function bearsOf(route: Route): string {
  if ('node' in route) return `${route.marks}`;
  return 'isStored' in route ? `${route.clientId}\0${route.isStored ? 's' : 'v'}${route.heldBy}` : route.clientId;
}

/** A change, by what the table holds of a route. */
export function changeOf(name: string, bears: string, present: boolean, version: number): RouteChange {
  const [topicFilter = '', destination = ''] = name.split('\0');
  if (!destination.startsWith('@')) {
    const [clientId = '', member] = bears.split('\0');
    const route = { topicFilter, clientId, generation: destination, present, version };
    return member === undefined ? route : { ...route, isStored: member.startsWith('s'), heldBy: member.slice(1) };
  }
  return { topicFilter, node: destination.slice(1), marks: present ? Number(bears) : 0, present, version };
}

function hexOf(sum: readonly [number, number]): string {
  return sum.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
}
