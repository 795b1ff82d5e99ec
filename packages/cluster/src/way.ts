// The way to one peer: a stream that is opened anew whenever it has ended, for as long as the peer is named.
//
// Each attempt has a channel of its own, so that nothing of an old one lingers: no backoff, no address looked up once,
// no half-open socket. The stream counts as open when the peer has acknowledged: then it has let us in, and is the node
// we mean. Until then nothing is sent. A peer that is stopped, or behind a cable that was pulled, answers no ping.

import {
  type CallOptions,
  type ClientDuplexStream,
  type ClientOptions,
  credentials,
  type StatusObject,
} from '@grpc/grpc-js';
import type { Clock, Member } from '@skein/broker';
import { credentialsFor } from './credentials.ts';
import type { PeersEvent } from './event.ts';
import { type Ack, type Batch, PeerClient, PeerService } from './generated/peer.ts';
import { messageMaxBytes, pings } from './limits.ts';
import { Outgoing } from './outgoing.ts';
import { serializeBatch } from './serialize.ts';

/** How long until the next attempt, in milliseconds: twice as long each time, until a stream has lasted. */
const retryFirstMs = 50;
const retryMostMs = 1000;
/** How long a stream must last to count as good. */
const lastingMs = 1000;
/** How long an attempt may take. */
const attemptMs = 3000;
/** How long a question may take. */
const askMs = 1000;
/** How long what is under way may take to arrive when the way is closed. */
const closeMs = 250;

const options: ClientOptions = {
  ...pings,
  'grpc.max_receive_message_length': 4096,
  'grpc.max_send_message_length': messageMaxBytes,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.enable_retries': 0,
  'grpc.enable_channelz': 0,
};

export interface WayOptions {
  readonly self: Member;
  readonly peer: Member;
  readonly clock: Clock;
  readonly unsentMaxBytes: number;
  /** @see OutgoingOptions.firstSequence */
  readonly firstSequence: number;
  readonly onEvent: (event: PeersEvent) => void;
}

type Stream = ClientDuplexStream<Batch, Ack>;

/** The way to one peer. */
export class Way {
  /** What goes this way. */
  readonly outgoing: Outgoing;
  readonly #options: WayOptions;
  #client: PeerClient;
  #stream: Stream | undefined = undefined;
  /** When the stream was opened; undefined while it is not. */
  #openedMs: number | undefined = undefined;
  #retryMs = retryFirstMs;
  /** Whether the last that was told is that the way has ended. */
  #isToldBroken = false;
  #isEnded = false;
  /** Cancels what the clock was asked for. */
  #cancelTimer: () => void = () => undefined;
  /** What waits for the stream's end. */
  #onEnded: () => void = () => undefined;

  constructor(wayOptions: WayOptions) {
    const { clock, unsentMaxBytes, firstSequence, peer, onEvent } = wayOptions;
    this.#options = wayOptions;
    this.outgoing = new Outgoing({
      clock,
      unsentMaxBytes,
      firstSequence,
      narrowed: () => onEvent({ is: 'narrow', node: peer.node }),
    });
    this.#client = this.#newClient();
    this.#attempt();
  }

  /** @see Peers.asksStore */
  async asksStore(): Promise<boolean | undefined> {
    const { clock } = this.#options;
    const deadlineMs = clock.monotonicMs() + askMs;
    for (let leftMs = askMs; leftMs > 0 && !this.#isEnded; leftMs = deadlineMs - clock.monotonicMs()) {
      const answer = await this.#ask(leftMs);
      if (answer !== undefined) return answer;
      // The channel may have been the one that just ended.
      await new Promise<void>((resolve) => clock.after(retryFirstMs, resolve));
    }
    return undefined;
  }

  /** Ends the way at once; what waits for it ends too. */
  end(): void {
    this.#isEnded = true;
    this.#cancelTimer();
    this.outgoing.end();
    this.#stream?.cancel();
    this.#client.close();
    this.#onEnded();
  }

  /** Ends the way when what this turn has brought, and what is under way, has had time to arrive. */
  async close(): Promise<void> {
    const stream = this.#stream;
    if (stream !== undefined && this.#openedMs !== undefined) {
      this.#isEnded = true;
      this.outgoing.flush();
      stream.end();
      await new Promise<void>((resolve) => {
        this.#onEnded = resolve;
        this.#cancelTimer = this.#options.clock.after(closeMs, resolve);
      });
    }
    this.end();
  }

  #newClient(): PeerClient {
    return new PeerClient(`dns:${this.#options.peer.address}`, credentials.createInsecure(), options);
  }

  #attempt(): void {
    const { clock, self, peer } = this.#options;
    const { path, responseDeserialize } = PeerService.link;
    const metadata = credentialsFor(self.node, peer);
    const stream = this.#client.makeBidiStreamRequest(path, serializeBatch, responseDeserialize, metadata);
    this.#stream = stream;
    stream.on('data', (ack: Ack) => this.#acknowledged(stream, ack.taken));
    // What went wrong is in the status, which follows.
    stream.on('error', () => undefined);
    stream.on('status', (status: StatusObject) => this.#ended(stream, status.details));
    this.#cancelTimer = clock.after(attemptMs, () => this.#ended(stream, 'no answer'));
  }

  #acknowledged(stream: Stream, taken: number): void {
    if (stream !== this.#stream) return;
    const isGood = this.#openedMs === undefined ? this.#opened(stream, taken) : this.outgoing.acknowledge(taken);
    if (!isGood) this.#ended(stream, `it acknowledges delivery ${taken}, which it has not been sent`);
  }

  #opened(stream: Stream, taken: number): boolean {
    const { clock, peer, onEvent } = this.#options;
    this.#cancelTimer();
    this.#openedMs = clock.monotonicMs();
    this.#isToldBroken = false;
    onEvent({ is: 'opened', node: peer.node, address: peer.address });
    return this.outgoing.open(taken, (batch, written) => {
      // One batch at a time, and the next when this one has been taken: so what write returns is true.
      stream.write(batch, written);
    });
  }

  #ended(stream: Stream, why: string): void {
    if (stream !== this.#stream) return;
    this.#stream = undefined;
    this.#onEnded();
    if (this.#isEnded) return;
    const { clock, peer, onEvent } = this.#options;
    this.#cancelTimer();
    stream.cancel();
    this.#client.close();
    this.#client = this.#newClient();
    this.outgoing.broken();
    if (this.#openedMs !== undefined && clock.monotonicMs() - this.#openedMs >= lastingMs) this.#retryMs = retryFirstMs;
    this.#openedMs = undefined;
    if (!this.#isToldBroken) onEvent({ is: 'broken', node: peer.node, address: peer.address, why });
    this.#isToldBroken = true;
    this.#cancelTimer = clock.after(this.#retryMs, () => this.#attempt());
    this.#retryMs = Math.min(this.#retryMs * 2, retryMostMs);
  }

  #ask(withinMs: number): Promise<boolean | undefined> {
    const { self, peer } = this.#options;
    const callOptions: CallOptions = { deadline: Date.now() + withinMs };
    return new Promise((resolve) => {
      this.#client.ask({}, credentialsFor(self.node, peer), callOptions, (error, answer) => {
        resolve(error === null ? answer.storeAnswers : undefined);
      });
    });
  }
}
