// One of two stores that are asked the same, and the names under which its answers are compared.
//
// What may differ is taken out: names that each store makes for itself (generations, epochs) become numbers in the order
// of their appearance.

import type { Claim, Route, RouteChange, Store, TakenMessage } from '../ports.ts';

/** One of the two stores, and what it calls things. */
export class Side {
  readonly store: Store;
  readonly claims: Claim[] = [];
  /** What was told of routes since the last command. */
  told: RouteChange[] = [];
  /** What was taken for others, and not said to be done. */
  taken: TakenMessage[] = [];
  /** How often so much time has passed that uids may be forgotten. */
  forgotten = 0;
  /** The version of each route as it was told. */
  readonly versions: Map<string, number> = new Map();
  readonly #generations = new Map<string, number>();
  readonly #epochs = new Map<string, number>();

  constructor(store: Store) {
    this.store = store;
  }

  /** The claim of an acquire, counted from the last one back; or of one that never was. */
  claim(back: number): Claim {
    return this.claims[this.claims.length - 1 - back] ?? { clientId: 'c0', generation: 'none', epoch: 1 };
  }

  async follow(): Promise<void> {
    await this.store.routes.follow((changes) => {
      this.told.push(...changes);
      for (const change of changes) this.versions.set(nameOf(change), change.version);
    });
  }

  /** A uid that nobody has forgotten. */
  uid(name: string | undefined): string | undefined {
    return name === undefined ? undefined : `${name}.${this.forgotten}`;
  }

  generation(name: string): string {
    return `g${numbered(this.#generations, name)}`;
  }

  epoch(clientId: string, epoch: number): string {
    return `e${numbered(this.#epochs, `${clientId} ${epoch}`)}`;
  }

  claimed({ clientId, generation, epoch }: Claim): string {
    return `${clientId} ${this.generation(generation)} ${this.epoch(clientId, epoch)}`;
  }
}

function numbered(numbers: Map<string, number>, name: string): number {
  const number = numbers.get(name) ?? numbers.size;
  numbers.set(name, number);
  return number;
}

/** The place of a route in the table. */
export function nameOf(route: Route): string {
  return `${route.topicFilter} ${'node' in route ? route.node : route.generation}`;
}
