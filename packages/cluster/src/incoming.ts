// What comes from peers: a stream from each, its batches handed to the inbox, its deliveries acknowledged once a turn.
//
// What a node has delivered is remembered beyond its streams, so that what it sends again is not taken twice. A newer
// stream of a node replaces the older one, which may be half-open. A node that is no longer named is let go of and not
// let in again; one that has not been named yet has read the register earlier than we.
//
// Invariant: at most forgottenMax nodes are remembered that are not named and have no stream.

import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import type { Clock, Member, PeerInbox } from '@skein/broker';
import type { TopicTable } from '@skein/protocol';
import type { Refusal } from './credentials.ts';
import type { PeersEvent } from './event.ts';
import { FrameReader, MalformedBatch, type Taken } from './frame-reader.ts';
import type { Ack, Batch } from './generated/peer.ts';

/** A stream as the server has it. */
export type ServerStream = ServerDuplexStream<Batch, Ack>;

/** Nodes remembered that are not there: each start of a node is one. */
const forgottenMax = 1024;

/** A node that sends, or has sent. */
interface Sender extends Taken {
  isNamed: boolean;
  /** It was named, and is not any more. */
  isGone: boolean;
  stream: ServerStream | undefined;
}

export interface IncomingOptions {
  readonly clock: Pick<Clock, 'endOfTurn'>;
  readonly inbox: PeerInbox;
  readonly topics: TopicTable | undefined;
  readonly alive: (() => void) | undefined;
  readonly onEvent: (event: PeersEvent) => void;
}

/** The receiver's end of all ways to a node. */
export class Incoming {
  readonly #options: IncomingOptions;
  readonly #senders = new Map<string, Sender>();
  #isEnded = false;

  constructor(options: IncomingOptions) {
    this.#options = options;
  }

  /** Learns which nodes there are; what others send is not read any more. */
  meet(members: readonly Member[]): void {
    const named = new Set(members.map(({ node }) => node));
    let isUnheard = false;
    for (const node of named) {
      const sender = this.#sender(node);
      if (sender.isNamed && sender.stream === undefined) isUnheard = true;
      sender.isNamed = true;
      sender.isGone = false;
    }
    for (const [node, sender] of this.#senders) {
      if (named.has(node) || !sender.isNamed) continue;
      sender.isNamed = false;
      sender.isGone = true;
      if (sender.stream !== undefined) refuse(sender.stream, gone);
      sender.stream = undefined;
    }
    this.#forgetSome();
    // rule: Push. What a node cannot tell us that is there, we look for: once a second, as often as this is called.
    if (isUnheard) this.#options.inbox.look();
  }

  /** Reads a stream that a node has opened. */
  receive(node: string, stream: ServerStream): void {
    const sender = this.#sender(node);
    if (this.#isEnded || sender.isGone) return refuse(stream, gone);
    const { clock, inbox, topics, alive, onEvent } = this.#options;
    if (sender.stream !== undefined) this.#ended(sender, sender.stream, replaced);
    sender.stream = stream;
    const reader = new FrameReader(inbox, topics);
    let acknowledged = -1;
    let ackComes = false;
    let isDraining = false;
    const acknowledge = (): void => {
      ackComes = false;
      if (sender.stream !== stream || isDraining || acknowledged === sender.taken) return;
      acknowledged = sender.taken;
      isDraining = !stream.write({ taken: acknowledged });
    };
    stream.on('data', (batch: Batch) => {
      alive?.();
      if (sender.stream !== stream || this.#isEnded) return;
      try {
        reader.read(batch, sender);
      } catch (error) {
        if (!(error instanceof MalformedBatch)) throw error;
        onEvent({ is: 'malformed', from: node, why: error.message });
        this.#ended(sender, stream, { code: status.DATA_LOSS, details: error.message });
        return;
      }
      if (ackComes || acknowledged === sender.taken) return;
      ackComes = true;
      clock.endOfTurn(acknowledge);
    });
    stream.on('drain', () => {
      isDraining = false;
      acknowledge();
    });
    for (const end of ['end', 'cancelled', 'error']) stream.on(end, () => this.#ended(sender, stream, undefined));
    inbox.look();
    acknowledge();
  }

  /** Ends all streams; nothing is read any more. */
  end(): void {
    this.#isEnded = true;
    for (const { stream } of this.#senders.values()) if (stream !== undefined) refuse(stream, gone);
    this.#senders.clear();
  }

  #sender(node: string): Sender {
    let sender = this.#senders.get(node);
    if (sender === undefined) {
      sender = { taken: 0, isNamed: false, isGone: false, stream: undefined };
      this.#senders.set(node, sender);
    }
    return sender;
  }

  /** A stream ends, of itself or for a reason that its sender is told. */
  #ended(sender: Sender, stream: ServerStream, refusal: Refusal | undefined): void {
    if (sender.stream !== stream) return;
    sender.stream = undefined;
    if (refusal === undefined) stream.end();
    else refuse(stream, refusal);
    if (!this.#isEnded) this.#options.inbox.look();
    this.#forgetSome();
  }

  #forgetSome(): void {
    let spare = this.#senders.size - forgottenMax;
    if (spare <= 0) return;
    for (const [node, { isNamed, stream }] of this.#senders) {
      if (isNamed || stream !== undefined) continue;
      this.#senders.delete(node);
      spare -= 1;
      if (spare <= 0) return;
    }
  }
}

const gone: Refusal = { code: status.FAILED_PRECONDITION, details: 'this node does not know that one, or is leaving' };
const replaced: Refusal = { code: status.ABORTED, details: 'a newer stream of the same node has taken its place' };

function refuse(stream: ServerStream, { code, details }: Refusal): void {
  stream.emit('error', { code, details });
}
