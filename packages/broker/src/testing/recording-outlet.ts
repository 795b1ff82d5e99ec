// A Network Connection that remembers what it was told, for a test to look at.

import type { Packet } from '@skein/protocol';
import { textOf } from '../contract/samples.ts';
import type { Delivery, Message } from '../message.ts';
import type { Accepted, CloseReason, Outlet } from '../outlet.ts';

/** A PUBLISH as the Client would see it. */
export interface SentPublish {
  readonly type: 'publish';
  readonly topic: string;
  /** The payload, which in tests is ASCII. */
  readonly text: string;
  readonly qos: number;
  readonly retain: boolean;
  readonly dup: boolean;
  readonly packetId: number;
  readonly subscriptionIdentifiers: readonly number[] | undefined;
}

/** Anything that was sent. */
export type Sent = SentPublish | Exclude<Packet, { type: 'publish' }>;

/** An Outlet that sends nothing anywhere. */
export class RecordingOutlet implements Outlet {
  congested = false;
  /** A longer payload is too large for this Client. */
  largestPayloadBytes: number = Number.POSITIVE_INFINITY;
  /** Whether packets from the Client are to wait. */
  held = false;
  terms: Accepted | undefined;
  closedFor: CloseReason | undefined;
  #sent: Sent[] = [];

  accepted(terms: Accepted): void {
    this.terms = terms;
  }

  send(packet: Packet): void {
    if (packet.type === 'publish') throw new Error('a PUBLISH goes through publish()');
    if (this.closedFor === undefined) this.#sent.push(packet);
  }

  publish(message: Message, delivery: Delivery): boolean {
    if (this.closedFor !== undefined) return true;
    if (message.payload.length > this.largestPayloadBytes) return false;
    this.#sent.push(sentPublish(message, delivery));
    return true;
  }

  hold(): void {
    if (this.held) throw new Error('hold() while held');
    this.held = true;
  }

  proceed(): void {
    if (!this.held) throw new Error('proceed() while not held');
    this.held = false;
  }

  close(reason: CloseReason): void {
    this.closedFor ??= reason;
  }

  /** All that was sent since the last time. */
  take(): Sent[] {
    const sent = this.#sent;
    this.#sent = [];
    return sent;
  }

  /** The same in short, one line a packet: `publish a=hello q1 #1 dup`, `pubrel #1`, `puback #3 0x10`. */
  said(): string[] {
    return this.take().map(inShort);
  }
}

/** A PUBLISH as it is recorded. The broker fills in one Delivery again and again, so what is kept is a copy. */
export function sentPublish(message: Message, delivery: Delivery): SentPublish {
  return { type: 'publish', topic: message.topic, text: textOf(message), ...delivery };
}

/** A packet in one short line. */
export function inShort(packet: Sent): string {
  if (packet.type === 'publish') {
    const { topic, text, qos, retain, dup, packetId, subscriptionIdentifiers } = packet;
    const marks = [
      `q${qos}`,
      ...(qos > 0 ? [`#${packetId}`] : []),
      ...(dup ? ['dup'] : []),
      ...(retain ? ['retain'] : []),
      ...(subscriptionIdentifiers === undefined ? [] : [`ids ${subscriptionIdentifiers.join('+')}`]),
    ];
    return `publish ${topic}=${text} ${marks.join(' ')}`;
  }
  const words: string[] = [packet.type];
  if ('packetId' in packet) words.push(`#${packet.packetId}`);
  const codes = 'reasonCodes' in packet ? packet.reasonCodes : 'reasonCode' in packet ? [packet.reasonCode] : [];
  if (codes.length > 1 || (codes[0] ?? 0) > 0) {
    words.push(codes.map((code) => `0x${code.toString(16).padStart(2, '0')}`).join(' '));
  }
  if (packet.type === 'connack' && packet.sessionPresent) words.push('present');
  return words.join(' ');
}
