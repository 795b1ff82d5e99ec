// What a Session must do, said once more and plainly: the model that the engine is compared with, step by step.
//
// It knows one Client and its Session, in a world where the store answers before anything else happens. Messages are
// kept in a list, exchanges in a map, and each verb returns what the Client is sent, in short. No copies are shared, no
// call is saved, nothing is fast; what it says of `st` is rule: st is a reservation, word for word.

/** What does not change in the life of a model. */
export interface ModelTerms {
  /** Whether the Session outlives its Network Connections. */
  readonly isStored: boolean;
  readonly queueMax: number;
  readonly queueFull: 'drop-new' | 'drop-old';
  /** Unanswered publishes that the Client may have. */
  readonly receiveMaximum: number;
}

interface Queued {
  readonly seq: number;
  readonly text: string;
  readonly qos: 1 | 2;
  /** 0 is never. */
  readonly expiresAtMs: number;
}

type Exchange = { readonly seq: number; readonly qos: 1 | 2; awaits: 'acknowledgement' | 'pubcomp' };

/** Most that is reserved ahead of what is stored. */
const reserveMax = 32;

/** A Session and its Client. */
export class SessionModel {
  readonly terms: ModelTerms;
  nowMs = 0;
  isConnected = false;
  isCongested = false;
  readonly dropped = { expired: 0, queue_full: 0, slow_consumer: 0 };
  #exists = false;
  #window = 0;
  #nextSeq = 1;
  /** Not acknowledged, in order of seq; sent or not. */
  #queue: Queued[] = [];
  /** Seqs whose PUBREC came, in that order. */
  #releases: number[] = [];
  /** Up to here it may have been sent. */
  #reservedSeq = 0;
  /** Up to here it was sent. */
  #sentSeq = 0;
  /** Up to here it is sent again with DUP. */
  #resendSeq = 0;
  /** The seq after the last one that the owner has at hand. */
  #nearSeq = 1;
  /** The seq after the last one that was sent or passed over on this connection. */
  #goneSeq = 1;
  /** By Packet Identifier. */
  readonly #flight = new Map<number, Exchange>();
  readonly #received = new Set<number>();
  #unanswered = 0;

  constructor(terms: ModelTerms) {
    this.terms = terms;
  }

