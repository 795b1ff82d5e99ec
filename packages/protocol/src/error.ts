// The one error that a Client's bytes can cause.

import type { ReasonCode } from './reason-code.ts';

/**
 * The other side broke the protocol.
 *
 * Whoever catches it answers with CONNACK or DISCONNECT carrying {@link MqttError.reasonCode} where the version
 * has such an answer, and closes the Network Connection [MQTT-4.13.1-1].
 */
export class MqttError extends Error {
  override readonly name = 'MqttError';
  /** What the other side is told, 0x80 or above. */
  readonly reasonCode: ReasonCode;
  /** The statement that was broken, as `MQTT-3.3.1-4`; empty where the specification gives it no number. */
  readonly statement: string;

  /**
   * @param reasonCode what the other side is told
   * @param message what was wrong and where, in a sentence without the other side's bytes
   * @param statement the statement broken, without brackets
   */
  constructor(reasonCode: ReasonCode, message: string, statement = '') {
    super(statement === '' ? message : `${message} [${statement}]`);
    this.reasonCode = reasonCode;
    this.statement = statement;
  }
}
