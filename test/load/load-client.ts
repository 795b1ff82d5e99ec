// A Client under load: it does by itself what an application's library does, and writes down all that it does and sees.
//
// It acknowledges what comes, sends again what was not answered when its Session is resumed, and keeps within the windows
// of both sides. It can be cut off in the middle of a read, with answers unread and its own unsent, and it can take its
// own Session over. What the server does that no server may do goes to `problems`; what the server owes is judged by
// the history.

import {
  type Connack,
  Decoder,
  encode,
  type Packet,
  type QoS,
  ReasonCode,
  Slab,
  type Subscribe,
  type Unsubscribe,
} from '@skein/protocol';
import type { PlannedWill } from '../history/event.ts';
import type { History } from '../history/history.ts';
import { encodePayload } from '../history/payload.ts';
import { soonMs, within } from '../support/deadline.ts';
import { openWire, type Wire } from '../support/wire.ts';
import type { LoadClientOptions } from './load-client-options.ts';
import { Receiver, type ReceiverSurroundings } from './receiver.ts';
import { type Making, Sender, type SenderSurroundings } from './sender.ts';

/** One Topic Filter to subscribe to. */
export interface Wanted {
  readonly topicFilter: string;
  readonly qos: QoS;
}

/** What no Subscription here asks for. */
const plainOptions = { noLocal: false, retainAsPublished: false } as const;

/** How long an answer may take on a busy machine, in milliseconds; nothing waits for it to pass. */
export const patienceMs: number = 4 * soonMs;

/** One Client, over all its Network Connections. */
export class LoadClient {
  readonly clientId: string;
  readonly isPersistent: boolean;
  /** What the server may never do, in words. */
  readonly problems: string[] = [];
  readonly #options: LoadClientOptions;
  readonly #history: History;
  readonly #around: SenderSurroundings & ReceiverSurroundings;
  readonly #sender: Sender;
  readonly #answerMs: number;
  /** Of this Network Connection. */
  #receiver: Receiver;
  #wire: Wire | undefined;
  #decoder: Decoder | undefined;
  #closed: Promise<void> = Promise.resolve();
  #out: Slab | undefined;
  #isConnected = false;
  #hasBeenConnected = false;
  #isLeaving = false;
  /** Pings on their way, with the last message sent before each. */
  #pings: { readonly n: number; readonly resolve: () => void }[] = [];
  /** Called with the answers to SUBSCRIBE and UNSUBSCRIBE; with undefined if there will be none. */
  readonly #requests = new Map<number, (reasonCodes: readonly ReasonCode[] | undefined) => void>();
  #packetsUntilCut = Number.POSITIVE_INFINITY;
  /** Called when there is a CONNACK, or will be none. */
  #connectEnded: () => void = () => {};
  #roomy: (() => void)[] = [];

