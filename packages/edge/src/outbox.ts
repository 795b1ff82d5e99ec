// What is on its way to one Client: gathered in a Slab during a turn, written at its end, watched until it has gone.
//
// Memory is taken when there is something to send and given back when the kernel has it, so that an idle connection
// holds none. What the kernel does not take waits in the transport, and above a high-water mark the outbox is congested
// until half of it has gone.
//
// Bound: twice the high-water mark and what one packet of the Client causes. Beyond the mark only answers to the
// Client's own packets are added, and beyond twice the mark it is not read any more.

import { Slab } from '@skein/protocol';
import { ticksOf, type Wheel } from './keep-alive.ts';
import type { Transport } from './listen/transport.ts';
import type { Traffic } from './traffic.ts';
import type { Flushable, Turn } from './turn.ts';

/** What an outbox shares with all others of its listener. */
export interface OutboxSurroundings {
  readonly turn: Turn;
  readonly wheel: Wheel;
  readonly traffic: Traffic;
  readonly limits: OutboxLimits;
}

/** What bounds an outbox. */
export interface OutboxLimits {
  /** Bytes waiting for a Client above which it is congested; below half of it, it is no more. */
  readonly outboundBufferBytes: number;
  /** How long a Client may take nothing while bytes wait for it. */
  readonly slowConsumerSeconds: number;
}

/** Who is told how it goes. */
export interface OutboxOwner {
  /** From now on bytes wait, and {@link Outbox.isStuck} is to be asked now and then while {@link Outbox.waits}. */
  waiting(): void;
  /** It is congested no more. Told in a turn of its own. */
  relieved(): void;
}

/** As much in one Slab is written at once; a little below the largest memory that Slabs keep. */
const writeAtOnceBytes = 48 * 1024;

/** The way out of one Network Connection. */
export class Outbox implements Flushable {
  readonly #around: OutboxSurroundings;
  readonly #transport: Transport;
  readonly #owner: OutboxOwner;
  /** There only while it holds something, or is about to. */
  #slab: Slab | undefined = undefined;
  /** The turn will flush it. */
  #flushes = false;
  #congested = false;
  #ended = false;
  /** When the kernel last took something while bytes waited; 0 while none wait. */
  #progressTick = 0;
  #takenBytes = 0;

  constructor(transport: Transport, around: OutboxSurroundings, owner: OutboxOwner) {
    this.#transport = transport;
    this.#around = around;
    this.#owner = owner;
  }

  get congested(): boolean {
    return this.#congested;
  }

  /** Whether so much waits that not even answers should be added. */
  get overflows(): boolean {
    return this.#congested && this.#transport.pendingBytes > 2 * this.#around.limits.outboundBufferBytes;
  }

  /** Whether bytes wait that the kernel has not taken. */
  get waits(): boolean {
    return this.#progressTick !== 0;
  }

  /** Where to append packets in this turn; say {@link appended} after each. */
  open(): Slab {
    this.#slab ??= Slab.take();
    if (!this.#flushes) {
      this.#flushes = true;
      this.#around.turn.flushLater(this);
    }
    return this.#slab;
  }

  /** Something was appended; much of it is written without waiting for the end of the turn. */
  appended(slab: Slab): void {
    if (slab.length >= writeAtOnceBytes) this.#write();
  }

  /** Writes what was appended and these bytes after it. Their memory must never change again. */
  writeAfter(bytes: Uint8Array): void {
    this.#write();
    if (!this.#ended) this.#send(bytes, () => this.#written());
  }

  /** @inheritdoc */
  flush(): void {
    this.#flushes = false;
    this.#write();
  }

  /** Writes what there is, and then the end of the stream. */
  end(): void {
    this.#write();
    this.#ended = true;
    this.#transport.end();
  }

  /** The connection is gone: lets go of everything. */
  drop(): void {
    this.#ended = true;
    if (this.#slab !== undefined) Slab.give(this.#slab);
    this.#slab = undefined;
    this.#progressTick = 0;
    if (this.#congested) this.#around.traffic.congested -= 1;
    this.#congested = false;
  }

  /** Whether bytes have waited for so long without any being taken that they never will be. */
  isStuck(now: number): boolean {
    if (this.#progressTick === 0) return false;
    const { takenBytes } = this.#transport;
    if (takenBytes !== this.#takenBytes) this.#progressTick = now;
    this.#takenBytes = takenBytes;
    return now >= this.#progressTick + ticksOf(this.#around.limits.slowConsumerSeconds * 1000);
  }

  #write(): void {
    const slab = this.#slab;
    if (slab === undefined) return;
    this.#slab = undefined;
    if (slab.length === 0 || this.#ended) {
      Slab.give(slab);
      return;
    }
    this.#send(slab.view(), () => {
      Slab.give(slab);
      this.#written();
    });
  }

  #send(bytes: Uint8Array, done: () => void): void {
    this.#around.traffic.bytesSent += bytes.length;
    this.#transport.write(bytes, done);
    if (this.#transport.pendingBytes > 0) this.#waits();
  }

  /** The kernel did not take everything at once. */
  #waits(): void {
    if (this.#progressTick === 0) {
      this.#progressTick = this.#around.wheel.now;
      this.#takenBytes = this.#transport.takenBytes;
      this.#owner.waiting();
    }
    if (!this.#congested && this.#transport.pendingBytes > this.#around.limits.outboundBufferBytes) {
      this.#congested = true;
      this.#around.traffic.congested += 1;
    }
  }

  #written(): void {
    if (this.#progressTick === 0) return;
    this.#progressTick = this.#transport.pendingBytes === 0 ? 0 : this.#around.wheel.now;
    // In a turn of its own: the kernel may answer in the middle of a write, and of what the broker does.
    if (this.#congested && this.#isRelieved()) setImmediate(relieve, this);
  }

  /** For the turn that tells it, and nobody else. */
  relieve(): void {
    if (!this.#congested || !this.#isRelieved()) return;
    this.#congested = false;
    this.#around.traffic.congested -= 1;
    if (!this.#ended) this.#owner.relieved();
  }

  #isRelieved(): boolean {
    return this.#transport.pendingBytes <= this.#around.limits.outboundBufferBytes / 2;
  }
}

function relieve(outbox: Outbox): void {
  outbox.relieve();
}
