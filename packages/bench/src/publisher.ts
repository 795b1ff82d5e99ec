// One publishing Client: it sends what its window or its schedule allows, and knows what has been acknowledged.
//
// Without a rate, a window limits the messages on their way: sent, and not yet delivered to all whom they are for; so
// QoS 0 meets backpressure too. It is topped up only once a quarter of it is free, or both sides would work in single
// messages. With a rate, a message is due at its time, and carries that time however late it leaves: a server that
// blocks the sender for a second shows a second.
//
// Messages go round the publisher's lines in an order that the seed decides.

import { type Connack, encodePublishFrame, type Packet } from '@skein/protocol';
import { BenchError } from './bench-error.ts';
import { ackType, type Connection, type Listener } from './connection.ts';
import type { Histogram } from './histogram.ts';
import { dueCount, dueMsOf, type Load } from './load.ts';
import { copyBytes, dice } from './payload.ts';
import { type Lines, linesOfPublisher, topicOf } from './plan.ts';
import { reasonName } from './reason-name.ts';
import type { Stage } from './stage.ts';
import type { Pending } from './turn.ts';

/** A window that nothing leaves for so long is written off. */
const stallMs = 1000;

/** A publishing Client. */
export class Publisher implements Listener, Pending {
  pending = false;
  readonly index: number;
  readonly lines: Lines;
  /** Refused messages: their line and sequence, in turn. */
  readonly refused: number[] = [];
  readonly refusedFor: Record<string, number> = {};
  connection: Connection | undefined;
  readonly #stage: Stage;
  readonly #acknowledgements: Histogram;
  readonly #order: Int32Array;
  readonly #heads: (Head | undefined)[] = [];
  #load: Load | undefined = undefined;
  /** How many messages may be sent until the load ends. */
  #limit = 0;
  #due = 0;
  #sent = 0;
  #inflight = 0;
  #inflightMax = 0;
  /** Packet Identifiers that are free, a ring. */
  #ids: Uint16Array = new Uint16Array(0);
  #idsAt = 0;
  /** By Packet Identifier: the number of its message, or -1; and when it was sent. */
  #numberOf: Int32Array = new Int32Array(0);
  #sentAtMs: Float64Array = new Float64Array(0);
  /** For {@link Publisher.checkStall}. */
  #deliveredThen = 0;
  #movedAtMs = 0;

  constructor(stage: Stage, index: number, acknowledgements: Histogram) {
    this.#stage = stage;
    this.index = index;
    this.lines = linesOfPublisher(stage.plan, index);
    this.#acknowledgements = acknowledgements;
    this.#order = shuffled(this.lines.count, stage.plan.seed + index);
  }

  attach(connection: Connection, { properties }: Connack): void {
    this.connection = connection;
    // As many unacknowledged messages as the server takes at once [MQTT-3.3.4-7].
    this.#inflightMax = Math.min(this.#stage.plan.inflight, properties?.receiveMaximum ?? 65_535);
    this.#ids = Uint16Array.from({ length: this.#inflightMax }, (_, index) => index + 1);
    this.#numberOf = new Int32Array(this.#inflightMax + 1).fill(-1);
    this.#sentAtMs = new Float64Array(this.#inflightMax + 1);
  }

  begin(load: Load): void {
    this.#load = load;
    this.#limit = this.#sent + (load.limits?.[this.index] ?? Number.POSITIVE_INFINITY);
    this.#movedAtMs = load.startMs;
    if (load.rate === 0) this.#stage.turn.soon(this);
  }

  halt(): void {
    this.#load = undefined;
  }

  /** With a rate: one more message of this publisher is due. */
  dueNext(): void {
    this.#due++;
    this.#stage.turn.soon(this);
  }

