// The other nodes, as a broker meets them: a way to each, and the receiving end of their ways to us.

import type { Clock, Member, PeerInbox, PeerMessage, PeerPush, Peers } from '@skein/broker';
import type { TopicTable } from '@skein/protocol';
import type { PeersEvent } from './event.ts';
import { Incoming, type ServerStream } from './incoming.ts';
import { Way } from './way.ts';

/** Bytes that may wait for a peer, unless said otherwise. */
const unsentMaxBytes = 8 * 1024 * 1024;

export interface PeersOptions {
  /** This start of the node. Peers connect to its address, and must say its secret. */
  readonly self: Member;
  readonly clock: Clock;
  /** Where Topic Names are looked up, best the one that Clients' packets are read with. */
  readonly topics?: TopicTable | undefined;
  /** Called before anything that comes from a peer is looked at: it may find that this node must close. */
  readonly alive?: (() => void) | undefined;
  /** Bytes that may wait for a peer, 8 MiB by default; beyond it QoS 0 messages and pushes are dropped. */
  readonly unsentMaxBytes?: number | undefined;
}

/** Peers over gRPC, for one start of a node. */
export class GrpcPeers implements Peers {
  /** Who we are, and who may come in only if he knows it. */
  readonly self: Member;
  readonly #options: PeersOptions;
  readonly #onEvent: (event: PeersEvent) => void;
  readonly #closed: () => void;
  readonly #ways = new Map<string, Way>();
  /** Above every number that has been given to a delivery: a node that is named anew gets none for a second time. */
  #firstSequence = 1;
  #inbox: PeerInbox | undefined = undefined;
  #incoming: Incoming | undefined = undefined;
  #closing: Promise<void> | undefined = undefined;

  /** @param closed called once, when no stream is left */
  constructor(options: PeersOptions, onEvent: (event: PeersEvent) => void, closed: () => void) {
    this.self = options.self;
    this.#options = options;
    this.#onEvent = onEvent;
    this.#closed = closed;
  }

  /** @inheritdoc */
  start(inbox: PeerInbox): void {
    const { clock, topics, alive } = this.#options;
    this.#inbox = inbox;
    this.#incoming = new Incoming({ clock, inbox, topics, alive, onEvent: this.#onEvent });
  }

  /** @inheritdoc */
  meet(members: readonly Member[]): void {
    if (this.#closing !== undefined) return;
    const others = members.filter(({ node }) => node !== this.self.node);
    this.#incoming?.meet(others);
    const named = new Set(others.map(({ node }) => node));
    for (const [node, way] of this.#ways) if (!named.has(node)) this.#leave(node, way);
    for (const peer of others) if (!this.#ways.has(peer.node)) this.#ways.set(peer.node, this.#wayTo(peer));
  }

  /** @inheritdoc */
  publish(node: string, message: PeerMessage): boolean {
    return this.#ways.get(node)?.outgoing.publish(message) ?? false;
  }

  /** @inheritdoc */
  deliver(node: string, messages: readonly PeerMessage[]): Promise<boolean> {
    return this.#ways.get(node)?.outgoing.deliver(messages) ?? Promise.resolve(false);
  }

  /** @inheritdoc */
  push(node: string, push: PeerPush): void {
    this.#ways.get(node)?.outgoing.push(push);
  }

  /** @inheritdoc */
  kick(node: string, clientId: string, epoch: number): void {
    this.#ways.get(node)?.outgoing.kick(clientId, epoch);
  }

  /** @inheritdoc */
  unreachableMs(node: string): number {
    return this.#ways.get(node)?.outgoing.unreachableMs() ?? 0;
  }

  /** @inheritdoc */
  giveUp(node: string): void {
    this.#ways.get(node)?.outgoing.giveUp();
  }

  /** @inheritdoc */
  asksStore(node: string): Promise<boolean | undefined> {
    return this.#ways.get(node)?.asksStore() ?? Promise.resolve(undefined);
  }

  /** @inheritdoc */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Reads the stream of a peer that has been let in. @returns false if nobody is there to read it */
  receive(node: string, stream: ServerStream): boolean {
    this.#incoming?.receive(node, stream);
    return this.#incoming !== undefined;
  }

  /** Whether the store answers; undefined if nobody is there to be asked. */
  storeAnswers(): boolean | undefined {
    return this.#closing === undefined ? this.#inbox?.storeAnswers() : undefined;
  }

  #wayTo(peer: Member): Way {
    const { clock } = this.#options;
    return new Way({
      self: this.self,
      peer,
      clock,
      unsentMaxBytes: this.#options.unsentMaxBytes ?? unsentMaxBytes,
      firstSequence: this.#firstSequence,
      onEvent: this.#onEvent,
    });
  }

  #leave(node: string, way: Way): void {
    this.#ways.delete(node);
    this.#firstSequence = Math.max(this.#firstSequence, way.outgoing.nextSequence);
    way.end();
  }

  async #close(): Promise<void> {
    // At once: whoever may own nothing any more takes charge of nothing.
    this.#incoming?.end();
    const ways = [...this.#ways.values()];
    this.#ways.clear();
    await Promise.all(ways.map((way) => way.close()));
    this.#closed();
  }
}
