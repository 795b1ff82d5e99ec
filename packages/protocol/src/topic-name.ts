// What makes text a Topic Name: at least one character, and no wildcard [§4.7].
//
// Topic Filters have rules of their own, which are the broker's; Topic Names are judged here, because a PUBLISH with a
// bad one is refused like any other bad packet.

import { MqttError } from './error.ts';
import { ReasonCode } from './reason-code.ts';

const plus = 0x2b;
const numberSign = 0x23;

/**
 * @param field what the name is, for the error
 * @param statement what forbids a wildcard there
 * @throws MqttError Topic Name invalid
 */
export function checkTopicName(name: string, field: string, statement: string): void {
  if (name.length === 0) throw new MqttError(ReasonCode.topicNameInvalid, `${field} is empty`, 'MQTT-4.7.3-1');
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i);
    if (unit === plus || unit === numberSign) {
      throw new MqttError(ReasonCode.topicNameInvalid, `${field} contains a wildcard`, statement);
    }
  }
}
