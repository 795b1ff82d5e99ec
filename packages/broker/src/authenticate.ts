// Enhanced authentication: a Client and a method talk, in AUTH packets, until the method knows who it is [MQTT 4.12].
//
// They do at CONNECT, and nothing else goes on until CONNACK; and later whenever the Client wants, by AUTH 0x19, beside
// everything else. The method is the same throughout, and so is the user.
//
// Clients that have not been let in are bounded in number too. Of too many exchanges the oldest gives way: honest Clients
// are soon done, and whoever only holds a place loses it first.

import { type Auth, type Connect, MqttError, type Packet, ReasonCode } from '@skein/protocol';
import { authPacket, dataOf, Exchange, type ExchangeSurroundings, type Outcome } from './exchange.ts';
import type { Credentials } from './outlet.ts';
import type { AuthenticationMethod } from './ports.ts';

/** Exchanges of Clients that are not connected yet. */
const exchangesMax = 1024;

/** The methods of a server, and the exchanges of Clients that are not connected yet. */
export class Exchanges {
  readonly #methods: ReadonlyMap<string, AuthenticationMethod>;
  /** Oldest first. Invariant: no more than {@link exchangesMax}. */
  readonly #underWay = new Set<Exchange>();

  constructor(methods: readonly AuthenticationMethod[]) {
    this.#methods = new Map(methods.map((method) => [method.name, method]));
  }

  /**
   * Lets a Client talk to the method that its CONNECT names; undefined if it names none.
   *
   * @throws MqttError if this server does not have it [MQTT-4.12.0-1]
   */
  dialogueWith({ properties }: Connect, around: ExchangeSurroundings): Dialogue | undefined {
    const name = properties?.authenticationMethod;
    if (name === undefined) return undefined;
    const method = this.#methods.get(name);
    if (method !== undefined) return new Dialogue(method, this, around);
    const why = 'this server does not offer that Authentication Method';
    throw new MqttError(ReasonCode.badAuthenticationMethod, why, 'MQTT-4.12.0-1');
  }

  /** Runs the exchange that a CONNECT begins, beside not too many others. @see Exchange.run */
  async run(exchange: Exchange, data: Uint8Array | undefined): Promise<Outcome | undefined> {
    const [oldest] = this.#underWay;
    if (oldest !== undefined && this.#underWay.size >= exchangesMax) {
      this.#underWay.delete(oldest);
      oldest.refuse(ReasonCode.serverBusy, 'too many Clients are being authenticated');
    }
    this.#underWay.add(exchange);
    try {
      return await exchange.run(data);
    } finally {
      this.#underWay.delete(exchange);
    }
  }
}

/** What a Client and its Authentication Method say to each other, as long as the Network Connection lasts. */
export class Dialogue {
  readonly #method: AuthenticationMethod;
  readonly #exchanges: Exchanges;
  readonly #around: ExchangeSurroundings;
  #exchange: Exchange | undefined;

  constructor(method: AuthenticationMethod, exchanges: Exchanges, around: ExchangeSurroundings) {
    this.#method = method;
    this.#exchanges = exchanges;
    this.#around = around;
  }

  /** The name of the method, which is the same throughout [MQTT-4.12.0-5]. */
  get method(): string {
    return this.#method.name;
  }

  /** Goes from CONNECT to the outcome; undefined if it was given up. */
  async begin(credentials: Credentials): Promise<Outcome | undefined> {
    const exchange = this.#begin(credentials, undefined);
    const outcome = await this.#exchanges.run(exchange, credentials.properties?.authenticationData);
    this.#exchange = undefined;
    return outcome;
  }

  /**
   * Takes what the Client says before CONNACK.
   *
   * @throws MqttError if it is not for the Client to say anything now, or not that [MQTT-3.1.2-30]
   */
  receive(packet: Packet): void {
    if (packet.type === 'auth' && this.#exchange !== undefined) this.#exchange.receive(packet);
    else throw new MqttError(ReasonCode.protocolError, 'neither AUTH nor DISCONNECT before CONNACK', 'MQTT-3.1.2-30');
  }

  /**
   * Takes an AUTH of a connected Client: it wants to show once more who it is, or goes on with that [§4.12.1].
   * A Client stays who it was, for that is whom its Will and its Subscriptions were allowed to: a method that knows its
   * user under several names answers with the one that it was told.
   *
   * @param client its User Name is whom it is connected as
   * @returns what came of it; undefined unless this packet began it, and if it was given up
   * @throws MqttError
   */
  receiveConnected(packet: Auth, client: Omit<Credentials, 'password' | 'properties'>): Promise<Outcome | undefined> {
    if (this.#exchange !== undefined) {
      this.#exchange.receive(packet);
      return Promise.resolve(undefined);
    }
    const data = dataOf(packet, this.method);
    if (packet.reasonCode !== ReasonCode.reAuthenticate) {
      throw new MqttError(ReasonCode.protocolError, 'AUTH that nothing asked for', 'MQTT-4.12.0-3');
    }
    const { username } = client;
    const exchange = this.#begin({ ...client, password: undefined, properties: undefined }, username);
    return exchange.run(data).then((outcome) => {
      this.#exchange = undefined;
      if (outcome?.answer.accepted !== true) return outcome;
      if ((outcome.answer.username ?? username) !== username) return stranger;
      this.#around.send(authPacket(ReasonCode.success, this.method, outcome.data));
      return outcome;
    });
  }

  /** Gives up what is under way: the Client is gone, or will be. */
  abandon(): void {
    this.#exchange?.abandon();
  }

  #begin(credentials: Credentials, connectedAs: string | undefined): Exchange {
    this.#exchange = new Exchange(this.method, this.#method.begin(credentials, connectedAs), this.#around);
    return this.#exchange;
  }
}

const stranger: Outcome = {
  answer: { accepted: false, reasonCode: ReasonCode.notAuthorized, why: 'authenticated as another user' },
  data: undefined,
};
