// Every Reason Code in every packet, against table 2-6 of the specification, which goes by code where our packets each
// list their own; and against the columns "sent by" of tables 3-10 and 3-11.

import { describe, expect, it } from 'vitest';
import { bytesOf } from '../cases/notation.ts';
import { Decoder, MqttError, type Sender } from './index.ts';

// biome-ignore format: a table
const specified: Record<number, string> = {
  0: 'CONNACK PUBACK PUBREC PUBREL PUBCOMP UNSUBACK AUTH> DISCONNECT< DISCONNECT> SUBACK',
  1: 'SUBACK',
  2: 'SUBACK',
  4: 'DISCONNECT<',
  16: 'PUBACK PUBREC',
  17: 'UNSUBACK',
  24: 'AUTH< AUTH>',
  25: 'AUTH<',
  128: 'CONNACK PUBACK PUBREC SUBACK UNSUBACK DISCONNECT< DISCONNECT>',
  129: 'CONNACK DISCONNECT< DISCONNECT>',
  130: 'CONNACK DISCONNECT< DISCONNECT>',
  131: 'CONNACK PUBACK PUBREC SUBACK UNSUBACK DISCONNECT< DISCONNECT>',
  132: 'CONNACK',
  133: 'CONNACK',
  134: 'CONNACK',
  135: 'CONNACK PUBACK PUBREC SUBACK UNSUBACK DISCONNECT>',
  136: 'CONNACK',
  137: 'CONNACK DISCONNECT>',
  138: 'CONNACK',
  139: 'DISCONNECT>',
  140: 'CONNACK DISCONNECT< DISCONNECT>',
  141: 'DISCONNECT>',
  142: 'DISCONNECT>',
  143: 'SUBACK UNSUBACK DISCONNECT>',
  144: 'CONNACK PUBACK PUBREC DISCONNECT< DISCONNECT>',
  145: 'PUBACK PUBREC SUBACK UNSUBACK',
  146: 'PUBREL PUBCOMP',
  147: 'DISCONNECT< DISCONNECT>',
  148: 'DISCONNECT< DISCONNECT>',
  149: 'CONNACK DISCONNECT< DISCONNECT>',
  150: 'DISCONNECT< DISCONNECT>',
  151: 'CONNACK PUBACK PUBREC SUBACK DISCONNECT< DISCONNECT>',
  152: 'DISCONNECT< DISCONNECT>',
  153: 'CONNACK PUBACK PUBREC DISCONNECT< DISCONNECT>',
  154: 'CONNACK DISCONNECT>',
  155: 'CONNACK DISCONNECT>',
  156: 'CONNACK DISCONNECT>',
  157: 'CONNACK DISCONNECT>',
  158: 'SUBACK DISCONNECT>',
  159: 'CONNACK DISCONNECT>',
  160: 'DISCONNECT>',
  161: 'SUBACK DISCONNECT>',
  162: 'SUBACK DISCONNECT>',
};

/** How a packet with a Reason Code is written; `<` from a client, `>` from a server. */
const packets: [name: string, from: Sender, before: string, after: string, statement: string][] = [
  ['CONNACK', 'server', '20 03 00', '00', 'MQTT-3.2.2-8'],
  ['PUBACK', 'client', '40 04 0007', '00', 'MQTT-3.4.2-1'],
  ['PUBREC', 'server', '50 04 0007', '00', 'MQTT-3.5.2-1'],
  ['PUBREL', 'client', '62 04 0007', '00', 'MQTT-3.6.2-1'],
  ['PUBCOMP', 'server', '70 04 0007', '00', 'MQTT-3.7.2-1'],
  ['SUBACK', 'server', '90 04 0007 00', '', 'MQTT-3.9.3-2'],
  ['UNSUBACK', 'server', 'b0 04 0007 00', '', 'MQTT-3.11.3-2'],
  ['DISCONNECT<', 'client', 'e0 02', '00', 'MQTT-3.14.2-1'],
  ['DISCONNECT>', 'server', 'e0 02', '00', 'MQTT-3.14.2-1'],
  ['AUTH<', 'client', 'f0 0a', "08 15 'token'", 'MQTT-3.15.2-1'],
  ['AUTH>', 'server', 'f0 0a', "08 15 'token'", 'MQTT-3.15.2-1'],
];

describe.each(packets)('[§2.4] the Reason Codes of %s', (name, from, before, after, statement) => {
  it('are those of the specification and no others', () => {
    for (let code = 0; code < 256; code++) {
      const decoder = new Decoder({ from, maximumPacketSize: 100, protocolVersion: 5 });
      decoder.feed(bytesOf(`${before} ${code.toString(16).padStart(2, '0')} ${after}`));
      if (specified[code]?.split(' ').includes(name)) {
        expect(decoder.next()).toBeDefined();
      } else {
        const refused = expect(() => decoder.next());
        refused.toThrow(MqttError);
        refused.toThrow(expect.objectContaining({ reasonCode: 0x82, statement }));
      }
    }
  });
});