  /** How many messages it has sent on each of its lines. */
  get sentByLine(): Int32Array {
    const { count } = this.lines;
    const sent = new Int32Array(count);
    this.#order.forEach((index, place) => {
      sent[index] = Math.max(0, Math.ceil((this.#sent - place) / count));
    });
    return sent;
  }

  endTurn(): void {
    const load = this.#load;
    const connection = this.connection;
    if (load === undefined || connection === undefined || connection.congested) return;
    let room = this.#room(load);
    if (room <= 0) return;
    const { turn, epochMs } = this.#stage;
    const nowMicros = Math.floor((turn.nowMs - epochMs) * 1000);
    const { publishers } = this.#stage.plan;
    const before = this.#sent;
    const startMicros = (load.startMs - epochMs) * 1000;
    for (; room > 0 && !connection.congested; room--) {
      const dueMicros =
        load.rate === 0
          ? nowMicros
          : Math.floor(startMicros + dueMsOf(load, this.#sent * publishers + this.index) * 1000);
      this.#send(connection, dueMicros);
    }
    this.#stage.counts.sent[this.index] = this.#sent;
    if (this.#sent > before) this.#movedAtMs = turn.nowMs;
  }

  acknowledged(type: number, packetId: number, reasonCode: number): void {
    if ((this.#numberOf[packetId] ?? -1) < 0) {
      throw new BenchError('server', 'the server acknowledged a Packet Identifier that is not in use');
    }
    if (type === ackType.pubrec && reasonCode < 0x80) {
      this.connection?.acknowledge(ackType.pubrel, packetId);
      return;
    }
    this.#complete(packetId, reasonCode);
  }

  /** Gives up the window of a publisher that has got nowhere for a second, or the rest would never be heard of. */
  checkStall(): void {
    const load = this.#load;
    if (load === undefined || load.rate > 0 || load.fanOut === 0 || this.#sent >= this.#limit) return;
    const { counts, turn } = this.#stage;
    const delivered = counts.deliveredOf(this.index);
    if (delivered !== this.#deliveredThen) {
      this.#deliveredThen = delivered;
      this.#movedAtMs = turn.nowMs;
    } else if (turn.nowMs - this.#movedAtMs > stallMs && this.#onTheWay(load.fanOut) > 0) {
      counts.writtenOff[this.index] = (counts.writtenOff[this.index] as number) + this.#onTheWay(load.fanOut);
      this.#movedAtMs = turn.nowMs;
      turn.soon(this);
    }
  }

  published(): void {
    this.#stage.fault('misrouted');
  }

  answered(packet: Packet): void {
    throw new BenchError('server', `the server sent a publisher ${packet.type.toUpperCase()}`);
  }

  drained(): void {
    this.#stage.turn.soon(this);
  }

  gone(why: string): void {
    this.#stage.lost(`publisher ${this.index}`, this.connection?.url, why);
  }

  /** How many messages may be sent now. */
  #room(load: Load): number {
    const { plan } = this.#stage;
    const left = this.#limit - this.#sent;
    const unacknowledged = plan.qos === 0 ? Number.POSITIVE_INFINITY : this.#inflightMax - this.#inflight;
    if (load.rate > 0) return Math.min(left, unacknowledged, this.#due - this.#sent);
    const undelivered =
      load.fanOut === 0
        ? Number.POSITIVE_INFINITY
        : plan.window - Math.max(0, Math.ceil(this.#onTheWay(load.fanOut) / load.fanOut));
    const room = Math.min(left, unacknowledged, undelivered);
    const window = load.fanOut === 0 ? Number.POSITIVE_INFINITY : plan.window;
    const whole = plan.qos === 0 ? window : Math.min(window, this.#inflightMax);
    if (room < Math.min(left, whole / 4)) return 0;
    // Whatever is not limited otherwise: as much as a congested socket may be behind.
    return Math.min(room, 65_536);
  }

  /** Deliveries that are still to come. */
  #onTheWay(fanOut: number): number {
    const { counts } = this.#stage;
    const arrived = counts.deliveredOf(this.index) + (counts.writtenOff[this.index] as number);
    return (Math.imul(this.#sent, fanOut) - arrived) | 0;
  }

  #send(connection: Connection, dueMicros: number): void {
    const { plan, payloads, turn } = this.#stage;
    const number = this.#sent++;
    const { count, from } = this.lines;
    const place = count === 1 ? 0 : number % count;
    const line = from + (this.#order[place] as number);
    const { bytes, packetIdAt } = this.#heads[place] ?? this.#makeHead(place, line);
    const out = connection.roomyOut();
    out.reserve(bytes.length + plan.payloadBytes);
    const { buffer, length } = out;
    copyBytes(bytes, 0, buffer, length, bytes.length);
    if (packetIdAt > 0) {
      const packetId = this.#takeId(number, turn.nowMs);
      buffer[length + packetIdAt] = packetId >>> 8;
      buffer[length + packetIdAt + 1] = packetId;
    }
    payloads.write(buffer, length + bytes.length, line, count === 1 ? number : Math.floor(number / count), dueMicros);
    out.length = length + bytes.length + plan.payloadBytes;
  }

  #makeHead(place: number, line: number): Head {
    const { plan } = this.#stage;
    const frame = encodePublishFrame(
      {
        type: 'publish',
        topic: topicOf(plan, line),
        payload: new Uint8Array(plan.payloadBytes),
        qos: plan.qos,
        retain: plan.scenario === 'retained',
        dup: false,
        packetId: plan.qos === 0 ? 0 : 1,
        properties: undefined,
      },
      plan.protocolVersion,
    );
    const bytes = Buffer.from(frame.bytes.subarray(0, frame.bytes.length - plan.payloadBytes));
    const head = { bytes, packetIdAt: frame.packetIdAt };
    this.#heads[place] = head;
    return head;
  }

  #takeId(number: number, atMs: number): number {
    const packetId = this.#ids[this.#idsAt] as number;
    this.#idsAt = (this.#idsAt + 1) % this.#ids.length;
    this.#inflight++;
    this.#numberOf[packetId] = number;
    this.#sentAtMs[packetId] = atMs;
    return packetId;
  }

  #complete(packetId: number, reasonCode: number): void {
    const { counts, turn, recording } = this.#stage;
    const number = this.#numberOf[packetId] as number;
    this.#numberOf[packetId] = -1;
    this.#ids[(this.#idsAt + this.#ids.length - this.#inflight) % this.#ids.length] = packetId;
    this.#inflight--;
    if (reasonCode >= 0x80) this.#refuse(number, reasonCode);
    const sentAtMs = this.#sentAtMs[packetId] as number;
    if (sentAtMs >= recording.fromMs && sentAtMs < recording.toMs) {
      this.#acknowledgements.record((turn.nowMs - sentAtMs) * 1000);
    }
    counts.completed[this.index] = (counts.completed[this.index] as number) + 1;
    this.#stage.completed();
    if (this.#load !== undefined) turn.soon(this);
  }

  #refuse(number: number, reasonCode: number): void {
    const { counts } = this.#stage;
    const { from, count } = this.lines;
    this.refused.push(from + (this.#order[number % count] as number), Math.floor(number / count));
    const name = reasonName(reasonCode);
    this.refusedFor[name] = (this.refusedFor[name] ?? 0) + 1;
    counts.refused[this.index] = (counts.refused[this.index] as number) + 1;
  }
}

/** A PUBLISH up to its payload. */
interface Head {
  readonly bytes: Buffer;
  readonly packetIdAt: number;
}

/** How many messages of `load` are due by `nowMs`, for all publishers together. */
export function dueBy(load: Load, nowMs: number): number {
  return dueCount(load, Math.min(nowMs, load.recordToMs - load.tickMs / 2) - load.startMs);
}

/** The numbers below `count` in an order that the seed decides. */
function shuffled(count: number, seed: number): Int32Array {
  const random = dice(seed);
  const order = Int32Array.from({ length: count }, (_, index) => index);
  for (let i = count - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1));
    const here = order[i] as number;
    order[i] = order[other] as number;
    order[other] = here;
  }
  return order;
}
