// All messages of a history, by the order in which they were sent.
//
// A long run has millions, so a message is a number and its fields are columns: some 35 bytes each, and no object.

import type { QoS } from '@skein/protocol';

/** A message as it enters the table. */
export interface Sent {
  readonly publisher: string;
  readonly n: number;
  readonly topic: string;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly isWill: boolean;
  /** The place of its PUBLISH in the history. */
  readonly sentAt: number;
  /** Infinity if it does not expire. */
  readonly expiresAtMs: number;
}

/** The place of an answer that has not come: after everything. */
export const unanswered = 0xffff_ffff;

/** Few, because a short history is to cost little; a long one doubles them soon enough. */
const rowsAtFirst = 32;

const retainFlag = 4;
const willFlag = 8;

/** The table of messages. A message is its row, counted from 0. */
export class Messages {
  #count = 0;
  #flags: Uint8Array = new Uint8Array(rowsAtFirst);
  #publisher: Int32Array = new Int32Array(rowsAtFirst);
  #n: Int32Array = new Int32Array(rowsAtFirst);
  #topic: Int32Array = new Int32Array(rowsAtFirst);
  #stream: Int32Array = new Int32Array(rowsAtFirst);
  #sentAt: Uint32Array = new Uint32Array(rowsAtFirst);
  #answeredAt: Uint32Array = new Uint32Array(rowsAtFirst);
  #expiresAtMs: Float64Array = new Float64Array(rowsAtFirst);

  readonly #publishers: Names = new Names();
  readonly #topics: Names = new Names();
  readonly #streams: Names = new Names();
  /** For each publisher its messages, by n - 1. */
  readonly #byNumber: number[][] = [];

  get count(): number {
    return this.#count;
  }

  /** Adds a message. @returns undefined if it does not have the publisher's next n */
  add(sent: Sent): number | undefined {
    const publisher = this.#publishers.number(sent.publisher);
    let numbered = this.#byNumber[publisher];
    if (numbered === undefined) {
      numbered = [];
      this.#byNumber[publisher] = numbered;
    }
    if (sent.n !== numbered.length + 1) return undefined;
    if (this.#count === this.#flags.length) this.#grow();
    const message = this.#count++;
    numbered.push(message);
    this.#flags[message] = sent.qos + (sent.retain ? retainFlag : 0) + (sent.isWill ? willFlag : 0);
    this.#publisher[message] = publisher;
    this.#n[message] = sent.n;
    this.#topic[message] = this.#topics.number(sent.topic);
    this.#stream[message] = this.#streams.number(`${publisher} ${sent.qos} ${sent.topic}`);
    this.#sentAt[message] = sent.sentAt;
    this.#answeredAt[message] = unanswered;
    this.#expiresAtMs[message] = sent.expiresAtMs;
    return message;
  }

  find(publisher: string, n: number): number | undefined {
    const number = this.#publishers.find(publisher);
    return number === undefined ? undefined : this.#byNumber[number]?.[n - 1];
  }

  /** Notes the place of the answer. @returns false if there was one before */
  answer(message: number, at: number): boolean {
    if (this.#answeredAt[message] !== unanswered) return false;
    this.#answeredAt[message] = at;
    return true;
  }

  publisher(message: number): string {
    return this.#publishers.name(this.#publisher[message] as number);
  }

  n(message: number): number {
    return this.#n[message] as number;
  }

  /** The topic as a number, the same for the same topic. */
  topicNumber(message: number): number {
    return this.#topic[message] as number;
  }

  topicName(topicNumber: number): string {
    return this.#topics.name(topicNumber);
  }

  topic(message: number): string {
    return this.#topics.name(this.topicNumber(message));
  }

  /** What must stay in order, as a number: publisher, topic and QoS. */
  stream(message: number): number {
    return this.#stream[message] as number;
  }

  qos(message: number): QoS {
    return ((this.#flags[message] as number) & 3) as QoS;
  }

  isRetained(message: number): boolean {
    return ((this.#flags[message] as number) & retainFlag) !== 0;
  }

  isWill(message: number): boolean {
    return ((this.#flags[message] as number) & willFlag) !== 0;
  }

  sentAt(message: number): number {
    return this.#sentAt[message] as number;
  }

  /** The place of the acknowledgement or refusal, or {@link unanswered}. */
  answeredAt(message: number): number {
    return this.#answeredAt[message] as number;
  }

  expiresAtMs(message: number): number {
    return this.#expiresAtMs[message] as number;
  }

  #grow(): void {
    const length = 2 * this.#count;
    this.#flags = copyTo(new Uint8Array(length), this.#flags);
    this.#publisher = copyTo(new Int32Array(length), this.#publisher);
    this.#n = copyTo(new Int32Array(length), this.#n);
    this.#topic = copyTo(new Int32Array(length), this.#topic);
    this.#stream = copyTo(new Int32Array(length), this.#stream);
    this.#sentAt = copyTo(new Uint32Array(length), this.#sentAt);
    this.#answeredAt = copyTo(new Uint32Array(length), this.#answeredAt);
    this.#expiresAtMs = copyTo(new Float64Array(length), this.#expiresAtMs);
  }
}

/** Names, each with a number. */
class Names {
  readonly #numbers = new Map<string, number>();
  readonly #names: string[] = [];

  number(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    this.#numbers.set(name, this.#names.length);
    return this.#names.push(name) - 1;
  }

  find(name: string): number | undefined {
    return this.#numbers.get(name);
  }

  name(number: number): string {
    return this.#names[number] as string;
  }
}

function copyTo<Column extends { set(from: Column): void }>(larger: Column, column: Column): Column {
  larger.set(column);
  return larger;
}
