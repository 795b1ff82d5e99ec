// Several nodes in one process, and the ways between them: cut, delayed and healed by whoever holds the hub.
//
// It keeps to the promises of Peers no better than a network would let it: what is under way when a way is cut is lost,
// and an acknowledgement with it, so that deliveries go again; bytes are overwritten once they have been handed over,
// so that nobody keeps them.
//
// Time is the given clock's. What takes no time arrives at the end of a turn, never in the call that sends it.

import { bytesOf, type Message } from '../message.ts';
import type { Member, PeerInbox, PeerMessage, PeerPush, Peers } from '../peer-ports.ts';
import type { Clock } from '../ports.ts';

/** How long a question may take, in milliseconds. */
const askMs = 1000;

/** What goes a way; undefined in place of a push says that some were dropped. */
type Item =
  | { readonly is: 'publish'; readonly message: PeerMessage }
  | { readonly is: 'deliver'; readonly message: PeerMessage; readonly sequence: number }
  | { readonly is: 'push'; readonly push: PeerPush }
  | { readonly is: 'kick'; readonly clientId: string; readonly epoch: number }
  | { readonly is: 'look' };

interface Waiting {
  readonly item: Extract<Item, { is: 'deliver' }>;
  readonly sinceMs: number;
  readonly settled: ((taken: boolean) => void) | undefined;
}

/** Several on their way at once, and when they are there. */
interface Parcel {
  readonly items: readonly Item[];
  /** Deliveries below it are settled. */
  readonly floor: number;
  readonly bytes: number;
  readonly arrivesMs: number;
}