  /** Packet Identifiers that the Client may acknowledge. */
  get inFlight(): number[] {
    return [...this.#flight.keys()];
  }

  /** What the Client is to send next for something in flight. */
  owedBy(packetId: number): 'puback' | 'pubrec' | 'pubcomp' {
    const exchange = this.#flight.get(packetId);
    return exchange?.awaits === 'pubcomp' ? 'pubcomp' : exchange?.qos === 2 ? 'pubrec' : 'puback';
  }

  connect(window: number, cleanStart: boolean): { isPresent: boolean; lines: string[] } {
    const isTakeover = this.isConnected;
    if (isTakeover) this.lose(isTakeover);
    const isPresent = this.#exists && !cleanStart;
    if (!isPresent) this.#begin();
    this.#exists = true;
    this.isConnected = true;
    this.isCongested = false;
    this.#window = window;
    this.#unanswered = 0;
    this.#reservedSeq = Math.min(this.#reservedSeq, this.#nextSeq - 1);
    this.#resendSeq = this.#reservedSeq;
    this.#sentSeq = this.#reservedSeq;
    this.#nearSeq = this.#goneSeq = 1;
    const lines = this.#releases.map((seq) => {
      this.#flight.set(seq, { seq, qos: 2, awaits: 'pubcomp' });
      return `pubrel #${seq}`;
    });
    return { isPresent, lines: [...lines, ...this.#pump(true)] };
  }

  /** @param isTakeover by another connection, which does not know what of the reservation was really sent */
  lose(isTakeover = false): void {
    this.isConnected = false;
    this.#flight.clear();
    if (!isTakeover) this.#reservedSeq = Math.min(this.#reservedSeq, this.#sentSeq);
    if (!this.terms.isStored) this.#exists = false;
  }

  /** A message is published for it. */
  deliver(text: string, qos: 0 | 1 | 2, expiresAtMs: number): string[] {
    if (!this.#exists) return [];
    if (qos === 0) {
      if (this.isConnected && this.isCongested) this.dropped.slow_consumer++;
      return this.isConnected && !this.isCongested ? [`publish a=${text} q0`] : [];
    }
    if (!this.#makeRoom()) return [];
    const { isStored } = this.terms;
    const seq = this.#nextSeq++;
    const size = this.#queue.length + this.#releases.length;
    this.#queue.push({ seq, text, qos, expiresAtMs });
    if (!this.isConnected) return [];
    const reserve = Math.min(this.#window, reserveMax);
    if (isStored && size < reserve && seq > this.#reservedSeq) this.#reservedSeq = seq + reserve;
    if (!isStored) this.#reservedSeq = seq;
    if (seq <= this.#reservedSeq && seq === this.#nearSeq) this.#nearSeq++;
    return this.#pump();
  }

  puback(packetId: number): string[] {
    const exchange = this.#flight.get(packetId);
    if (exchange === undefined) return [];
    return exchange.qos === 1 ? this.#settle(packetId) : this.#close(0x82);
  }

  pubrec(packetId: number, isRefusal: boolean): string[] {
    const exchange = this.#flight.get(packetId);
    if (exchange === undefined) return [`pubrel #${packetId} 0x92`];
    if (exchange.qos === 1) return this.#close(0x82);
    if (exchange.awaits === 'acknowledgement') {
      if (isRefusal) return this.#settle(packetId);
      exchange.awaits = 'pubcomp';
      this.#forget(exchange.seq);
      this.#releases.push(exchange.seq);
    }
    return [`pubrel #${packetId}`];
  }

  pubcomp(packetId: number): string[] {
    return this.#flight.get(packetId)?.awaits === 'pubcomp' ? this.#settle(packetId) : [];
  }

  /** The Client reads again. */
  drained(): string[] {
    this.isCongested = false;
    return this.#pump();
  }

  /** The Client publishes. */
  publish(packetId: number, qos: 1 | 2): { isPublished: boolean; lines: string[] } {
    const isKnown = this.#received.has(packetId);
    if (qos === 2 && isKnown) return { isPublished: false, lines: [`pubrec #${packetId}`] };
    if (this.#unanswered === this.terms.receiveMaximum) return { isPublished: false, lines: this.#close(0x93) };
    if (qos === 1) return { isPublished: !isKnown, lines: [`puback #${packetId}${isKnown ? ' 0x91' : ''}`] };
    this.#unanswered++;
    this.#received.add(packetId);
    return { isPublished: true, lines: [`pubrec #${packetId}`] };
  }

  pubrel(packetId: number): string[] {
    if (!this.#received.delete(packetId)) return [`pubcomp #${packetId} 0x92`];
    this.#unanswered = Math.max(0, this.#unanswered - 1);
    return [`pubcomp #${packetId}`];
  }

  #begin(): void {
    this.#queue = [];
    this.#releases = [];
    this.#received.clear();
    this.#nextSeq = 1;
    this.#reservedSeq = 0;
  }

  #close(reasonCode: number): string[] {
    this.lose();
    return [`disconnect 0x${reasonCode.toString(16)}`];
  }

  /** Sends while the window has room. @param reads whether the queue is read anew */
  #pump(reads = false): string[] {
    const lines: string[] = [];
    if (reads) this.#read();
    while (this.isConnected && this.#flight.size < this.#window && !this.isCongested) {
      let next = this.#queue.find(({ seq }) => seq >= this.#goneSeq && seq < this.#nearSeq);
      if (next === undefined) {
        this.#read();
        next = this.#queue.find(({ seq }) => seq >= this.#goneSeq);
        if (next === undefined) break;
      }
      this.#goneSeq = next.seq + 1;
      const { seq, text, qos } = next;
      const isAgain = seq <= this.#resendSeq;
      if (!isAgain && this.#isExpired(next)) {
        this.dropped.expired++;
        this.#forget(seq);
        continue;
      }
      this.#flight.set(seq, { seq, qos, awaits: 'acknowledgement' });
      this.#sentSeq = Math.max(this.#sentSeq, seq);
      lines.push(`publish a=${text} q${qos} #${seq}${isAgain ? ' dup' : ''}`);
    }
    return lines;
  }

  /** Takes what is stored to hand, and with that reserves it. What has expired, and was certainly not sent, goes. */
  #read(): void {
    if (!this.terms.isStored || this.#nearSeq === this.#nextSeq) return;
    const from = this.#nearSeq;
    this.#dropExpired(from);
    this.#reservedSeq = Math.max(this.#reservedSeq, this.#queue.filter(({ seq }) => seq >= from).at(-1)?.seq ?? 0);
    this.#nearSeq = this.#nextSeq;
  }

  #settle(packetId: number): string[] {
    const { seq } = this.#flight.get(packetId) as Exchange;
    this.#flight.delete(packetId);
    this.#forget(seq);
    this.#releases = this.#releases.filter((each) => each !== seq);
    return this.#pump();
  }

  #forget(seq: number): void {
    this.#queue = this.#queue.filter((each) => each.seq !== seq);
  }

  #isExpired({ expiresAtMs }: Queued): boolean {
    return expiresAtMs > 0 && expiresAtMs <= this.nowMs;
  }

  /** @returns what may make room: what was certainly not sent */
  #spare(): Queued[] {
    const fromSeq = this.terms.isStored ? this.#reservedSeq + 1 : this.#goneSeq;
    return this.#queue.filter(({ seq }) => seq >= fromSeq);
  }

  #dropExpired(fromSeq = 1): void {
    for (const each of this.#spare()) {
      if (each.seq < fromSeq || !this.#isExpired(each)) continue;
      this.dropped.expired++;
      this.#forget(each.seq);
    }
  }

  /** @returns false if the message is dropped, since there is none */
  #makeRoom(): boolean {
    const isFull = (): boolean =>
      (this.terms.isStored ? this.#queue.length : this.#spare().length) >= this.terms.queueMax;
    if (!isFull()) return true;
    this.#dropExpired();
    while (isFull()) {
      const oldest = this.#spare()[0];
      this.dropped.queue_full++;
      if (this.terms.queueFull === 'drop-new' || oldest === undefined) return false;
      this.#forget(oldest.seq);
    }
    return true;
  }
}
