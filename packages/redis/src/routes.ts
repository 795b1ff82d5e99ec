// The table of routes: the port over functions/route, and a replica of it.

import { type MemberRoute, type Route, type RouteChange, type Routes, StoreUnavailable } from '@skein/broker';
import type { Redis } from 'ioredis';
import { listOf, numberOf, type Reply, textOf } from './calls.ts';
import { bearsOf, changeOf, nameOf, RouteReplica } from './route-replica.ts';
import type { Surroundings } from './surroundings.ts';

/** Routes put or removed in one call. */
const routesMax = 500;

/** Routes in Redis. */
export class RedisRoutes implements Routes {
  readonly #around: Surroundings;
  readonly #replica: RouteReplica;
  /** The highest version seen; the store's may be lower after it lost its last second. */
  #seen = 0;
  /** A read of the version that has not left yet. */
  #asked: Promise<number> | undefined;

  constructor(surroundings: Surroundings, tail: Redis, resynced: (reason: string) => void) {
    this.#around = surroundings;
    this.#replica = new RouteReplica({
      tail,
      keys: surroundings.keys,
      resynced,
      raise: async (version) => {
        this.#seen = Math.max(this.#seen, version);
        await this.#put([]);
      },
    });
  }

  /** @inheritdoc */
  async put(routes: readonly Route[]): Promise<number> {
    for (let at = 0; at < routes.length || at === 0; at += routesMax) await this.#put(routes.slice(at, at + routesMax));
    return this.#seen;
  }

  async #put(routes: readonly Route[]): Promise<void> {
    const { calls, nowMs } = this.#around;
    const words = routes.flatMap((route) => [nameOf(route), bearsOf(route)]);
    const [last, ...bears] = listOf(await calls.call('route_put', this.#keys(), [nowMs(), this.#seen, ...words]));
    const version = numberOf(last);
    this.#seen = Math.max(this.#seen, version);
    this.#replica.made(
      routes.map((route, i) => changeOf(nameOf(route), textOf(bears[i]), true, version - routes.length + i + 1)),
    );
  }

  /** @inheritdoc */
  async removeIf(routes: readonly (Route & { readonly version: number })[]): Promise<void> {
    for (let at = 0; at < routes.length; at += routesMax) await this.#remove(routes.slice(at, at + routesMax));
  }

  async #remove(routes: readonly (Route & { readonly version: number })[]): Promise<void> {
    const words = routes.flatMap((route) => [nameOf(route), `${route.version}`, 'node' in route ? route.marks : '']);
    this.#changed(routes, await this.#around.calls.call('route_remove', this.#keys(), words));
  }

  /** @inheritdoc */
  async awayIf(routes: readonly (MemberRoute & { readonly version: number })[]): Promise<void> {
    for (let at = 0; at < routes.length; at += routesMax) {
      const some = routes.slice(at, at + routesMax);
      const words = some.flatMap((route) => [nameOf(route), `${route.version}`]);
      this.#changed(some, await this.#around.calls.call('route_away', this.#keys(), words));
    }
  }

  /** Tells the replica what became of routes, by what route_remove and route_away answer. */
  #changed(routes: readonly Route[], reply: Reply): void {
    const flat = listOf(reply);
    const changes: RouteChange[] = [];
    for (const [i, route] of routes.entries()) {
      const version = numberOf(flat[i * 3]);
      const isPresent = textOf(flat[i * 3 + 1]) === '+';
      if (version > 0) changes.push(changeOf(nameOf(route), textOf(flat[i * 3 + 2]), isPresent, version));
    }
    this.#seen = Math.max(this.#seen, changes.at(-1)?.version ?? 0);
    this.#replica.made(changes);
  }

  /** All that ask in one turn share one read: it leaves after every one of them has asked. */
  version(): Promise<number> {
    this.#asked ??= this.#read();
    return this.#asked;
  }

  async #read(): Promise<number> {
    const { calls, keys } = this.#around;
    // Calls leave at the end of the turn; whoever asks after that needs another answer.
    setImmediate(() => {
      this.#asked = undefined;
    });
    const reply = await calls.command(['GET', keys.routesVersion]);
    const version = reply === null ? 0 : Number(textOf(reply));
    if (version < this.#seen) {
      this.#replica.distrust(`the version went back from ${this.#seen} to ${version}`);
      await this.#put([]);
      throw new StoreUnavailable(`the version of the routes went back from ${this.#seen} to ${version}`);
    }
    this.#seen = version;
    return version;
  }

  /** @inheritdoc */
  follow(changed: (changes: readonly RouteChange[], version: number) => void): Promise<void> {
    return this.#replica.follow(changed);
  }

  /** Stops following. */
  close(): Promise<void> {
    return this.#replica.close();
  }

  #keys(): string[] {
    const { routes, routesVersion, routesChecksum, routesLog } = this.#around.keys;
    return [routes, routesVersion, routesChecksum, routesLog];
  }
}
