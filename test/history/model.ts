// A tiny correct server and its Clients, which write histories as they really happen.
//
// Whatever can be on its way is: each Client has a line of packets to the server and one back, and somebody's decisions
// say who takes the next step. Network Connections are cut with packets in both lines, Clients take themselves over,
// Sessions expire, DISCONNECTs get lost. A checker must accept all of it.

import type { QoS } from '@skein/protocol';
import type { PlannedWill } from './event.ts';
import { type ModelMessage, ModelServer, type ToClient, type ToServer } from './model-server.ts';
import { Story } from './story.ts';

/** Chooses among so many; undefined when there is nothing more to choose. */
export type Decide = (below: number) => number | undefined;

const topics = ['a/1', 'a/2', 'b/1', 'b'] as const;
const filters = ['a/+', 'a/1', '#', 'b/#', '+/1', 'will/#'] as const;
const expiries = [0, 0, 30, 3600, 0xffff_ffff, 0xffff_ffff] as const;

interface ModelPublisher {
  readonly name: string;
  n: number;
  /** Sent, and not yet read by the server. */
  line: ModelMessage[];
  /** Read, and not yet answered. */
  unanswered: { message: ModelMessage; isRefused: boolean }[];
}

interface ModelClient {
  readonly name: string;
  phase: 'away' | 'connecting' | 'connected' | 'leaving';
  mustStartClean: boolean;
  willNumber: number;
  subscribing: boolean;
  toServer: ToServer[];
  toClient: ToClient[];
}

/** A Client that is always there and asks for nothing that anybody publishes. */
export const bystander = 'bystander';

/** Lets a server and its Clients do what is decided, then lets everything arrive, and returns what the Clients saw. */
export function happen(decide: Decide): Story {
  return new Model(decide).run();
}

class Model {
  readonly #story: Story = new Story();
  readonly #server: ModelServer = new ModelServer();
  readonly #decide: Decide;
  readonly #publishers: readonly ModelPublisher[];
  readonly #clients: readonly ModelClient[];

