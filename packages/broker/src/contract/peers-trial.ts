// Some nodes under test, and what each has heard.

import type { Member, PeerInbox, PeerMessage, PeerPush, Peers } from '../peer-ports.ts';
import { messageOn, textOf } from './samples.ts';

/** Where nodes are, and what lies between them. */
export interface PeersPlace extends AsyncDisposable {
  /** Makes the Peers of a new node. */
  peers(name: string): Promise<Peers>;
  /** A node as another one is to be told of it. */
  member(viewer: string, name: string): Member;
  /** Cuts the way that one node sends another by, until it is healed. What is under way there may be lost. */
  cut(from: string, to: string): void;
  heal(from: string, to: string): void;
  /** Waits until something is so, while time passes. */
  until(fact: () => boolean): Promise<void>;
}

export interface PlaceOptions {
  /** Bytes that may wait for a node. */
  readonly unsentMaxBytes: number;
}

/** Makes a place without nodes. */
export type OpenPeers = (options: PlaceOptions) => Promise<PeersPlace>;

/** What a node has been told by others, but for looks. */
export type Heard =
  | { readonly is: 'publish'; readonly message: PeerMessage }
  | { readonly is: 'deliver'; readonly message: PeerMessage }
  | { readonly is: 'push'; readonly push: PeerPush }
  | { readonly is: 'kick'; readonly clientId: string; readonly epoch: number };

/** A QoS 1 message that bears a text as payload. */
export function deliveryOf(text: string, fields: Partial<PeerMessage['message']> = {}): PeerMessage {
  return { message: messageOn('lamp', text, fields), uid: undefined };
}

/** What was stored for a Session under a seq. */
export function pushOf(seq: number): PeerPush & { readonly entry: NonNullable<PeerPush['entry']> } {
  const message = messageOn('lamp', `${seq}`, { qos: 2 });
  return {
    clientId: 'reader',
    generation: 'g1',
    epoch: 3,
    entry: { seq, message, qos: 2, retain: false, subscriptionIdentifiers: undefined },
    sentSeq: seq,
  };
}

/** A node that keeps what it hears. Bytes are copied, since they are only lent. */
export class TrialNode implements PeerInbox {
  readonly peers: Peers;
  readonly heard: Heard[] = [];
  looks = 0;
  /** What this node says of its store. */
  hasStore = true;
  readonly #trial: PeersTrial;

  constructor(trial: PeersTrial, peers: Peers) {
    this.#trial = trial;
    this.peers = peers;
    peers.start(this);
  }

  publish(message: PeerMessage): void {
    this.heard.push({ is: 'publish', message: copyOf(message) });
  }

  deliver(messages: readonly PeerMessage[]): void {
    for (const message of messages) this.heard.push({ is: 'deliver', message: copyOf(message) });
  }

  push(push: PeerPush): void {
    const { entry } = push;
    const copy = entry === undefined ? undefined : { ...entry, message: copyOf({ ...entry, uid: '' }).message };
    this.heard.push({ is: 'push', push: { ...push, entry: copy } });
  }

  kick(clientId: string, epoch: number): void {
    this.heard.push({ is: 'kick', clientId, epoch });
  }

  look(): void {
    this.looks += 1;
  }

  storeAnswers(): boolean {
    return this.hasStore;
  }

  /** What it has heard, in words: the kind, and the number or the beginning of the text that tells it from others. */
  words(): string[] {
    return this.heard.map((heard) => {
      if (heard.is === 'kick') return `kick ${heard.epoch}`;
      if (heard.is === 'push') return `push ${heard.push.entry?.seq}`;
      return `${heard.is} ${textOf({ payload: heard.message.message.payload.subarray(0, 24) })}`;
    });
  }

  /** Delivers a marker to another node: what was sent there before it has arrived, or never will. */
  async marker(node: string): Promise<void> {
    const taken = await this.#trial.settled(this.peers.deliver(node, [deliveryOf('marker')]));
    if (!taken) throw new Error(`${node} has not taken the marker`);
  }
}

/** Some nodes in one place. */
export class PeersTrial implements AsyncDisposable {
  readonly place: PeersPlace;
  readonly #nodes = new Map<string, TrialNode>();

  private constructor(place: PeersPlace) {
    this.place = place;
  }

  static async open(open: OpenPeers, options: Partial<PlaceOptions> = {}): Promise<PeersTrial> {
    return new PeersTrial(await open({ unsentMaxBytes: 8 * 1024 * 1024, ...options }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.place[Symbol.asyncDispose]();
  }

  /** A new node, which has been told of no other. */
  async node(name: string): Promise<TrialNode> {
    const node = new TrialNode(this, await this.place.peers(name));
    this.#nodes.set(name, node);
    return node;
  }

  /** The nodes a and b, with open ways between them; nothing but looks has been heard. */
  async pair(): Promise<readonly [TrialNode, TrialNode]> {
    const a = await this.node('a');
    const b = await this.node('b');
    this.meetAll();
    await this.until(() => a.looks > 0 && b.looks > 0);
    await a.marker('b');
    await b.marker('a');
    a.heard.length = 0;
    b.heard.length = 0;
    return [a, b];
  }

  /** Tells each node of all. */
  meetAll(): void {
    for (const [viewer, { peers }] of this.#nodes) {
      peers.meet([...this.#nodes.keys()].map((name) => this.place.member(viewer, name)));
    }
  }

  member(viewer: string, name: string): Member {
    return this.place.member(viewer, name);
  }

  until(fact: () => boolean): Promise<void> {
    return this.place.until(fact);
  }

  /** What a promise comes to, while time passes. */
  async settled<Value>(promise: Promise<Value>): Promise<Value> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    await this.until(() => isSettled);
    return promise;
  }
}

function copyOf(peerMessage: PeerMessage): PeerMessage {
  const { message } = peerMessage;
  const { properties } = message;
  const correlationData = properties?.correlationData;
  return {
    ...peerMessage,
    message: {
      ...message,
      payload: Uint8Array.from(message.payload),
      properties:
        correlationData === undefined
          ? properties
          : { ...properties, correlationData: Uint8Array.from(correlationData) },
    },
  };
}
