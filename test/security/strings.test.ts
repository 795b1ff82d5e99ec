// S10: bytes that are no text, everywhere a UTF-8 Encoded String may stand [MQTT-1.5.4-1, MQTT-1.5.4-2]. One that came
// through would sit in a topic tree, in a log or in another Client.

import type { ProtocolVersion } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import { bytesOf } from '../../packages/protocol/cases/notation.ts';
import { hello, say } from './scene.ts';

const all: readonly ProtocolVersion[] = [3, 4, 5];
const five: readonly ProtocolVersion[] = [5];

interface Place {
  readonly where: string;
  readonly versions: readonly ProtocolVersion[];
  /** The packet, with § where the string stands: its two bytes of length and itself. */
  readonly packet: string;
  /** The same in 5.0, where that is laid out otherwise. */
  readonly inFive?: string;
}

// biome-ignore format: a table
const places: readonly Place[] = [
  { where: 'Client Identifier of 3.1', versions: [3], packet: "10 ['MQIsdp' 03 02 0000 §]" },
  { where: 'Client Identifier of 3.1.1', versions: [4], packet: "10 ['MQTT' 04 02 0000 §]" },
  { where: 'Client Identifier', versions: five, packet: "10 ['MQTT' 05 02 0000 [] §]" },
  { where: 'User Name of 3.1', versions: [3], packet: "10 ['MQIsdp' 03 82 0000 'c' §]" },
  { where: 'User Name of 3.1.1', versions: [4], packet: "10 ['MQTT' 04 82 0000 'c' §]" },
  { where: 'User Name', versions: five, packet: "10 ['MQTT' 05 82 0000 [] 'c' §]" },
  { where: 'Will Topic of 3.1', versions: [3], packet: "10 ['MQIsdp' 03 06 0000 'c' § <>]" },
  { where: 'Will Topic of 3.1.1', versions: [4], packet: "10 ['MQTT' 04 06 0000 'c' § <>]" },
  { where: 'Will Topic', versions: five, packet: "10 ['MQTT' 05 06 0000 [] 'c' [] § <>]" },
  { where: 'Content Type of a Will', versions: five, packet: "10 ['MQTT' 05 06 0000 [] 'c' [03 §] 'w' <>]" },
  { where: 'Response Topic of a Will', versions: five, packet: "10 ['MQTT' 05 06 0000 [] 'c' [08 §] 'w' <>]" },
  { where: 'name of a Will’s User Property', versions: five, packet: "10 ['MQTT' 05 06 0000 [] 'c' [26 § 'v'] 'w' <>]" },
  { where: 'value of a Will’s User Property', versions: five, packet: "10 ['MQTT' 05 06 0000 [] 'c' [26 'k' §] 'w' <>]" },
  { where: 'name of a User Property in CONNECT', versions: five, packet: "10 ['MQTT' 05 02 0000 [26 § 'v'] 'c']" },
  { where: 'value of a User Property in CONNECT', versions: five, packet: "10 ['MQTT' 05 02 0000 [26 'k' §] 'c']" },
  { where: 'Authentication Method in CONNECT', versions: five, packet: "10 ['MQTT' 05 02 0000 [15 §] 'c']" },
  { where: 'Topic Name', versions: all, packet: '30 [§ 6f]', inFive: '30 [§ [] 6f]' },
  { where: 'Topic Name at QoS 2', versions: all, packet: '34 [§ 0001 6f]', inFive: '34 [§ 0001 [] 6f]' },
  { where: 'Content Type', versions: five, packet: "30 ['a' [03 §] 6f]" },
  { where: 'Response Topic', versions: five, packet: "30 ['a' [08 §] 6f]" },
  { where: 'name of a User Property in PUBLISH', versions: five, packet: "30 ['a' [26 § 'v'] 6f]" },
  { where: 'value of a User Property in PUBLISH', versions: five, packet: "30 ['a' [26 'k' §] 6f]" },
  { where: 'Reason String of PUBACK', versions: five, packet: '40 [0001 00 [1f §]]' },
  { where: 'Reason String of PUBREC', versions: five, packet: '50 [0001 00 [1f §]]' },
  { where: 'Reason String of PUBREL', versions: five, packet: '62 [0001 00 [1f §]]' },
  { where: 'Reason String of PUBCOMP', versions: five, packet: '70 [0001 00 [1f §]]' },
  { where: 'User Property of PUBREL', versions: five, packet: "62 [0001 00 [26 § 'v']]" },
  { where: 'Topic Filter', versions: all, packet: '82 [0001 § 00]', inFive: '82 [0001 [] § 00]' },
  { where: 'second Topic Filter', versions: all, packet: "82 [0001 'a' 00 § 00]", inFive: "82 [0001 [] 'a' 00 § 00]" },
  { where: 'User Property of SUBSCRIBE', versions: five, packet: "82 [0001 [26 'k' §] 'a' 00]" },
  { where: 'Topic Filter of UNSUBSCRIBE', versions: all, packet: 'a2 [0001 §]', inFive: 'a2 [0001 [] §]' },
  { where: 'User Property of UNSUBSCRIBE', versions: five, packet: "a2 [0001 [26 § 'v'] 'a']" },
  { where: 'Reason String of DISCONNECT', versions: five, packet: 'e0 [00 [1f §]]' },
  { where: 'User Property of DISCONNECT', versions: five, packet: "e0 [00 [26 'k' §]]" },
  { where: 'Authentication Method of AUTH', versions: five, packet: 'f0 [18 [15 §]]' },
  { where: 'Reason String of AUTH', versions: five, packet: "f0 [18 [15 'm' 1f §]]" },
];

