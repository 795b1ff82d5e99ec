// The table of routes: versions, conditional removal, and followers told in order.

import type { Route, RouteChange } from '../ports.ts';

/** Routes of stored Sessions, with the version under which each was last put. */
export class RouteTable {
  readonly #routes = new Map<string, { readonly route: Route; readonly version: number }>();
  readonly #followers: ((changes: readonly RouteChange[]) => void)[] = [];
  #version = 0;

  get version(): number {
    return this.#version;
  }

  /** rule: Marks. A put makes a new version even if the route was there, so that a removal decided before it fails. */
  put(routes: readonly Route[]): number {
    const changes = routes.map((route) => {
      const version = ++this.#version;
      this.#routes.set(keyOf(route), { route, version });
      return { ...route, present: true, version };
    });
    this.#tell(changes);
    return this.#version;
  }

  removeIf(routes: readonly (Route & { readonly version: number })[]): void {
    const changes: RouteChange[] = [];
    for (const { topicFilter, clientId, generation, version } of routes) {
      const key = keyOf({ topicFilter, clientId, generation });
      if (this.#routes.get(key)?.version !== version) continue;
      this.#routes.delete(key);
      changes.push({ topicFilter, clientId, generation, present: false, version: ++this.#version });
    }
    this.#tell(changes);
  }

  follow(changed: (changes: readonly RouteChange[]) => void): void {
    const all = [...this.#routes.values()].map(({ route, version }) => ({ ...route, present: true, version }));
    if (all.length > 0) changed(all.sort((a, b) => a.version - b.version));
    this.#followers.push(changed);
  }

  #tell(changes: readonly RouteChange[]): void {
    if (changes.length === 0) return;
    for (const changed of this.#followers) changed(changes);
  }
}

/** U+0000 cannot stand in a filter or a Client Identifier [MQTT-1.5.4-2]. */
function keyOf({ topicFilter, generation }: Route): string {
  return `${topicFilter}\0${generation}`;
}
