// One exchange of AUTH packets with one Client, from its first data to its outcome [MQTT 4.12].
//
// It alternates: the method is given what the Client said, then the Client what the method answered, and who speaks out
// of turn breaks the protocol. Whoever talks here may not have been let in yet, so the steps are bounded, and the time
// that they take together; the data is by its two bytes of length.

import { type Auth, type AuthProperties, MqttError, ReasonCode } from '@skein/protocol';
import type { Authentication, AuthenticationExchange, Clock } from './ports.ts';

/** How long an exchange may take, in milliseconds. */
const exchangeMs = 10_000;
/** How often a method may be asked in one exchange. */
const stepsMax = 16;

/** What an exchange came to. */
export interface Outcome {
  readonly answer: Authentication;
  /** For the Client, with CONNACK or AUTH 0x00. */
  readonly data: Uint8Array | undefined;
}

/** What an exchange needs of its Client. */
export interface ExchangeSurroundings {
  readonly clock: Pick<Clock, 'after'>;
  readonly send: (packet: Auth) => void;
  /** Whether it is the Client's turn, from now on. */
  readonly awaits: (isAwaited: boolean) => void;
  /** Whether what the Client says is read at present. */
  readonly isRead: () => boolean;
}

/** One exchange with one Client, from its first data to its outcome. */
export class Exchange {
  readonly #around: ExchangeSurroundings;
  readonly #method: string;
  readonly #exchange: AuthenticationExchange;
  #turn: 'method' | 'client' | 'over' = 'method';
  #steps = 0;
  #settle: (outcome: Outcome | undefined) => void = () => {};
  #fail: (error: unknown) => void = () => {};
  #cancelDeadline: () => void = () => {};

  /** @param method the name of the method */
  constructor(method: string, exchange: AuthenticationExchange, around: ExchangeSurroundings) {
    this.#method = method;
    this.#exchange = exchange;
    this.#around = around;
  }

  /**
   * Goes from the first data to the outcome. Called once.
   *
   * @returns undefined if it was given up
   */
  run(data: Uint8Array | undefined): Promise<Outcome | undefined> {
    return new Promise((settle, fail) => {
      this.#settle = settle;
      this.#fail = fail;
      this.#setDeadline();
      this.#ask(data);
    });
  }

  /**
   * Takes what the Client says on.
   *
   * @throws MqttError if it is not the Client's turn, or names another method
   */
  receive(packet: Auth): void {
    const data = dataOf(packet, this.#method);
    if (packet.reasonCode !== ReasonCode.continueAuthentication) {
      throw new MqttError(ReasonCode.protocolError, 'AUTH that does not continue the exchange', 'MQTT-4.12.0-3');
    }
    if (this.#turn !== 'client') {
      throw new MqttError(ReasonCode.protocolError, 'AUTH that nothing asked for', 'MQTT-4.12.0-3');
    }
    this.#turn = 'method';
    this.#around.awaits(false);
    this.#ask(data);
  }

  /** Gives up: the Client is gone, or will be. */
  abandon(): void {
    if (!this.#ends()) return;
    this.#exchange.abandon();
    this.#settle(undefined);
  }

  /** Ends the exchange against the Client, whatever the method would have said. */
  refuse(reasonCode: ReasonCode, why: string): void {
    if (!this.#ends()) return;
    this.#exchange.abandon();
    this.#settle({ answer: { accepted: false, reasonCode, why }, data: undefined });
  }

  #setDeadline(): void {
    this.#cancelDeadline = this.#around.clock.after(exchangeMs, () => {
      // Who cannot be heard is not late: a connected Client may not be read for other reasons, the store's among them.
      if (this.#turn === 'client' && !this.#around.isRead()) this.#setDeadline();
      else this.refuse(ReasonCode.notAuthorized, 'the authentication took too long');
    });
  }

  #ask(data: Uint8Array | undefined): void {
    this.#steps += 1;
    this.#exchange
      .next(data)
      .then((step) => {
        if (this.#turn === 'over') return;
        if (step.is === 'continue') {
          this.#askClient(step.data);
          return;
        }
        this.#ends();
        this.#settle({ answer: step.answer, data: step.data });
      })
      .catch((error: unknown) => {
        if (!this.#ends()) return;
        this.#exchange.abandon();
        this.#fail(error);
      });
  }

  #askClient(data: Uint8Array | undefined): void {
    if (this.#steps >= stepsMax) {
      this.refuse(ReasonCode.notAuthorized, `the authentication takes more than ${stepsMax} steps`);
      return;
    }
    this.#turn = 'client';
    this.#around.send(authPacket(ReasonCode.continueAuthentication, this.#method, data)); // [MQTT-4.12.0-2]
    this.#around.awaits(true);
  }

  /** @returns false if it was over before */
  #ends(): boolean {
    if (this.#turn === 'over') return false;
    this.#turn = 'over';
    this.#cancelDeadline();
    return true;
  }
}

/**
 * The Authentication Data of an AUTH, with memory of its own: it is a view of a read buffer, and a method takes its time.
 *
 * @throws MqttError if the packet names another method than CONNECT did [MQTT-4.12.0-5]
 */
export function dataOf({ properties }: Auth, method: string): Uint8Array | undefined {
  if (properties?.authenticationMethod !== method) {
    const why = 'AUTH names another method than CONNECT did';
    throw new MqttError(ReasonCode.badAuthenticationMethod, why, 'MQTT-4.12.0-5');
  }
  const data = properties.authenticationData;
  return data === undefined ? undefined : new Uint8Array(data);
}

/** An AUTH of the server's. It gives no reasons, which a Client may not want [MQTT-3.1.2-29]. */
export function authPacket(
  reasonCode: Auth['reasonCode'],
  authenticationMethod: string,
  authenticationData: Uint8Array | undefined,
): Auth {
  const properties: AuthProperties = { authenticationMethod };
  if (authenticationData !== undefined) properties.authenticationData = authenticationData;
  return { type: 'auth', reasonCode, properties };
}