  constructor(options: LoadClientOptions) {
    this.#options = options;
    this.#history = options.history;
    this.clientId = options.clientId;
    this.#answerMs = options.answerMs ?? patienceMs;
    this.isPersistent = options.isPersistent;
    this.#around = {
      ...options,
      send: (packet) => this.#send(packet),
      problem: (why) => this.problems.push(`${this.clientId}: ${why}`),
    };
    this.#sender = new Sender(this.#around);
    this.#receiver = new Receiver(this.#around);
  }

  /** Whether it ever was connected: a persistent Client has its Subscriptions then. */
  get hasBeenConnected(): boolean {
    return this.#hasBeenConnected;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Resolves when the latest Network Connection is closed. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  /** Messages at QoS 1 and 2 that wait for an answer. */
  get unanswered(): number {
    return this.#sender.unanswered;
  }

  get hasRoom(): boolean {
    return this.#isConnected && this.#sender.hasRoom;
  }

  /** Resolves when there is room for a message, or the Network Connection is gone. */
  async whenRoomy(): Promise<void> {
    if (this.hasRoom || !this.#isConnected) return;
    const roomy = new Promise<void>((resolve) => this.#roomy.push(resolve));
    if (this.#sender.isBlind) this.#ping(() => {});
    this.#flush();
    await within(this.#answerMs, `${this.clientId} to be answered`, roomy);
  }

  /**
   * Connects, unless it is cut off meanwhile. A Network Connection that there is gets its Session taken over, and must
   * then be closed by the server.
   *
   * @param plan the Will Message, if there is one, made up when the CONNECT is about to be sent
   */
  async connect(plan?: PlannedWill | (() => PlannedWill)): Promise<void> {
    const { url, version, isPersistent, history, connectMs = patienceMs } = this.#options;
    const decoder = new Decoder({ from: 'server', maximumPacketSize: 268_435_460, protocolVersion: version });
    let tellClosed = (): void => {};
    const closed = new Promise<void>((resolve) => {
      tellClosed = resolve;
    });
    let wire: Wire | undefined;
    wire = await openWire(typeof url === 'string' ? url : url(), {
      data: (chunk) => {
        if (wire !== undefined && wire === this.#wire) this.#receive(decoder, chunk);
      },
      closed: () => {
        tellClosed();
        if (wire !== undefined && wire === this.#wire) this.#lost();
      },
    });
    const takenOver = this.#wire === undefined ? undefined : this.#closed;
    this.#forgetConnection();
    this.#receiver = new Receiver(this.#around);
    this.#wire = wire;
    this.#decoder = decoder;
    this.#closed = closed;
    const sessionExpirySeconds = isPersistent ? 0xffff_ffff : 0;
    const will = typeof plan === 'function' ? plan() : plan;
    const about = { client: this.clientId, cleanStart: !isPersistent, sessionExpirySeconds };
    history.record({ is: 'connecting', ...about, ...(will === undefined ? {} : { will }) });
    const ended = new Promise<void>((resolve) => {
      this.#connectEnded = resolve;
    });
    this.#sendConnect(sessionExpirySeconds, will);
    await within(connectMs, `CONNACK for ${this.clientId}`, ended);
    // A CONNECT that came to nothing has taken over nothing.
    if (takenOver === undefined || !this.#isConnected) return;
    try {
      await within(this.#answerMs, `${this.clientId} to be taken over`, takenOver);
    } catch (error) {
      this.#around.problem('its connection before was not closed when it was taken over');
      throw error;
    }
  }

  /**
   * Subscribes, and waits for the SUBACK, or the end of the Network Connection.
   *
   * @returns whether all of it was granted
   */
  async subscribe(wanted: readonly Wanted[]): Promise<boolean> {
    let isGranted = false;
    const client = this.clientId;
    for (const each of wanted) this.#history.record({ is: 'subscribing', client, ...each, ...plainOptions });
    const packetId = this.#sender.nextPacketId();
    const subscriptions = wanted.map((each) => ({ ...each, ...plainOptions, retainHandling: 0 as const }));
    await this.#request({ type: 'subscribe', packetId, subscriptions, properties: undefined }, (reasonCodes) => {
      isGranted = reasonCodes.every((granted) => granted <= 2);
      for (const [i, { topicFilter }] of wanted.entries()) {
        const granted = reasonCodes[i] ?? ReasonCode.unspecifiedError;
        const qos = granted > 2 ? undefined : (granted as QoS);
        this.#history.record({ is: 'subscribed', client, topicFilter, qos });
      }
    });
    return isGranted;
  }

  /** Unsubscribes, and waits for the UNSUBACK, or the end of the Network Connection. */
  unsubscribe(topicFilter: string): Promise<void> {
    const client = this.clientId;
    this.#history.record({ is: 'unsubscribing', client, topicFilter });
    const packetId = this.#sender.nextPacketId();
    const topicFilters = [topicFilter];
    return this.#request({ type: 'unsubscribe', packetId, topicFilters, properties: undefined }, ([reasonCode = 0]) => {
      if (reasonCode < 0x80) this.#history.record({ is: 'unsubscribed', client, topicFilter });
    });
  }

  /** Makes a message up and sends it with the next {@link flush}; there must be room. */
  publish(making: Making): void {
    this.#sender.publish(making);
  }

  /** A number for a Will Message. */
  nextNumber(): number {
    return this.#sender.nextNumber();
  }

  /** Sends what was published since. */
  flush(): void {
    this.#flush();
  }

  /** PINGREQ, and its answer: until then the server has read all that was sent, and we all that it had sent before. */
  async ping(): Promise<void> {
    const answered = new Promise<void>((resolve) => this.#ping(resolve));
    this.#flush();
    await within(this.#answerMs, `PINGRESP for ${this.clientId}`, answered);
  }

  /** Reads nothing until {@link readAgain}: what the server sends piles up. */
  stopReading(): void {
    this.#wire?.pause();
  }

  readAgain(): void {
    this.#wire?.resume();
  }

  /** Cuts the Network Connection when so many more packets have been read, before they are answered. */
  cutAfter(packetCount: number): void {
    if (packetCount === 0) this.cut();
    else this.#packetsUntilCut = packetCount;
  }

  /** Cuts the Network Connection, without DISCONNECT. */
  cut(): void {
    if (this.#wire === undefined) return;
    this.#wire.destroy();
    this.#end(false);
  }

  /** DISCONNECT, and waits until the server has closed [MQTT-3.14.4-1]. */
  async disconnect(): Promise<void> {
    this.#history.record({ is: 'disconnecting', client: this.clientId, dropsWill: true });
    this.#isLeaving = true;
    const closed = this.#closed;
    this.#send({ type: 'disconnect', reasonCode: ReasonCode.normalDisconnection, properties: undefined });
    this.#flush();
    await within(this.#answerMs, `${this.clientId} to be closed`, closed);
  }

  // What comes -------------------------------------------------------------------------------------------------------

  #receive(decoder: Decoder, chunk: Uint8Array): void {
    decoder.feed(chunk);
    for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) {
      this.#take(packet);
      this.#packetsUntilCut -= 1;
      if (this.#packetsUntilCut <= 0) this.cut();
      if (decoder !== this.#decoder) return; // cut
    }
    decoder.settle();
    this.#flush();
    if (!this.hasRoom) return;
    for (const resolve of this.#roomy.splice(0)) resolve();
  }

  #take(packet: Packet): void {
    switch (packet.type) {
      case 'publish':
        this.#receiver.publish(packet);
        return;
      case 'pubrel':
        this.#receiver.pubrel(packet);
        return;
      case 'puback':
      case 'pubrec':
      case 'pubcomp':
        this.#sender.take(packet.type, packet.packetId, packet.reasonCode);
        return;
      case 'suback':
      case 'unsuback':
        this.#requests.get(packet.packetId)?.(packet.reasonCodes);
        this.#requests.delete(packet.packetId);
        return;
      case 'pingresp': {
        const ping = this.#pings.shift();
        this.#sender.confirm((ping?.n ?? 0) + 1);
        ping?.resolve();
        return;
      }
      case 'connack':
        this.#takeConnack(packet);
        return;
      case 'disconnect':
        if (this.#options.isForgiving !== true) this.#around.problem(`disconnect ${packet.reasonCode} came`);
        return;
      default:
        this.#around.problem(`${packet.type} ${'reasonCode' in packet ? packet.reasonCode : ''} came`);
    }
  }

  #takeConnack(connack: Connack): void {
    if (connack.reasonCode !== ReasonCode.success) {
      if (this.#options.isForgiving !== true) this.#around.problem(`refused with ${connack.reasonCode}`);
      return;
    }
    const sessionPresent = this.#saysSessionPresent ? connack.sessionPresent : undefined;
    this.#history.record({ is: 'connected', client: this.clientId, sessionPresent });
    this.#isConnected = true;
    this.#hasBeenConnected = true;
    this.#sender.resume(sessionPresent ?? true, connack.properties?.receiveMaximum ?? 65_535);
    this.#connectEnded();
  }

  // What goes --------------------------------------------------------------------------------------------------------

  #sendConnect(sessionExpirySeconds: number, will: PlannedWill | undefined): void {
    const { version, isPersistent, receiveMaximum, topicAliasMaximum } = this.#options;
    this.#send({
      type: 'connect',
      protocolVersion: version,
      clientId: this.clientId,
      cleanStart: !isPersistent,
      keepAliveSeconds: 0,
      will: will && {
        topic: will.topic,
        payload: encodePayload({ publisher: this.clientId, ...will }),
        qos: will.qos,
        retain: will.retain,
        properties: undefined,
      },
      username: undefined,
      password: undefined,
      properties:
        version === 5 ? { sessionExpiryInterval: sessionExpirySeconds, receiveMaximum, topicAliasMaximum } : undefined,
    });
    this.#flush();
  }

  async #request(
    packet: Subscribe | Unsubscribe,
    answered: (reasonCodes: readonly ReasonCode[]) => void,
  ): Promise<void> {
    const answer = new Promise<void>((resolve) => {
      this.#requests.set(packet.packetId, (reasonCodes) => {
        if (reasonCodes !== undefined) answered(reasonCodes);
        resolve();
      });
    });
    this.#send(packet);
    this.#flush();
    await within(this.#answerMs, `the answer to ${packet.type.toUpperCase()} of ${this.clientId}`, answer);
  }

  #ping(resolve: () => void): void {
    this.#pings.push({ n: this.#sender.lastNumber, resolve });
    this.#send({ type: 'pingreq' });
  }

  #send(packet: Packet): void {
    this.#out ??= Slab.take();
    encode(packet, this.#options.version, this.#out);
  }

  #flush(): void {
    if (this.#out === undefined || this.#out.length === 0) return;
    // Copied, because the Slab goes back to the pool before the socket has sent it.
    this.#wire?.write(Buffer.from(this.#out.view()));
    this.#receiver.flushed();
    this.#dropUnsent();
  }

  #dropUnsent(): void {
    if (this.#out !== undefined) Slab.give(this.#out);
    this.#out = undefined;
  }

  // The end ----------------------------------------------------------------------------------------------------------

  /** The server closed. */
  #lost(): void {
    if (!this.#isLeaving && this.#options.isForgiving !== true) this.#around.problem('closed by the server');
    // A server that dies may have closed for that alone.
    this.#end(this.#isLeaving && this.#options.isForgiving !== true);
  }

  #end(orderly: boolean): void {
    this.#history.record({ is: 'disconnected', client: this.clientId, orderly });
    this.#forgetConnection();
  }

  /** MQTT 3.1 has no Session Present; only after Clean Session there is nothing to be said. */
  get #saysSessionPresent(): boolean {
    return this.#options.version !== 3 || !this.isPersistent;
  }

  #forgetConnection(): void {
    this.#wire = undefined;
    this.#decoder = undefined;
    this.#isConnected = false;
    this.#isLeaving = false;
    this.#packetsUntilCut = Number.POSITIVE_INFINITY;
    this.#pings = [];
    for (const over of this.#requests.values()) over(undefined);
    this.#requests.clear();
    this.#dropUnsent();
    this.#connectEnded();
    for (const resolve of this.#roomy.splice(0)) resolve();
  }
}