  constructor(decide: Decide) {
    this.#decide = decide;
    this.#publishers = ['p0', 'p1'].map((name) => ({ name, n: 0, line: [], unanswered: [] }));
    this.#clients = ['c0', 'c1', 'c2'].map((name) => ({
      name,
      phase: 'away',
      mustStartClean: false,
      willNumber: 0,
      subscribing: false,
      toServer: [],
      toClient: [],
    }));
  }

  run(): Story {
    this.#story.connect(bystander).subscribe(bystander, 'nothing/#');
    for (const client of this.#clients) this.#settleIn(client);
    for (let step = this.#decide(12); step !== undefined; step = this.#decide(12)) this.#step(step);
    this.#settle();
    return this.#story;
  }

  /** Connects and subscribes, so that there is something to be told. */
  #settleIn(client: ModelClient): void {
    this.#connect(client);
    for (let count = 0; count < 3; count++) {
      while (client.toServer.length > 0) this.#serve(client);
      while (client.toClient.length > 0) this.#read(client);
      this.#request(client);
    }
  }

  #step(step: number): void {
    const publisher = this.#publishers[this.#below(this.#publishers.length)] as ModelPublisher;
    const client = this.#clients[this.#below(this.#clients.length)] as ModelClient;
    this.#server.pass(this.#story.nowMs);
    if (step <= 1) this.#publish(publisher);
    else if (step <= 3) this.#arrive(publisher);
    else if (step === 4) this.#answer(publisher);
    else if (step <= 6) this.#serve(client);
    else if (step <= 8) this.#read(client);
    else if (step === 9) {
      if (this.#below(3) === 0) this.#request(client);
    } else if (client.phase === 'away') this.#connect(client);
    else this.#disturb(client, publisher);
  }

  /** What happens rarely: cuts, takeovers, time. */
  #disturb(client: ModelClient, publisher: ModelPublisher): void {
    const what = this.#below(30);
    if (what === 0) this.#story.wait(this.#below(40));
    else if (what === 1) this.#cutPublisher(publisher);
    else if (what === 2) this.#cut(client);
    else if (what === 3) {
      this.#lose(client);
      this.#connect(client); // a takeover
    } else if (what === 4 && client.phase === 'connected') {
      const dropsWill = this.#below(2) === 0;
      this.#story.tell({ is: 'disconnecting', client: client.name, dropsWill });
      client.toServer.push({ is: 'disconnect', dropsWill });
      client.phase = 'leaving';
    } else this.#serve(client);
  }

  // Publishers

  #publish(publisher: ModelPublisher): void {
    const message: ModelMessage = {
      publisher: publisher.name,
      n: ++publisher.n,
      topic: topics[this.#below(topics.length)] as string,
      qos: this.#below(3) as QoS,
      retain: this.#below(6) === 0,
    };
    const { n, ...saying } = message;
    this.#story.say(publisher.name, n, saying);
    publisher.line.push(message);
  }

  #arrive(publisher: ModelPublisher): void {
    const message = publisher.line.shift();
    if (message === undefined) return;
    // Always the same ones: if a message were refused at first and taken when it is sent again, it would be out of order.
    const isRefused = message.qos > 0 && message.n % 20 === 0;
    if (!isRefused) this.#server.publish(message);
    publisher.unanswered.push({ message, isRefused });
  }

  #answer(publisher: ModelPublisher): void {
    const answer = publisher.unanswered.shift();
    if (answer === undefined) return;
    const { n } = answer.message;
    if (answer.isRefused) this.#story.tell({ is: 'refused', publisher: publisher.name, n, reasonCode: 0x97 });
    else this.#story.acknowledge(publisher.name, n);
  }

  /** QoS 1 goes again from the first that was not answered on, QoS 2 was noted, QoS 0 is gone. */
  #cutPublisher(publisher: ModelPublisher): void {
    const repeated = publisher.unanswered.filter(({ message }) => message.qos === 1).map(({ message }) => message);
    publisher.unanswered = publisher.unanswered.filter(({ message }) => message.qos === 2);
    publisher.line = [...repeated, ...publisher.line.filter(({ qos }) => qos > 0)];
  }

  // Clients

  #connect(client: ModelClient): void {
    const { name } = client;
    const cleanStart = client.mustStartClean || this.#below(4) === 0;
    const sessionExpirySeconds = expiries[this.#below(expiries.length)] as number;
    const will = this.#below(2) === 0 ? this.#plan(client) : undefined;
    this.#story.tryToConnect(name, { cleanStart, sessionExpirySeconds, ...(will === undefined ? {} : { will }) });
    client.mustStartClean = cleanStart;
    client.phase = 'connecting';
    client.toServer = [{ is: 'connect', cleanStart, sessionExpirySeconds, will }];
    client.toClient = [];
    client.subscribing = false;
  }

  #plan(client: ModelClient): PlannedWill {
    client.willNumber++;
    return {
      n: client.willNumber,
      topic: `will/${client.name}`,
      qos: this.#below(3) as QoS,
      retain: false,
      delaySeconds: this.#below(2) * 20,
    };
  }

  /** The next packet of a Client reaches the server, or the server sends the next message to it. */
  #serve(client: ModelClient): void {
    const packet = client.toServer.shift();
    if (packet !== undefined) client.toClient.push(...this.#server.receive(client.name, packet));
    else if (client.phase !== 'away') client.toClient.push(...this.#server.send(client.name));
  }

  /** The next packet from the server reaches its Client. */
  #read(client: ModelClient): void {
    const packet = client.toClient.shift();
    if (packet === undefined) return;
    const { name } = client;
    switch (packet.is) {
      case 'connack':
        client.phase = 'connected';
        client.mustStartClean = false;
        this.#story.tell({ is: 'connected', client: name, sessionPresent: packet.sessionPresent });
        return;
      case 'publish':
        this.#receive(client, packet);
        return;
      case 'pubrel':
        this.#story.release(name, packet.packetId);
        client.toServer.push({ is: 'pubcomp', packetId: packet.packetId });
        return;
      case 'suback':
        this.#story.tell({ is: 'subscribed', client: name, topicFilter: packet.topicFilter, qos: packet.qos });
        client.subscribing = false;
        return;
      case 'unsuback':
        this.#story.tell({ is: 'unsubscribed', client: name, topicFilter: packet.topicFilter });
        client.subscribing = false;
        return;
      case 'close':
        this.#story.tell({ is: 'disconnected', client: name, orderly: true });
        this.#forgetConnection(client);
    }
  }

  #receive({ name, toServer }: ModelClient, publish: Extract<ToClient, { is: 'publish' }>): void {
    const { message, qos, retain, dup, packetId } = publish;
    this.#story.deliver(name, message.publisher, message.n, { qos, retain, dup, packetId });
    if (qos > 0) toServer.push({ is: qos === 1 ? 'puback' : 'pubrec', packetId });
  }

  #request(client: ModelClient): void {
    if (client.phase !== 'connected' || client.subscribing) return;
    const topicFilter = filters[this.#below(filters.length)] as string;
    client.subscribing = true;
    if (this.#below(3) === 0) {
      this.#story.tell({ is: 'unsubscribing', client: client.name, topicFilter });
      client.toServer.push({ is: 'unsubscribe', topicFilter });
      return;
    }
    const options = { qos: this.#below(3) as QoS, noLocal: false, retainAsPublished: this.#below(4) === 0 };
    this.#story.subscribing(client.name, topicFilter, options);
    client.toServer.push({ is: 'subscribe', topicFilter, ...options });
  }

  #cut(client: ModelClient): void {
    if (client.phase === 'away') return;
    this.#lose(client);
    this.#story.cut(client.name);
    this.#forgetConnection(client);
  }

  /** Some of what a Client has sent arrives, the rest does not; then the server sees that it is gone. */
  #lose(client: ModelClient): void {
    for (let count = this.#below(client.toServer.length + 1); count > 0; count--) {
      const packet = client.toServer.shift() as ToServer;
      this.#server.receive(client.name, packet);
    }
    this.#server.lose(client.name, this.#story.nowMs);
  }

  #forgetConnection(client: ModelClient): void {
    client.phase = 'away';
    client.toServer = [];
    client.toClient = [];
    client.subscribing = false;
  }

  // The end

  /** Everybody comes back, and everything arrives. */
  #settle(): void {
    this.#story.wait(25); // Will Messages with a delay become due
    this.#server.pass(this.#story.nowMs);
    for (const publisher of this.#publishers) {
      while (publisher.line.length > 0) this.#arrive(publisher);
      while (publisher.unanswered.length > 0) this.#answer(publisher);
    }
    for (const client of this.#clients) {
      if (client.phase === 'leaving') this.#cut(client);
      if (client.phase === 'away') this.#connect(client);
    }
    // A Client that comes back may have ended a Session, and so have sent a Will Message to another one.
    for (let isMoving = true; isMoving; ) {
      isMoving = false;
      for (const client of this.#clients) {
        while (client.toServer.length > 0 || this.#server.hasMore(client.name)) {
          this.#serve(client);
          isMoving = true;
        }
        while (client.toClient.length > 0) {
          this.#read(client);
          isMoving = true;
        }
      }
    }
  }

  /** A decision that is always there. */
  #below(count: number): number {
    return this.#decide(count) ?? 0;
  }
}
