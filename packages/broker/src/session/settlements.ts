// What this node has yet to tell the store about exchanges that are over: one call a turn for all Sessions.
//
// An acknowledgement from a subscriber may reach the store late, or not at all if this node dies: the message is then
// sent again. But a PUBREL must not go before its PUBREC is stored, or a crash would deliver the message twice, and a
// PUBCOMP not before its identifier is released, or the next message under it would be swallowed [MQTT-4.3.3].
//
// While the store does not answer, what has gathered waits; it is bounded by what is in flight.

import { type Persistence, persist } from '../persist.ts';
import { type Claim, type Clock, type Ingress, type QueueAck, type Store, StoreUnavailable } from '../ports.ts';
import type { Outbound } from './outbound.ts';

/** Whoever may go on once a Packet Identifier is released in the store. */
export interface AwaitsRelease {
  released(packetId: number): void;
}

interface Gathered {
  readonly acks: Map<string, { readonly clientId: string; readonly generation: string; readonly seqs: number[] }>;
  readonly recs: { readonly ack: QueueAck; readonly seq: number; readonly outbound: Outbound }[];
  readonly done: Ingress[];
  readonly releases: { readonly ingress: Ingress; readonly whoWaits: AwaitsRelease }[];
}

/** Gathers acknowledgements, PUBRECs and PUBRELs, and stores them together. */
export class Settlements {
  readonly #store: Pick<Store, 'queues' | 'inbound'>;
  readonly #clock: Clock;
  readonly #persistence: Persistence;
  #gathered = nothing();
  #busy = false;
  /** Told when nothing is left to store. */
  #idle: (() => void)[] = [];

  constructor(store: Pick<Store, 'queues' | 'inbound'>, clock: Clock, persistence: Persistence) {
    this.#store = store;
    this.#clock = clock;
    this.#persistence = persistence;
  }

  /** A subscriber has a message. */
  ack({ clientId, generation }: Claim, seq: number): void {
    const acks = this.#gathered.acks.get(generation);
    if (acks !== undefined) acks.seqs.push(seq);
    else this.#gathered.acks.set(generation, { clientId, generation, seqs: [seq] });
    this.#schedule();
  }

  /** A subscriber sent PUBREC; once that is stored its PUBREL goes. */
  rec({ clientId, generation }: Claim, seq: number, outbound: Outbound): void {
    this.#gathered.recs.push({ ack: { clientId, generation, seqs: [seq] }, seq, outbound });
    this.#schedule();
  }

  /** A QoS 2 message is published; nobody waits for the store to know it. */
  done(ingress: Ingress): void {
    this.#gathered.done.push(ingress);
    this.#schedule();
  }

  /** An exchange at QoS 2 is over, by PUBREL or because the message was refused; once that is stored its end may be told. */
  release(ingress: Ingress, whoWaits: AwaitsRelease): void {
    this.#gathered.releases.push({ ingress, whoWaits });
    this.#schedule();
  }

  /** Resolves when all that has gathered until now is stored. */
  async flush(): Promise<void> {
    if (this.#busy) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #schedule(): void {
    if (this.#busy) return;
    this.#busy = true;
    this.#clock.endOfTurn(() => void this.#settle().catch((error: unknown) => this.#stopped(error)));
  }

  /** What a stopping broker could not store, the next owner of the Session meets again. */
  #stopped(error: unknown): void {
    if (!this.#persistence.stopped) throw error;
  }

  /** @returns false if the store refused it for certain: then nobody goes on as if it were stored */
  async #persist(operation: string, call: () => Promise<void>): Promise<boolean> {
    try {
      await persist(this.#persistence, operation, call);
      return true;
    } catch (error) {
      if (error instanceof StoreUnavailable) throw error;
      this.#persistence.observer.observe({ is: 'internal_error', where: operation, error });
      return false;
    }
  }

  async #settle(): Promise<void> {
    while (!isEmpty(this.#gathered)) {
      const { acks, recs, done, releases } = this.#gathered;
      this.#gathered = nothing();
      const { queues, inbound } = this.#store;
      const [, areRecsStored, , areReleased] = await Promise.all([
        acks.size === 0 || this.#persist('ack', () => queues.ack([...acks.values()])),
        recs.length === 0 || this.#persist('rec', () => queues.rec(recs.map(({ ack }) => ack))),
        done.length === 0 || this.#persist('done', () => inbound.done(done)),
        releases.length === 0 ||
          this.#persist('release', () => inbound.release(releases.map(({ ingress }) => ingress))),
      ]);
      if (areRecsStored) for (const { outbound, seq } of recs) outbound.release(seq);
      if (areReleased) for (const { whoWaits, ingress } of releases) whoWaits.released(ingress.packetId);
    }
    this.#busy = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}

function nothing(): Gathered {
  return { acks: new Map(), recs: [], done: [], releases: [] };
}

function isEmpty({ acks, recs, done, releases }: Gathered): boolean {
  return acks.size + recs.length + done.length + releases.length === 0;
}
