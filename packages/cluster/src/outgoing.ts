// What waits to go to one peer, and what has gone there and is not yet acknowledged.
//
// Whatever is sent in a turn becomes one batch at its end. One batch is on its way into the stream at a time; while it
// is, more gathers behind it, so that a slow way carries fewer and larger batches. What gathers is bounded: beyond the
// bound QoS 0 messages are dropped and their publishers told, pushes are dropped and the peer told to look.
//
// Deliveries are numbered and kept until they are acknowledged: publishers wait for them, so that their windows are the
// bound. A stream that opens says what the peer has; what was sent and is not there goes again, then what has gathered.
// Numbers that are given up are never used again: each batch names the lowest that still counts, and the peer does not
// wait for those below.
//
// Invariant: #waiting holds, in order and without gaps, every delivery from the floor to #nextSequence - 1; the first
// #sent of them have been in a stream, the others are in #full and #filling.

import type { Clock, PeerMessage, PeerPush } from '@skein/broker';
import { Frames, type Piece } from './frames.ts';
import type { Batch } from './generated/peer.ts';

/** A batch that has reached this size, in bytes, is not added to. */
export const batchBytes = 262_144;

/** Batches kept for the next ones. */
const sparesMax = 4;

/** Puts a batch into the stream, and calls back when there is room for another; its bytes are free again then. */
export type Write = (batch: Batch, written: () => void) => void;

/** Some messages of one call, as they went into one batch. */
interface Delivery extends Piece {
  readonly first: number;
  readonly last: number;
  readonly sinceMs: number;
  /** Undefined if more messages of the same call follow. */
  readonly settled: ((taken: boolean) => void) | undefined;
}

export interface OutgoingOptions {
  readonly clock: Pick<Clock, 'monotonicMs' | 'endOfTurn'>;
  /** Bytes that may wait. */
  readonly unsentMaxBytes: number;
  /** The number of the first delivery; above all that this node has ever given one for that peer. */
  readonly firstSequence: number;
  /** The first message or push was dropped since all that waited had gone. */
  readonly narrowed: () => void;
}

/** The sender's end of a way: it outlives the streams. */
export class Outgoing {
  readonly #options: OutgoingOptions;
  #write: Write | undefined = undefined;
  /** Counts the streams, so that one that has ended is not heard any more. */
  #stream = 0;
  #isWriting = false;
  #flushComes = false;
  /** Batches that are full. */
  #full: Frames[] = [];
  #filling = new Frames();
  readonly #spares: Frames[] = [];
  #unsentBytes = 0;
  #isNarrow = false;
  #owesLook = false;

