// Topic Aliases that a Client has set on its Network Connection [MQTT 3.3.2.3.4].

import { MqttError, ReasonCode } from '@skein/protocol';

/** From Topic Alias to Topic Name, in one direction of one Network Connection. */
export class TopicAliases {
  readonly #max: number;
  #topics: Map<number, string> | undefined;

  constructor(max: number) {
    this.#max = max;
  }

  /**
   * The Topic Name a PUBLISH means; a name given along with an alias is remembered.
   *
   * @throws MqttError if the alias is beyond what was allowed, or stands for nothing yet
   */
  resolve(topic: string, alias: number): string {
    if (alias > this.#max) {
      throw new MqttError(
        ReasonCode.topicAliasInvalid,
        `Topic Alias ${alias} exceeds the Topic Alias Maximum of ${this.#max}`,
        'MQTT-3.3.2-9',
      );
    }
    if (topic !== '') {
      this.#topics ??= new Map();
      this.#topics.set(alias, topic);
      return topic;
    }
    const known = this.#topics?.get(alias);
    if (known === undefined) {
      throw new MqttError(ReasonCode.protocolError, `Topic Alias ${alias} stands for no topic yet`, 'MQTT-3.3.4-1');
    }
    return known;
  }
}