const illFormed = [
  '80', 'c3', 'c328', 'e282', '61 e282', 'f09f98', 'fe', 'ff', // no character, or half of one
  'c080', 'c0af', 'e08080', 'e080af', 'f0808080', 'f08080af', // more bytes than needed
  'eda080', 'edbfbf', 'edb080 eda080', '61 eda080 62', // surrogates, alone and in pairs
  'f4908080', 'f8888080 80', // beyond U+10FFFF
]; // biome-ignore format: a table
const withNull = ['00', '6100', '0061', '61 00 62', 'c3b6 00'];
const strangeAndGood = ['efbbbf', '61 efbbbf', 'efbfbf', 'f48fbfbf', 'ed9fbf', 'ee8080', '01', '7f', 'c285', 'efb790'];

const rows = places.flatMap((place) =>
  place.versions.map((version) => ({
    ...place,
    version,
    packet: version === 5 ? (place.inFive ?? place.packet) : place.packet,
  })),
);

/** What is said before it, and the packet with this string in it. */
function withString(version: ProtocolVersion, packet: string, text: string): readonly string[] {
  const said = packet.replace('§', `<${text}>`);
  return said.startsWith('10') ? [said] : [hello[version], said];
}

describe.each(rows)('[MQTT-1.5.4] the $where, at level $version', ({ version, packet }) => {
  it('is refused and the connection closed, where it is no UTF-8 or has U+0000 in it', async () => {
    for (const text of [...illFormed, ...withNull]) {
      const { error, isClosed, mishaps } = await say(version, ...withString(version, packet, text));
      expect(error, text).toMatchObject({
        reasonCode: 0x81,
        statement: withNull.includes(text) ? 'MQTT-1.5.4-2' : 'MQTT-1.5.4-1',
      });
      expect(isClosed).toBe(true);
      expect(mishaps).toEqual([]);
    }
  });

  it('is text with every character there is, byte order marks and non-characters too', async () => {
    for (const text of strangeAndGood) {
      const { received, error } = await say(version, ...withString(version, packet, text));
      // It was understood; what the broker makes of it is another matter.
      expect(received.length, `${text}: ${error}`).toBe(withString(version, packet, text).length);
      expect(JSON.stringify(received.at(-1))).toContain(
        JSON.stringify(Buffer.from(bytesOf(text)).toString()).slice(1, -1),
      );
    }
  });
});