/** The nodes of one process, and what lies between them. */
export class PeerHub {
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

class MemoryPeers implements Peers {
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
    this.#named = named;
    for (const [node, way] of this.#ways) if (!named.has(node)) this.#leave(node, way);
    for (const node of named) {
      if (!this.#ways.has(node)) this.#ways.set(node, new Way(this.#hub, this.self.node, node, this.#firstSequence));
      this.#ways.get(node)?.open();
    }
    this.#hub.changed(this.self.node);
  }

  publish(node: string, message: PeerMessage): boolean {
    return this.#ways.get(node)?.send({ is: 'publish', message: copyOf(message) }) ?? false;
  }

  deliver(node: string, messages: readonly PeerMessage[]): Promise<boolean> {
    return this.#ways.get(node)?.deliver(messages) ?? Promise.resolve(false);
  }

  push(node: string, push: PeerPush): void {
    const { entry } = push;
    const copy = entry === undefined ? push : { ...push, entry: { ...entry, message: copyOfMessage(entry.message) } };
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
    this.#inbox?.look();
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

/** The way from one node to another. */
class Way {
  readonly #hub: PeerHub;
  readonly #from: string;
  readonly #to: string;
  nextSequence: number;
  /** The other end, while the way is open. */
  #receiver: MemoryPeers | undefined = undefined;
  /** Counts its openings and closings: what was under way before does not arrive. */
  #stream = 0;
  #closedMs: number;
  #turn: Item[] = [];
  #turnBytes = 0;
  #turnEnds = false;
  #parcels: Parcel[] = [];
  #parcelBytes = 0;
  #owesLook = false;
  #waiting: Waiting[] = [];

  constructor(hub: PeerHub, from: string, to: string, firstSequence: number) {
    this.#hub = hub;
    this.#from = from;
    this.#to = to;
    this.nextSequence = firstSequence;
    this.#closedMs = hub.clock.monotonicMs();
  }

  /** Opens the way if the other end can be reached. */
  open(): void {
    const receiver = this.#hub.reach(this.#from, this.#to);
    if (receiver === undefined || this.#receiver !== undefined) return;
    this.#receiver = receiver;
    this.#stream += 1;
    receiver.look();
    this.#settle(receiver.takenFrom(this.#from));
    // What waits goes first; its numbers are lower than any that are sent from now on.
    const later = this.#turn.filter(({ is }) => is !== 'deliver');
    this.#turn = [...this.#waiting.map(({ item }) => item), ...later];
    this.#endTurn();
  }

  /** The way is cut, or its other end has gone. */
  close(): void {
    if (this.#receiver === undefined) return;
    const receiver = this.#receiver;
    this.#receiver = undefined;
    this.#stream += 1;
    this.#parcels = [];
    this.#parcelBytes = 0;
    this.#closedMs = this.#hub.clock.monotonicMs();
    receiver.look();
  }

  /** @returns false if it was dropped, because too much waits */
  send(item: Item): boolean {
    if (this.#turnBytes + this.#parcelBytes >= this.#hub.unsentMaxBytes) {
      if (item.is === 'push') this.#owesLook = true;
      return false;
    }
    this.#add(item);
    return true;
  }

  deliver(messages: readonly PeerMessage[]): Promise<boolean> {
    if (messages.length === 0) return Promise.resolve(true);
    return new Promise((settled) => {
      messages.forEach((message, index) => {
        const item: Item = { is: 'deliver', message: copyOf(message), sequence: this.nextSequence++ };
        const sinceMs = this.#hub.clock.monotonicMs();
        this.#waiting.push({ item, sinceMs, settled: index === messages.length - 1 ? settled : undefined });
        // While the way is closed it waits only: what waits is sent when it opens.
        if (this.#receiver !== undefined) this.#add(item);
      });
    });
  }

  unreachableMs(): number {
    const [oldest] = this.#waiting;
    if (oldest === undefined || this.#receiver !== undefined) return 0;
    return this.#hub.clock.monotonicMs() - Math.max(oldest.sinceMs, this.#closedMs);
  }

  giveUp(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { settled } of waiting) settled?.(false);
  }

  ask(): Promise<boolean | undefined> {
    const { clock } = this.#hub;
    return new Promise((resolve) => {
      clock.after(askMs, () => resolve(undefined));
      const there = this.#hub.delayMs(this.#from, this.#to);
      const back = this.#hub.delayMs(this.#to, this.#from);
      const answer = (): void => {
        const isOpen = this.#hub.reach(this.#from, this.#to) !== undefined;
        const storeAnswers = isOpen ? this.#receiver?.storeAnswers() : undefined;
        if (storeAnswers !== undefined) resolve(storeAnswers);
      };
      if (there + back === 0) clock.endOfTurn(answer);
      else clock.after(there + back, answer);
    });
  }

  #add(item: Item): void {
    this.#turn.push(item);
    this.#turnBytes += sizeOf(item);
    this.#endTurn();
  }

  #endTurn(): void {
    if (this.#turnEnds) return;
    this.#turnEnds = true;
    this.#hub.clock.endOfTurn(() => {
      this.#turnEnds = false;
      this.#sendTurn();
    });
  }

  #sendTurn(): void {
    if (this.#receiver === undefined || (this.#turn.length === 0 && !this.#owesLook)) return;
    const items = this.#owesLook ? [...this.#turn, { is: 'look' as const }] : this.#turn;
    const nowMs = this.#hub.clock.monotonicMs();
    // What is delayed less than what went before it stays behind it.
    const arrivesMs = Math.max(
      nowMs + this.#hub.delayMs(this.#from, this.#to),
      this.#parcels.at(-1)?.arrivesMs ?? nowMs,
    );
    const bytes = this.#turnBytes;
    const floor = this.#waiting[0]?.item.sequence ?? this.nextSequence;
    this.#parcels.push({ items, floor, bytes, arrivesMs });
    this.#parcelBytes += bytes;
    this.#turn = [];
    this.#turnBytes = 0;
    this.#owesLook = false;
    this.#later(arrivesMs - nowMs, () => this.#arrive());
  }

  /** The oldest that is under way has arrived; each has a call of its own. */
  #arrive(): void {
    const parcel = this.#parcels.shift();
    const receiver = this.#receiver;
    if (parcel === undefined || receiver === undefined) return;
    this.#parcelBytes -= parcel.bytes;
    receiver.receive(this.#from, parcel);
    const taken = receiver.takenFrom(this.#from);
    this.#later(this.#hub.delayMs(this.#to, this.#from), () => this.#settle(taken));
  }

  #settle(taken: number): void {
    while (this.#waiting[0] !== undefined && this.#waiting[0].item.sequence <= taken) {
      this.#waiting.shift()?.settled?.(true);
    }
  }

  /** Does something after a while, if the way has not been closed by then. */
  #later(delayMs: number, task: () => void): void {
    const stream = this.#stream;
    const unlessClosed = (): void => {
      if (stream === this.#stream) task();
    };
    if (delayMs <= 0) this.#hub.clock.endOfTurn(unlessClosed);
    else this.#hub.clock.after(delayMs, unlessClosed);
  }
}

function wayOf(from: string, to: string): string {
  return `${from}\0${to}`;
}

function sizeOf(item: Item): number {
  if (item.is === 'publish' || item.is === 'deliver') return bytesOf(item.message.message);
  return item.is === 'push' && item.push.entry !== undefined ? bytesOf(item.push.entry.message) : 100;
}

function copyOf({ message, uid }: PeerMessage): PeerMessage {
  return { message: copyOfMessage(message), uid };
}

function copyOfMessage(message: Message): Message {
  const { properties } = message;
  const correlationData = properties?.correlationData;
  return {
    ...message,
    payload: new Uint8Array(message.payload),
    properties:
      correlationData === undefined ? properties : { ...properties, correlationData: new Uint8Array(correlationData) },
    frames: undefined,
  };
}

/** What a receive buffer does to the bytes of a message when the next one comes. */
function overwrite({ payload, properties }: Message): void {
  payload.fill(0xff);
  properties?.correlationData?.fill(0xff);
}