  #waiting: Delivery[] = [];
  #sent = 0;
  /** How many of the sent ones need not go into this stream again, or have. */
  #again = 0;
  #nextSequence: number;
  /** The highest number that has been in a stream. */
  #sentSequence: number;
  /** Since when the peer has not been reached: the end of a stream, until one brings an acknowledgement. */
  #unreachedSinceMs: number;
  readonly #flushNow = (): void => {
    this.#flushComes = false;
    this.#flush();
  };

  constructor(options: OutgoingOptions) {
    this.#options = options;
    this.#nextSequence = options.firstSequence;
    this.#sentSequence = options.firstSequence - 1;
    this.#unreachedSinceMs = options.clock.monotonicMs();
  }

  /** The number of the next delivery. */
  get nextSequence(): number {
    return this.#nextSequence;
  }

  /** @see Peers.publish */
  publish(message: PeerMessage): boolean {
    if (this.#isTooMuch()) return false;
    const before = this.#filling.bytes;
    this.#filling.publish(message);
    this.#added(before);
    return true;
  }

  /** @see Peers.push */
  push(push: PeerPush): void {
    if (this.#isTooMuch()) {
      this.#owesLook = true;
      return;
    }
    const before = this.#filling.bytes;
    this.#filling.push(push);
    this.#added(before);
  }

  /** @see Peers.kick */
  kick(clientId: string, epoch: number): void {
    if (this.#isTooMuch()) return;
    const before = this.#filling.bytes;
    this.#filling.kick(clientId, epoch);
    this.#added(before);
  }

  /** @see Peers.deliver */
  deliver(messages: readonly PeerMessage[]): Promise<boolean> {
    if (messages.length === 0) return Promise.resolve(true);
    return new Promise((settled) => {
      for (let at = 0; at < messages.length; ) at = this.#deliverSome(messages, at, settled);
    });
  }

  /** @see Peers.unreachableMs */
  unreachableMs(): number {
    const [oldest] = this.#waiting;
    if (oldest === undefined || this.#write !== undefined) return 0;
    return this.#options.clock.monotonicMs() - Math.max(oldest.sinceMs, this.#unreachedSinceMs);
  }

  /** Gives up all deliveries that have not been acknowledged; and while there is no stream, all else that waits. */
  giveUp(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#sent = 0;
    this.#again = 0;
    if (this.#write === undefined) this.#discard();
    for (const { settled } of waiting) settled?.(false);
  }

  /**
   * A stream has been opened.
   *
   * @param taken the highest number that the peer has
   * @returns false if it cannot have that
   */
  open(taken: number, write: Write): boolean {
    if (!this.acknowledge(taken)) return false;
    this.#again = 0;
    this.#write = write;
    this.#stream += 1;
    this.#isWriting = false;
    this.#flush();
    return true;
  }

  /**
   * The peer has acknowledged deliveries.
   *
   * @returns false if it names one that there has not been
   */
  acknowledge(taken: number): boolean {
    if (taken >= this.#floor()) this.#unreachedSinceMs = Number.POSITIVE_INFINITY;
    return this.#settle(taken);
  }

  /** The stream has ended; what it had been given may be lost, what it had not been given waits. */
  broken(): void {
    if (this.#write === undefined) return;
    this.#write = undefined;
    this.#stream += 1;
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#waiting.length === 0 || this.#unreachedSinceMs > nowMs) this.#unreachedSinceMs = nowMs;
  }

  /** Ends it: nothing is sent any more, and nothing waits. */
  end(): void {
    this.broken();
    this.giveUp();
  }

  /** Puts all that waits into the stream, which is about to be closed: there is no turn and no room to wait for. */
  flush(): void {
    const write = this.#write;
    if (write === undefined) return;
    for (let frames = this.#next(); frames !== undefined; frames = this.#next()) {
      write(this.#batchOf(frames), () => undefined);
    }
  }

  #discard(): void {
    this.#full = [];
    this.#filling.clear();
    this.#unsentBytes = 0;
    this.#isNarrow = false;
  }

  #isTooMuch(): boolean {
    if (this.#unsentBytes < this.#options.unsentMaxBytes) return false;
    if (!this.#isNarrow) this.#options.narrowed();
    this.#isNarrow = true;
    return true;
  }

  /** Notes that something was added to the batch that is being filled. */
  #added(before: number): void {
    const { bytes } = this.#filling;
    this.#unsentBytes += bytes - before;
    if (bytes >= batchBytes) {
      this.#seal();
      this.#flush();
    } else if (!this.#flushComes) {
      this.#flushComes = true;
      this.#options.clock.endOfTurn(this.#flushNow);
    }
  }

  #seal(): void {
    if (this.#filling.bytes === 0) return;
    this.#full.push(this.#filling);
    this.#filling = this.#spares.pop() ?? new Frames();
  }

  /** Numbers messages from `at` on, as many as one batch takes; returns where the next batch begins. */
  #deliverSome(messages: readonly PeerMessage[], at: number, settled: (taken: boolean) => void): number {
    const frames = this.#filling;
    const begin = frames.end;
    const before = frames.bytes;
    const first = this.#nextSequence;
    let end = at;
    while (end < messages.length && (end === at || frames.bytes < batchBytes)) {
      frames.deliver(this.#nextSequence, messages[end] as PeerMessage);
      this.#nextSequence += 1;
      end += 1;
    }
    this.#waiting.push({
      ...frames.copyFrom(begin),
      first,
      last: this.#nextSequence - 1,
      sinceMs: this.#options.clock.monotonicMs(),
      settled: end === messages.length ? settled : undefined,
    });
    this.#added(before);
    return end;
  }

  #floor(): number {
    return this.#waiting[0]?.first ?? this.#nextSequence;
  }

  #settle(taken: number): boolean {
    // The peer counts what was given up as taken, though it may never have been sent.
    if (taken > Math.max(this.#sentSequence, this.#floor() - 1)) return false;
    let count = 0;
    while (count < this.#waiting.length && (this.#waiting[count] as Delivery).last <= taken) count++;
    const settled = this.#waiting.splice(0, count);
    this.#sent -= count;
    this.#again = Math.max(0, this.#again - count);
    for (const delivery of settled) delivery.settled?.(true);
    return true;
  }

  #flush(): void {
    while (this.#write !== undefined && !this.#isWriting) {
      const frames = this.#next();
      if (frames === undefined) {
        this.#isNarrow = false;
        return;
      }
      this.#send(frames, this.#write);
    }
  }

  /** The next batch: first what has to go again, then what came since. */
  #next(): Frames | undefined {
    if (this.#again < this.#sent) return this.#nextAgain();
    const frames = this.#full.shift() ?? this.#filling;
    if (frames.bytes === 0) return undefined;
    if (frames === this.#filling) this.#filling = this.#spares.pop() ?? new Frames();
    this.#unsentBytes -= frames.bytes;
    if (frames.last > this.#sentSequence) {
      this.#sentSequence = frames.last;
      while ((this.#waiting[this.#sent]?.last ?? Number.POSITIVE_INFINITY) <= frames.last) this.#sent += 1;
      this.#again = this.#sent;
    }
    return frames;
  }

  #nextAgain(): Frames {
    const frames = this.#spares.pop() ?? new Frames();
    while (this.#again < this.#sent && frames.bytes < batchBytes) {
      const delivery = this.#waiting[this.#again] as Delivery;
      frames.append(delivery.first, delivery.last, delivery);
      this.#again += 1;
    }
    return frames;
  }

  #send(frames: Frames, write: Write): void {
    const stream = this.#stream;
    this.#isWriting = true;
    write(this.#batchOf(frames), () => {
      this.#keep(frames);
      if (stream !== this.#stream) return;
      this.#isWriting = false;
      this.#flush();
    });
  }

  #batchOf(frames: Frames): Batch {
    const look = this.#owesLook;
    this.#owesLook = false;
    return { floor: this.#floor(), first: frames.first, look, ...frames.view() };
  }

  #keep(frames: Frames): void {
    frames.clear();
    if (this.#spares.length < sparesMax) this.#spares.push(frames);
  }
}
