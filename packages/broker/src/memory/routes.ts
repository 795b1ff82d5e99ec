// The table of routes: versions, conditional removal, and followers told in order.
//
// A route leads to a stored Session, to a member of a shared group, or to a node. Filter and destination are its place in
// the table; what it bears there (the marks of a node, who holds a member) may change.

import type { MemberRoute, Route, RouteChange } from '../ports.ts';

type VersionedRoute = Route & { readonly version: number };

type Follower = (changes: readonly RouteChange[], version: number) => void;

/** Routes, with the version under which each was last put. */
export class RouteTable {
  readonly #routes = new Map<string, VersionedRoute>();
  readonly #followers: Follower[] = [];
  /** Changes that followers have not been told of, oldest first. */
  readonly #untold: (readonly RouteChange[])[] = [];
  #isTelling = false;
  #version = 0;

  get version(): number {
    return this.#version;
  }

  /** rule: Marks. A put makes a new version even if the route was there, so that a removal decided before it fails. */
  put(routes: readonly Route[]): number {
    this.#tell(routes.map((route) => this.#set(withMarks(route, marksOf(route) | marksOf(this.#before(route))))));
    return this.#version;
  }

  /** rule: Marks. A removal takes a node's marks away one by one; what is left is a route put anew. */
  removeIf(routes: readonly VersionedRoute[]): void {
    const changes: RouteChange[] = [];
    for (const route of routes) {
      const before = this.#before(route);
      if (before?.version !== route.version) continue;
      const left = withMarks(before, marksOf(before) & ~marksOf(route));
      changes.push(marksOf(left) === 0 ? this.#delete(left) : this.#set(left));
    }
    this.#tell(changes);
  }

  /** Members whose route was put since it was decided that their Clients are away are left alone. */
  awayIf(routes: readonly (MemberRoute & { readonly version: number })[]): void {
    const changes: RouteChange[] = [];
    for (const route of routes) {
      const before = this.#before(route);
      if (before?.version !== route.version || !('isStored' in before)) continue;
      changes.push(this.#set({ ...bare(before), heldBy: '' }));
    }
    this.#tell(changes);
  }

  follow(changed: Follower): void {
    const all = Array.from(this.#routes.values(), (route) => ({ ...route, present: true }));
    changed(
      all.sort((a, b) => a.version - b.version),
      this.#version,
    );
    this.#followers.push(changed);
  }

  #before(route: Route): VersionedRoute | undefined {
    return this.#routes.get(keyOf(route));
  }

  #set(route: Route): RouteChange {
    const put = { ...route, version: ++this.#version };
    this.#routes.set(keyOf(route), put);
    return { ...put, present: true };
  }

  #delete(route: Route): RouteChange {
    this.#routes.delete(keyOf(route));
    return { ...route, present: false, version: ++this.#version };
  }

  /** Tells every follower. What one of them changes while it is told is told after this, to all in the same order. */
  #tell(changes: readonly RouteChange[]): void {
    if (changes.length > 0) this.#untold.push(changes);
    if (this.#isTelling) return;
    this.#isTelling = true;
    for (let told = this.#untold.shift(); told !== undefined; told = this.#untold.shift()) {
      for (const changed of this.#followers) changed(told, (told.at(-1) as RouteChange).version);
    }
    this.#isTelling = false;
  }
}

/** The marks that a route bears; that of a Session has none. */
function marksOf(route: Route | undefined): number {
  return route !== undefined && 'node' in route ? route.marks : 0;
}

/** The bare route, with these marks if it is a node's. */
function withMarks(route: Route, marks: number): Route {
  if ('node' in route) return { topicFilter: route.topicFilter, node: route.node, marks };
  if ('isStored' in route) return bare(route);
  return { topicFilter: route.topicFilter, clientId: route.clientId, generation: route.generation };
}

/** A member's route and nothing else, whatever else came with it. */
function bare({ topicFilter, clientId, generation, isStored, heldBy }: MemberRoute): MemberRoute {
  return { topicFilter, clientId, generation, isStored, heldBy };
}

/** U+0000 cannot stand in a filter or a Client Identifier [MQTT-1.5.4-2]; a generation has no `@`. */
function keyOf(route: Route): string {
  return `${route.topicFilter}\0${'node' in route ? `@${route.node}` : route.generation}`;
}
