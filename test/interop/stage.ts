// Where a story is told: one kind of Client, one version, one transport, one place; and what every story needs there.

import { until } from '../support/deadline.ts';
import { fresh } from '../support/fresh.ts';
import { processMs } from '../support/process.ts';
import type { Arrived, Connecting, ForeignClient, Kind, Transport, Version } from './foreign.ts';
import type { Place } from './places.ts';

/** What a story says of a connection; the rest is the stage's. */
export type Role = Partial<Omit<Connecting, 'url' | 'version'>>;

/** Where one story is told. */
export class Stage {
  readonly version: Version;
  readonly kind: Kind;
  readonly #transport: Transport;
  readonly #place: Place;

  constructor(kind: Kind, cell: { readonly version: Version; readonly transport: Transport }, place: Place) {
    this.kind = kind;
    this.version = cell.version;
    this.#transport = cell.transport;
    this.#place = place;
  }

  /** Connects a Client where the subscribers are. */
  near(role: Role = {}): Promise<ForeignClient> {
    return this.#connect(this.#place.near[this.#transport], role);
  }

  /** Connects a Client where the publishers are: the same node, or another one. */
  far(role: Role = {}): Promise<ForeignClient> {
    return this.#connect(this.#place.far[this.#transport], role);
  }

  #connect(url: string, role: Role): Promise<ForeignClient> {
    return this.kind.connect({ url, version: this.version, clientId: fresh('client'), ...role });
  }
}

/** What makes a Session outlive its Network Connection, in every version. */
export function lasting(clientId: string): Role {
  return { clientId, clean: false, sessionExpirySeconds: 60 };
}

/** Waits until so many messages have arrived, or more. @returns all that have */
export async function arrivals(client: ForeignClient, count: number): Promise<readonly Arrived[]> {
  try {
    await until(`${count} messages`, () => client.arrived.length >= count || undefined, processMs);
  } catch (error) {
    const had = client.arrived.map(({ topic, payload }) => `${topic} ${payload.subarray(0, 30)}`);
    throw new Error(`of ${count} messages came ${had.length}: ${had.slice(0, 50).join(', ')}`, { cause: error });
  }
  return client.arrived;
}

/** The payloads of messages, as text. */
export function payloads(arrived: readonly Arrived[]): readonly string[] {
  return arrived.map(({ payload }) => payload.toString());
}

/** The numbers from 0, as payloads. */
export function numbers(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${index}`);
}
