// One subscribing Client: it acknowledges what it gets, and looks at every delivery: is it of this run, whole, on its
// topic, at its QoS, new, and in its place?

import type { Connack, Packet, Suback } from '@skein/protocol';
import { BenchError } from './bench-error.ts';
import { ackType, type Connection, type Listener } from './connection.ts';
import type { Histogram } from './histogram.ts';
import { dueMicrosOf, lineOf, sequenceOf } from './payload.ts';
import { type Lines, linesOfSubscriber, topicPrefix } from './plan.ts';
import { arrival, type Sequences } from './sequences.ts';
import type { Stage } from './stage.ts';

/** A subscribing Client. */
export class Subscriber implements Listener {
  readonly index: number;
  readonly lines: Lines;
  readonly sequences: Sequences;
  connection: Connection | undefined;
  /** How often it has connected. */
  connects = 0;
  readonly #stage: Stage;
  readonly #latencies: Histogram;
  /** Packet Identifiers received at QoS 2 and not yet released, a bit each [MQTT-4.3.3-10]. */
  readonly #received: Uint8Array;
  #subacked: ((suback: Suback) => void) | undefined = undefined;

  constructor(stage: Stage, index: number, sequences: Sequences, latencies: Histogram) {
    this.#stage = stage;
    this.index = index;
    this.lines = linesOfSubscriber(stage.plan, index);
    this.sequences = sequences;
    this.#latencies = latencies;
    this.#received = new Uint8Array(Math.min(stage.plan.qos, stage.plan.subscriptionQos) === 2 ? 8192 : 0);
  }

  attach(connection: Connection, { sessionPresent }: Connack): void {
    this.connection = connection;
    // What was received belongs to the Session.
    if (!sessionPresent) this.#received.fill(0);
    this.connects++;
  }

  /** Subscribes, in one packet. */
  subscribe(packetId: number, topicFilters: readonly string[]): Promise<Suback> {
    const { subscriptionQos } = this.#stage.plan;
    this.connection?.send({
      type: 'subscribe',
      packetId,
      subscriptions: topicFilters.map((topicFilter) => ({
        topicFilter,
        qos: subscriptionQos,
        noLocal: false,
        retainAsPublished: false,
        retainHandling: 0,
      })),
      properties: undefined,
    });
    return new Promise((resolve) => {
      this.#subacked = resolve;
    });
  }

  published(bytes: Buffer, view: DataView, firstByte: number, at: number, end: number): void {
    const { plan, payloads, topics } = this.#stage;
    const qos = (firstByte >> 1) & 3;
    const topicEnd = at + 2 + view.getUint16(at);
    let payloadAt = topicEnd;
    let packetId = 0;
    if (qos > 0) {
      packetId = view.getUint16(payloadAt);
      payloadAt += 2;
    }
    if (plan.protocolVersion === 5) payloadAt = behindProperties(bytes, payloadAt);
    if (payloadAt > end) throw new BenchError('server', 'the server sent a PUBLISH that is malformed');
    if (qos === 1) this.connection?.acknowledge(ackType.puback, packetId);
    else if (qos === 2 && !this.#receive(packetId, (firstByte & 8) !== 0)) return;
    if (!payloads.isRight(bytes, view, payloadAt, end)) return this.#wrong(bytes, at + 2, topicEnd);
    const line = lineOf(view, payloadAt);
    const index = line - this.lines.from;
    if (index < 0 || index >= this.lines.count || !topics.isTopicOf(line, view, at + 2, topicEnd)) {
      return this.#stage.fault('misrouted');
    }
    if (qos !== Math.min(plan.qos, plan.subscriptionQos)) this.#stage.fault('wrongQos');
    this.#take(line, sequenceOf(view, payloadAt), dueMicrosOf(view, payloadAt), qos === 1 && (firstByte & 8) !== 0);
  }

  acknowledged(type: number, packetId: number): void {
    if (type !== ackType.pubrel) throw new BenchError('server', 'the server acknowledged to a subscriber');
    this.#received[packetId >> 3] = (this.#received[packetId >> 3] as number) & ~(1 << (packetId & 7));
    this.connection?.acknowledge(ackType.pubcomp, packetId);
  }

  answered(packet: Packet): void {
    if (packet.type !== 'suback') throw new BenchError('server', `the server sent ${packet.type.toUpperCase()}`);
    this.#subacked?.(packet);
    this.#subacked = undefined;
  }

  drained(): void {}

  gone(why: string): void {
    this.#stage.lost(`subscriber ${this.index}`, this.connection?.url, why);
  }

  /** The first step of a QoS 2 delivery; false if the message has been received before under this identifier. */
  #receive(packetId: number, dup: boolean): boolean {
    this.connection?.acknowledge(ackType.pubrec, packetId);
    const byte = this.#received[packetId >> 3] ?? 0;
    const bit = 1 << (packetId & 7);
    if ((byte & bit) !== 0) {
      this.#stage.fault(dup ? 'redelivered' : 'duplicates');
      return false;
    }
    this.#received[packetId >> 3] = byte | bit;
    return true;
  }

  #take(line: number, sequence: number, dueMicros: number, mayComeAgain: boolean): void {
    const { counts, worker, turn, epochMs, recording } = this.#stage;
    const what = this.sequences.take(line - this.lines.from, sequence);
    if (what === arrival.again) return this.#stage.fault(mayComeAgain ? 'redelivered' : 'duplicates');
    if (what === arrival.late) this.#stage.fault('outOfOrder');
    counts.deliveredLast(worker, turn.nowMs);
    const dueMs = epochMs + dueMicros / 1000;
    if (dueMs >= recording.fromMs && dueMs < recording.toMs) this.#latencies.record((turn.nowMs - dueMs) * 1000);
    this.#stage.arrived(line);
  }

  /** A payload that is not as we make them: harmed if it came on a topic of this run, else somebody else's. */
  #wrong(bytes: Buffer, topicAt: number, topicEnd: number): void {
    const ours = bytes.toString('latin1', topicAt, topicEnd).startsWith(`${topicPrefix(this.#stage.plan)}/`);
    this.#stage.fault(ours ? 'corrupt' : 'foreign');
  }
}

/** Where the Property Length at `at` and its properties end. */
function behindProperties(bytes: Buffer, at: number): number {
  let position = at;
  let length = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[position++] as number;
    length |= (byte & 0x7f) << shift;
    if (byte < 0x80) return position + length;
  }
}
