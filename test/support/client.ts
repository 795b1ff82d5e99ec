// A Client that a test plays by hand: one Network Connection, spoken packet by packet.
//
// Nothing leaves it that the test did not ask for: no acknowledgement, no PINGREQ, no second try. What arrives waits in
// order of arrival until it is taken, by next() or by the verbs that carry out a whole handshake; those take only the
// answer they wait for and leave the rest where it was. Every wait has a deadline and says what it waited for.

import {
  type AckProperties,
  type Connack,
  Decoder,
  type DisconnectProperties,
  encode,
  type Packet,
  type ProtocolVersion,
  type Publish,
  ReasonCode,
  Slab,
  type Suback,
  type Unsuback,
} from '@skein/protocol';
import { soonMs, within } from './deadline.ts';
import { fromHex, toHex } from './hex.ts';
import { type AckType, describePacket, isAck, isType, Mailbox, type Of } from './mailbox.ts';
import {
  type ConnectOptions,
  connectPacket,
  type PublishOptions,
  publishPacket,
  type SubscribeOptions,
  type SubscriptionOptions,
  subscriptionRequest,
} from './packets.ts';

import { openWire, type Wire } from './wire.ts';

/** One Network Connection to the broker, and the packets on it. Made by `TestBroker`. */
export class RawClient {
  /** The answer to CONNECT; throws before there is one. */
  get connack(): Connack {
    if (this.#connack === undefined) throw new Error('no CONNACK yet');
    return this.#connack;
  }
  #connack: Connack | undefined;

  readonly clientId: string;
  readonly version: ProtocolVersion;

  readonly #decoder: Decoder;
  readonly #mailbox: Mailbox;
  readonly #closed: Promise<true>;
  #tellClosed: (closed: true) => void = () => {};
  /** Bytes came that are no MQTT packet: nothing after them is read. */
  #broken = false;
  #wire: Wire | undefined;
  #lastPacketId = 0;
  #bytesReceived = '';

  private constructor(clientId: string, version: ProtocolVersion) {
    this.clientId = clientId;
    this.version = version;
    this.#mailbox = new Mailbox(clientId === '' ? 'the Client' : clientId);
    this.#decoder = new Decoder({ from: 'server', maximumPacketSize: 268_435_460, protocolVersion: version });
    this.#closed = new Promise((resolve) => {
      this.#tellClosed = resolve;
    });
  }

  /** Opens the Network Connection and says nothing. */
  static async open(url: string, options: { clientId?: string; version?: ProtocolVersion } = {}): Promise<RawClient> {
    const client = new RawClient(options.clientId ?? '', options.version ?? 5);
    client.#wire = await openWire(url, {
      data: (chunk) => client.#receive(chunk),
      closed: () => client.#end(),
    });
    return client;
  }

  /** Opens the Network Connection, sends CONNECT and waits for the CONNACK, whatever it says. */
  static async connect(url: string, options: ConnectOptions = {}): Promise<RawClient> {
    const packet = connectPacket(options);
    const client = await RawClient.open(url, { clientId: packet.clientId, version: packet.protocolVersion });
    client.send(packet);
    client.#connack = await client.#mailbox.take('CONNACK', isType('connack'), soonMs);
    return client;
  }

  /** True once the broker, or we, closed the Network Connection; waits for it, within the usual deadline. */
  get closed(): Promise<true> {
    return this.closedWithin(soonMs);
  }

  /** As {@link closed}, with a deadline in milliseconds. */
  closedWithin(deadlineMs: number): Promise<true> {
    return within(deadlineMs, `${this.clientId || 'the Client'} to be closed`, this.#closed);
  }

  /** All bytes that came, up to a few KiB, in hexadecimal: for what a decoder would smooth over. */
  get bytesReceived(): string {
    return this.#bytesReceived;
  }

  /** Sends a packet as it is. */
  send(packet: Packet): void {
    const slab = Slab.take();
    encode(packet, this.version, slab);
    // Copied, because the slab goes back to the pool before the socket has sent it.
    this.#write(new Uint8Array(slab.view()));
    Slab.give(slab);
  }

  /** Sends several packets in one write. */
  sendTogether(packets: readonly Packet[]): void {
    const slab = Slab.take();
    for (const packet of packets) encode(packet, this.version, slab);
    this.#write(new Uint8Array(slab.view()));
    Slab.give(slab);
  }

  /** Sends bytes, given in hexadecimal, whatever they mean. */
  sendBytes(hex: string): void {
    this.#write(fromHex(hex));
  }

  /** The next packet in order of arrival. */
  next(deadlineMs: number = soonMs): Promise<Packet> {
    return this.#mailbox.take('a packet', (packet): packet is Packet => packet !== undefined, deadlineMs);
  }

  /** The next packet of a type; what came before it stays. */
  nextOf<Type extends Packet['type']>(type: Type, deadlineMs: number = soonMs): Promise<Of<Type>> {
    return this.#mailbox.take(type.toUpperCase(), isType(type), deadlineMs);
  }

  /** Packets that have arrived and that nobody has taken yet. */
  get waiting(): readonly Packet[] {
    return this.#mailbox.arrived;
  }

  /**
   * Proves that nothing is on its way: a PINGREQ goes out, and the very next packet is its answer. What the broker
   * still has to do for somebody else is not covered: make sure first that it was done.
   */
  async expectNothing(): Promise<void> {
    this.send({ type: 'pingreq' });
    const packet = await this.next();
    if (packet.type !== 'pingresp')
      throw new Error(`${this.clientId} expected nothing, and got ${describePacket(packet)}`);
  }

  /**
   * Publishes, and carries the QoS 1 or 2 handshake to its end.
   *
   * @returns the last acknowledgement: PUBACK, PUBCOMP, or a PUBREC that refused; undefined at QoS 0
   */
  async publish(options: PublishOptions): Promise<Of<'puback' | 'pubrec' | 'pubcomp'> | undefined> {
    const packet = this.sendPublish(options);
    const { packetId } = packet;
    if (packet.qos === 0) return undefined;
    if (packet.qos === 1) return this.#takeAck('puback', packetId);
    const pubrec = await this.#takeAck('pubrec', packetId);
    if (pubrec.reasonCode >= 0x80) return pubrec;
    this.send({ type: 'pubrel', packetId, reasonCode: ReasonCode.success, properties: undefined });
    return this.#takeAck('pubcomp', packetId);
  }

  /** Sends a PUBLISH and leaves the rest to the test. */
  sendPublish(options: PublishOptions): Publish {
    const packet = this.publishPacket(options);
    this.send(packet);
    return packet;
  }

  /** Builds a PUBLISH with the next free Packet Identifier. */
  publishPacket(options: PublishOptions): Publish {
    const { qos = 0, packetId = qos === 0 ? 0 : this.nextPacketId() } = options;
    return publishPacket({ ...options, packetId });
  }

  /** The next PUBLISH, acknowledged to the end of its handshake. */
  async receiveMessage(deadlineMs: number = soonMs): Promise<Publish> {
    const publish = await this.nextOf('publish', deadlineMs);
    const { packetId } = publish;
    if (publish.qos === 1) this.acknowledge('puback', packetId);
    if (publish.qos === 2) {
      this.acknowledge('pubrec', packetId);
      await this.#takeAck('pubrel', packetId);
      this.acknowledge('pubcomp', packetId);
    }
    return publish;
  }

  /** Sends PUBACK, PUBREC, PUBREL or PUBCOMP. */
  acknowledge(
    type: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp',
    packetId: number,
    reasonCode: ReasonCode = ReasonCode.success,
    properties: AckProperties | undefined = undefined,
  ): void {
    this.send({ type, packetId, reasonCode, properties });
  }

  /** Subscribes to one Topic Filter or several with the same options, and waits for the SUBACK. */
  subscribe(topicFilters: string | readonly string[], options: SubscribeOptions = {}): Promise<Suback> {
    const list = typeof topicFilters === 'string' ? [topicFilters] : topicFilters;
    return this.subscribeEach(
      list.map((topicFilter) => ({ topicFilter, ...options })),
      options,
    );
  }

  /** Subscribes to several Topic Filters, each with options of its own, and waits for the SUBACK. */
  subscribeEach(
    requests: readonly SubscriptionOptions[],
    options: Pick<SubscribeOptions, 'packetId' | 'subscriptionIdentifier'> = {},
  ): Promise<Suback> {
    const packetId = options.packetId ?? this.nextPacketId();
    const { subscriptionIdentifier } = options;
    this.send({
      type: 'subscribe',
      packetId,
      subscriptions: requests.map(subscriptionRequest),
      properties: subscriptionIdentifier === undefined ? undefined : { subscriptionIdentifier },
    });
    return this.#takeAck('suback', packetId);
  }

  /** Unsubscribes, and waits for the UNSUBACK. */
  unsubscribe(topicFilters: string | readonly string[]): Promise<Unsuback> {
    const packetId = this.nextPacketId();
    const list = typeof topicFilters === 'string' ? [topicFilters] : topicFilters;
    this.send({ type: 'unsubscribe', packetId, topicFilters: list, properties: undefined });
    return this.#takeAck('unsuback', packetId);
  }

  /** Sends DISCONNECT and waits until the broker has closed the Network Connection [MQTT-3.14.4-2]. */
  async disconnect(
    reasonCode: ReasonCode = ReasonCode.normalDisconnection,
    properties: DisconnectProperties | undefined = undefined,
  ): Promise<void> {
    this.send({ type: 'disconnect', reasonCode, properties });
    await this.closed;
  }

  /** Cuts the Network Connection, without DISCONNECT. */
  drop(): void {
    this.#wire?.destroy();
  }

  /** Says that no more comes, without DISCONNECT; the broker closes. */
  hangUp(): void {
    this.#wire?.end();
  }

  /** Stops reading from the socket, as a Client that hangs. */
  stopReading(): void {
    this.#wire?.pause();
  }

  /** Reads again. */
  readAgain(): void {
    this.#wire?.resume();
  }

  /** A Packet Identifier that this Client has not used yet. */
  nextPacketId(): number {
    this.#lastPacketId = (this.#lastPacketId % 65_535) + 1;
    return this.#lastPacketId;
  }

  #takeAck<Type extends AckType>(type: Type, packetId: number): Promise<Of<Type>> {
    return this.#mailbox.take(`${type.toUpperCase()} ${packetId}`, isAck(type, packetId), soonMs);
  }

  #write(data: Uint8Array): void {
    if (this.#wire === undefined) throw new Error('not open');
    this.#wire.write(data);
  }

  #receive(chunk: Uint8Array): void {
    if (this.#bytesReceived.length < 8192) this.#bytesReceived += toHex(chunk.subarray(0, 4096));
    if (this.#broken) return;
    try {
      this.#decoder.feed(chunk);
      for (let packet = this.#decoder.next(); packet !== undefined; packet = this.#decoder.next()) {
        this.#mailbox.put(withOwnBytes(packet));
      }
      this.#decoder.settle();
    } catch (error) {
      this.#broken = true;
      this.#mailbox.end(`could not read what the broker sent (${error})`);
    }
  }

  #end(): void {
    this.#tellClosed(true);
    this.#mailbox.end('was closed');
  }
}

/** The packet with its byte fields copied out of the chunk, as plain Uint8Arrays that compare by content. */
function withOwnBytes(packet: Packet): Packet {
  if (packet.type !== 'publish') return packet;
  const { properties } = packet;
  const correlationData = properties?.correlationData;
  return {
    ...packet,
    payload: new Uint8Array(packet.payload),
    properties: correlationData ? { ...properties, correlationData: new Uint8Array(correlationData) } : properties,
  };
}
