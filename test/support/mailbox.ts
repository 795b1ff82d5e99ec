// What has arrived for a Client and what the test is waiting for, brought together.
//
// Packets wait in order of arrival until they are taken. Whoever waits for a kind of packet takes the first of that
// kind and leaves the others where they were.

import type { Packet } from '@skein/protocol';
import { afterAwake } from './deadline.ts';
import { text } from './payload.ts';

/** A packet of this type. */
export type Of<Type extends Packet['type']> = Extract<Packet, { type: Type }>;

/** The packets that name what they answer. */
export type AckType = 'puback' | 'pubrec' | 'pubrel' | 'pubcomp' | 'suback' | 'unsuback';

/** Somebody who waits for a packet. */
interface Waiter {
  readonly wanted: string;
  readonly takes: (packet: Packet) => boolean;
  readonly resolve: (packet: Packet) => void;
  readonly reject: (error: Error) => void;
}

/** More packets than this, untaken, and a test has lost its way. */
const arrivedMax = 100_000;

/** The packets of one Network Connection that nobody has taken yet, and those who wait. */
export class Mailbox {
  readonly #owner: string;
  readonly #arrived: Packet[] = [];
  readonly #waiters = new Set<Waiter>();
  /** Why nothing more comes, once that is so. */
  #ended: string | undefined;

  /** @param owner whose it is, for errors */
  constructor(owner: string) {
    this.#owner = owner;
  }

  /** Packets that nobody has taken yet. */
  get arrived(): readonly Packet[] {
    return this.#arrived;
  }

  /** Gives a packet to the first who waits for such a one, or keeps it. */
  put(packet: Packet): void {
    for (const waiter of this.#waiters) {
      if (!waiter.takes(packet)) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(packet);
      return;
    }
    if (this.#arrived.push(packet) > arrivedMax) throw new Error('more packets than a test should leave untaken');
  }

  /** Nothing more comes: whoever waits is told why. What has arrived can still be taken. */
  end(why: string): void {
    this.#ended ??= why;
    for (const waiter of this.#waiters) waiter.reject(this.#endedError(waiter.wanted));
    this.#waiters.clear();
  }

  /**
   * Takes the first packet of a kind, now or when it comes.
   *
   * @param wanted the kind in words, for the error
   * @throws Error when `deadlineMs` passes first, or nothing more comes
   */
  take<P extends Packet>(wanted: string, takes: (packet: Packet) => packet is P, deadlineMs: number): Promise<P> {
    const index = this.#arrived.findIndex(takes);
    if (index >= 0) return Promise.resolve(this.#arrived.splice(index, 1)[0] as P);
    if (this.#ended !== undefined) return Promise.reject(this.#endedError(wanted));
    return new Promise<P>((resolve, reject) => {
      const settle = (act: () => void): void => {
        forget();
        this.#waiters.delete(waiter);
        act();
      };
      const waiter: Waiter = {
        wanted,
        takes,
        resolve: (packet) => settle(() => resolve(packet as P)),
        reject: (error) => settle(() => reject(error)),
      };
      const forget = afterAwake(deadlineMs, () => {
        waiter.reject(new Error(`${this.#owner} waited ${deadlineMs} ms for ${wanted}; ${this.#untaken()}`));
      });
      this.#waiters.add(waiter);
    });
  }

  #endedError(wanted: string): Error {
    return new Error(`${this.#owner} ${this.#ended} while it waited for ${wanted}; ${this.#untaken()}`);
  }

  #untaken(): string {
    if (this.#arrived.length === 0) return 'nothing else had come';
    return `had come and was not taken: ${this.#arrived.slice(0, 5).map(describePacket).join(', ')}`;
  }
}

/** Whether a packet is of a type. */
export function isType<Type extends Packet['type']>(type: Type): (packet: Packet) => packet is Of<Type> {
  return (packet): packet is Of<Type> => packet.type === type;
}

/** Whether a packet is the answer of this type to the Packet Identifier. */
export function isAck<Type extends AckType>(type: Type, packetId: number): (packet: Packet) => packet is Of<Type> {
  return (packet): packet is Of<Type> => packet.type === type && (packet as Of<AckType>).packetId === packetId;
}

/** A packet in a few words, for errors. */
export function describePacket(packet: Packet): string {
  const name = packet.type.toUpperCase();
  if (packet.type === 'publish') return `${name} ${packet.topic} "${text(packet.payload.subarray(0, 32))}"`;
  if ('reasonCode' in packet) return `${name} 0x${packet.reasonCode.toString(16).padStart(2, '0')}`;
  return name;
}
