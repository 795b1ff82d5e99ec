// Several nodes in one process, and the ways between them: cut, delayed and healed by whoever holds the hub.
//
// It keeps to the promises of Peers no better than a network would let it: what is under way when a way is cut is lost,
// and an acknowledgement with it, so that deliveries go again; bytes are overwritten once they have been handed over,
// so that nobody keeps them.
//
// Time is the given clock's. What takes no time arrives at the end of a turn, never in the call that sends it.

import type { Message } from '../message.ts';
import type { Member, PeerInbox, PeerMessage, PeerPush, Peers } from '../peer-ports.ts';
import type { Clock } from '../ports.ts';
import { copyOf, copyOfEntry, type Parcel, type Surroundings, Way, type WayEnd } from './peer-way.ts';

/** The nodes of one process, and what lies between them. */
export class PeerHub implements Surroundings {
  readonly clock: Clock;
  /** Bytes that may wait for a node. */
  readonly unsentMaxBytes: number;
  readonly #nodes = new Map<string, MemoryPeers>();
  readonly #cuts = new Set<string>();
  readonly #delays = new Map<string, number>();

  /** @param options.unsentMaxBytes what may wait for a node, 8 MiB by default; QoS 0 messages and pushes beyond it drop */
  constructor(clock: Clock, options: { readonly unsentMaxBytes?: number } = {}) {
    this.clock = clock;
    this.unsentMaxBytes = options.unsentMaxBytes ?? 8 * 1024 * 1024;
  }

  /** The Peers of a node. */
  peers(self: Member): Peers {
    const peers = new MemoryPeers(this, self);
    this.#nodes.set(self.node, peers);
    return peers;
  }

  /** Cuts the way that one node sends another by; what is under way there is lost. */
  cut(from: string, to: string): void {
    this.#cuts.add(wayOf(from, to));
    this.#nodes.get(from)?.wayTo(to)?.close();
  }

  /** Mends it. */
  heal(from: string, to: string): void {
    this.#cuts.delete(wayOf(from, to));
    this.#nodes.get(from)?.wayTo(to)?.open();
  }

  /** How long everything takes that is sent that way from now on, in milliseconds; order is kept. */
  delay(from: string, to: string, ms: number): void {
    this.#delays.set(wayOf(from, to), ms);
  }

  /** @internal */
  delayMs(from: string, to: string): number {
    return this.#delays.get(wayOf(from, to)) ?? 0;
  }

  /** @internal The node at the other end, if it can be reached and lets us in. */
  reach(from: string, to: string): MemoryPeers | undefined {
    const peers = this.#cuts.has(wayOf(from, to)) ? undefined : this.#nodes.get(to);
    return peers?.letsIn(from) ? peers : undefined;
  }

  /** @internal A node begins or ends to let others in: ways to it open, or close. */
  changed(to: string): void {
    for (const [from, peers] of this.#nodes) {
      const way = peers.wayTo(to);
      if (this.reach(from, to) === undefined) way?.close();
      else way?.open();
    }
  }
}

class MemoryPeers implements Peers, WayEnd {
  readonly self: Member;
  readonly #hub: PeerHub;
  readonly #ways = new Map<string, Way>();
  /** The highest number each node has delivered. */
  readonly #taken = new Map<string, number>();
  readonly #gone = new Set<string>();
  #named: ReadonlySet<string> = new Set();
  /** Above every number that has been given to a delivery. */
  #firstSequence = 1;
  #inbox: PeerInbox | undefined = undefined;
  #isClosed = false;

  constructor(hub: PeerHub, self: Member) {
    this.#hub = hub;
    this.self = self;
  }

  start(inbox: PeerInbox): void {
    this.#inbox = inbox;
    this.#hub.changed(this.self.node);
  }

