// The way from one node to another in the same process: what goes it arrives in order, at the end of a turn or after
// the delay that is set, or is lost when the way closes.
//
// Deliveries are numbered and kept until they are acknowledged, and go again when the way opens. A number that was given
// up is not used again: what is sent names the lowest that still counts, and nobody waits for those below.

import { bytesOf, type Message } from '../message.ts';
import type { PeerMessage, PeerPush } from '../peer-ports.ts';
import type { Clock, QueueEntry } from '../ports.ts';

/** How long a question may take, in milliseconds. */
const askMs = 1000;

/** What goes a way. `look` says that pushes were dropped before it. */
export type Item =
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

/** What one turn sent, and when it is there. */
export interface Parcel {
  readonly items: readonly Item[];
  /** Deliveries below it are settled. */
  readonly floor: number;
  readonly bytes: number;
  readonly arrivesMs: number;
}

/** The end of a way that receives. */
export interface WayEnd {
  /** The highest number that a node has delivered. */
  takenFrom(node: string): number;
  receive(from: string, parcel: Parcel): void;
  /** Has a look at what may have been lost. */
  look(): void;
  storeAnswers(): boolean | undefined;
}

/** Where a way leads through. */
export interface Surroundings {
  readonly clock: Clock;
  /** Bytes that may wait for a node. */
  readonly unsentMaxBytes: number;
  /** How long it takes from one node to another. */
  delayMs(from: string, to: string): number;
  /** The node at the other end, if it can be reached and lets us in. */
  reach(from: string, to: string): WayEnd | undefined;
}

/** The way from one node to another. */
export class Way {
  readonly #hub: Surroundings;
  readonly #from: string;
  readonly #to: string;
  /** The number of the next delivery. */
  nextSequence: number;
  /** The other end, while the way is open. */
  #receiver: WayEnd | undefined = undefined;
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
  /** The highest number that has been sent. */
  #sentSequence = 0;

  constructor(hub: Surroundings, from: string, to: string, firstSequence: number) {
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
    // What was sent and did not arrive goes first.
    const again = this.#waiting.map(({ item }) => item).filter(({ sequence }) => sequence <= this.#sentSequence);
    this.#turn = [...again, ...this.#turn];
    this.#turnBytes = this.#turn.reduce((bytes, item) => bytes + sizeOf(item), 0);
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

  /** @see Peers.deliver */
  deliver(messages: readonly PeerMessage[]): Promise<boolean> {
    if (messages.length === 0) return Promise.resolve(true);
    return new Promise((settled) => {
      messages.forEach((message, index) => {
        const item: Item = { is: 'deliver', message: copyOf(message), sequence: this.nextSequence++ };
        const sinceMs = this.#hub.clock.monotonicMs();
        this.#waiting.push({ item, sinceMs, settled: index === messages.length - 1 ? settled : undefined });
        this.#add(item);
      });
    });
  }

  /** @see Peers.unreachableMs */
  unreachableMs(): number {
    const [oldest] = this.#waiting;
    if (oldest === undefined || this.#receiver !== undefined) return 0;
    return this.#hub.clock.monotonicMs() - Math.max(oldest.sinceMs, this.#closedMs);
  }

  /** @see Peers.giveUp */
  giveUp(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    if (this.#receiver === undefined) {
      this.#turn = [];
      this.#turnBytes = 0;
    }
    for (const { settled } of waiting) settled?.(false);
  }

  /** @see Peers.asksStore */
  ask(): Promise<boolean | undefined> {
    const { clock } = this.#hub;
    return new Promise((resolve) => {
      const cancel = clock.after(askMs, () => resolve(undefined));
      const there = this.#hub.delayMs(this.#from, this.#to);
      const back = this.#hub.delayMs(this.#to, this.#from);
      const answer = (): void => {
        const isOpen = this.#hub.reach(this.#from, this.#to) !== undefined;
        const storeAnswers = isOpen ? this.#receiver?.storeAnswers() : undefined;
        if (storeAnswers === undefined) return;
        cancel();
        resolve(storeAnswers);
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
    this.#sentSequence = this.nextSequence - 1;
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

function sizeOf(item: Item): number {
  if (item.is === 'publish' || item.is === 'deliver') return bytesOf(item.message.message);
  return item.is === 'push' && item.push.entry !== undefined ? bytesOf(item.push.entry.message) : 100;
}

/** A message with bytes of its own. */
export function copyOf(peerMessage: PeerMessage): PeerMessage {
  return { ...peerMessage, message: copyOfMessage(peerMessage.message) };
}

/** What a push tells of a queue's entry, with bytes of its own. */
export function copyOfEntry(entry: QueueEntry): QueueEntry {
  const { sharedFilter: _, ...told } = entry;
  return { ...told, message: copyOfMessage(entry.message) };
}

/** @see copyOf */
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