  meet(members: readonly Member[]): void {
    if (this.#isClosed) return;
    const named = new Set(members.map(({ node }) => node));
    named.delete(this.self.node);
    for (const node of this.#named) if (!named.has(node)) this.#gone.add(node);
    for (const node of named) this.#gone.delete(node);
    const isUnheard = [...named].some(
      (node) => this.#named.has(node) && this.#hub.reach(node, this.self.node) === undefined,
    );
    this.#named = named;
    for (const [node, way] of this.#ways) if (!named.has(node)) this.#leave(node, way);
    for (const node of named) {
      if (!this.#ways.has(node)) this.#ways.set(node, new Way(this.#hub, this.self.node, node, this.#firstSequence));
      this.#ways.get(node)?.open();
    }
    this.#hub.changed(this.self.node);
    if (isUnheard) this.look();
  }

  publish(node: string, message: PeerMessage): boolean {
    return this.#ways.get(node)?.send({ is: 'publish', message: copyOf(message) }) ?? false;
  }

  deliver(node: string, messages: readonly PeerMessage[]): Promise<boolean> {
    return this.#ways.get(node)?.deliver(messages) ?? Promise.resolve(false);
  }

  push(node: string, push: PeerPush): void {
    const { entry } = push;
    const copy = entry === undefined ? push : { ...push, entry: copyOfEntry(entry) };
    this.#ways.get(node)?.send({ is: 'push', push: copy });
  }

  kick(node: string, clientId: string, epoch: number): void {
    this.#ways.get(node)?.send({ is: 'kick', clientId, epoch });
  }

  unreachableMs(node: string): number {
    return this.#ways.get(node)?.unreachableMs() ?? 0;
  }

  giveUp(node: string): void {
    this.#ways.get(node)?.giveUp();
  }

  asksStore(node: string): Promise<boolean | undefined> {
    return this.#ways.get(node)?.ask() ?? Promise.resolve(undefined);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const [node, way] of this.#ways) this.#leave(node, way);
    this.#inbox = undefined;
    this.#hub.changed(this.self.node);
  }

  /** The way to a node, if it is named. */
  wayTo(node: string): Way | undefined {
    return this.#ways.get(node);
  }

  /** Whether a node may send here. One that is not named yet has read the register earlier than we. */
  letsIn(from: string): boolean {
    return this.#inbox !== undefined && !this.#gone.has(from);
  }

  /** The highest number that a node has delivered. */
  takenFrom(node: string): number {
    return this.#taken.get(node) ?? 0;
  }

  look(): void {
    this.#hub.clock.endOfTurn(() => this.#inbox?.look());
  }

  storeAnswers(): boolean | undefined {
    return this.#inbox?.storeAnswers();
  }

  receive(from: string, { items, floor }: Parcel): void {
    let taken = Math.max(this.takenFrom(from), floor - 1);
    let deliveries: PeerMessage[] = [];
    const handOver = (): void => {
      if (deliveries.length > 0) this.#inbox?.deliver(deliveries);
      for (const { message } of deliveries) overwrite(message);
      deliveries = [];
    };
    for (const item of items) {
      if (item.is !== 'deliver') handOver();
      switch (item.is) {
        case 'publish':
          this.#inbox?.publish(item.message);
          overwrite(item.message.message);
          break;
        case 'deliver':
          if (item.sequence > taken + 1) throw new Error(`delivery ${item.sequence} came after ${taken}`);
          if (item.sequence === taken + 1) deliveries.push(copyOf(item.message));
          taken = Math.max(taken, item.sequence);
          break;
        case 'push':
          this.#inbox?.push(item.push);
          if (item.push.entry !== undefined) overwrite(item.push.entry.message);
          break;
        case 'kick':
          this.#inbox?.kick(item.clientId, item.epoch);
          break;
        case 'look':
          this.#inbox?.look();
          break;
      }
    }
    handOver();
    this.#taken.set(from, taken);
  }

  #leave(node: string, way: Way): void {
    this.#ways.delete(node);
    this.#firstSequence = Math.max(this.#firstSequence, way.nextSequence);
    way.close();
    way.giveUp();
  }
}

function wayOf(from: string, to: string): string {
  return `${from}\0${to}`;
}

/** What a receive buffer does to the bytes of a message when the next one comes. */
function overwrite({ payload, properties }: Message): void {
  payload.fill(0xff);
  properties?.correlationData?.fill(0xff);
}
