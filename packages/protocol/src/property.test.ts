// Every property in every place, against table 2-4 of the specification, which is written out here once more.

import { describe, expect, it } from 'vitest';
import { bytesOf } from '../cases/notation.ts';
import { asBytes, Chunk } from './bytes.ts';
import { Cursor } from './cursor.ts';
import { MqttError } from './error.ts';
import { readProperties, writeProperties } from './properties.ts';
import type { PropertiesOf, PropertyPlace } from './property.ts';
import { Slab } from './slab.ts';

const places: PropertyPlace[] = [
  'connect',
  'will',
  'connack',
  'publish',
  'acknowledgement',
  'subscribe',
  'unsubscribe',
  'disconnect',
  'auth',
];

/** Identifier, a value as bytes and as we hold it, and where it may stand. */
// biome-ignore format: a table
const specified: [id: number, name: string, bytes: string, value: unknown, places: string][] = [
  [0x01, 'payloadFormatIndicator', '01', 1, 'publish will'],
  [0x02, 'messageExpiryInterval', 'fedcba98', 0xfedcba98, 'publish will'],
  [0x03, 'contentType', "'text/plain'", 'text/plain', 'publish will'],
  [0x08, 'responseTopic', "'reply/to'", 'reply/to', 'publish will'],
  [0x09, 'correlationData', '<00 ff>', Uint8Array.of(0, 255), 'publish will'],
  [0x0b, 'subscriptionIdentifiers', '80 01', [128], 'publish'],
  [0x0b, 'subscriptionIdentifier', '80 01', 128, 'subscribe'],
  [0x11, 'sessionExpiryInterval', 'ffffffff', 0xffffffff, 'connect connack disconnect'],
  [0x12, 'assignedClientIdentifier', "'auto'", 'auto', 'connack'],
  [0x13, 'serverKeepAlive', '0000', 0, 'connack'],
  [0x15, 'authenticationMethod', "'token'", 'token', 'connect connack auth'],
  [0x16, 'authenticationData', '<>', new Uint8Array(0), 'connect connack auth'],
  [0x17, 'requestProblemInformation', '00', 0, 'connect'],
  [0x18, 'willDelayInterval', '00000000', 0, 'will'],
  [0x19, 'requestResponseInformation', '01', 1, 'connect'],
  [0x1a, 'responseInformation', "'r/'", 'r/', 'connack'],
  [0x1c, 'serverReference', "'b:1883'", 'b:1883', 'connack disconnect'],
  [0x1f, 'reasonString', "'why'", 'why', 'connack acknowledgement disconnect auth'],
  [0x21, 'receiveMaximum', 'ffff', 65_535, 'connect connack'],
  [0x22, 'topicAliasMaximum', '0000', 0, 'connect connack'],
  [0x23, 'topicAlias', '0001', 1, 'publish'],
  [0x24, 'maximumQos', '00', 0, 'connack'],
  [0x25, 'retainAvailable', '01', 1, 'connack'],
  [0x26, 'userProperties', "'name' 'ü'", [['name', 'ü']], places.join(' ')],
  [0x27, 'maximumPacketSize', '00000001', 1, 'connect connack'],
  [0x28, 'wildcardSubscriptionAvailable', '00', 0, 'connack'],
  [0x29, 'subscriptionIdentifiersAvailable', '01', 1, 'connack'],
  [0x2a, 'sharedSubscriptionAvailable', '00', 0, 'connack'],
];

function read(place: PropertyPlace, notation: string): object | undefined {
  const bytes = bytesOf(notation);
  const cursor = new Cursor('PACKET', new Chunk(asBytes(bytes)), 0, bytes.length);
  const properties = readProperties(cursor, place);
  cursor.finish();
  return properties;
}

function written<Place extends PropertyPlace>(place: Place, properties: PropertiesOf[Place] | undefined): Uint8Array {
  const out = Slab.take();
  writeProperties(out, place, properties);
  return Uint8Array.from(out.view());
}

function refusedWith(place: PropertyPlace, notation: string): number {
  try {
    read(place, notation);
  } catch (error) {
    expect(error).toBeInstanceOf(MqttError);
    return (error as MqttError).reasonCode;
  }
  return expect.fail(`${notation} was read in ${place}`);
}

const hex = (id: number): string => id.toString(16).padStart(2, '0');

describe.each(places)('[§2.2.2.2] the properties in %s', (place) => {
  const allowed = specified.filter(([, , , , places]) => places.split(' ').includes(place));

  it.each(allowed.map(([id, name, bytes, value]) => ({ id, name, bytes, value })))(
    '$name is read and written',
    ({ id, name, bytes, value }) => {
      const notation = `[${hex(id)} ${bytes}]`;
      const properties = { [name]: value };
      expect(read(place, notation)).toStrictEqual(properties);
      expect(written(place, properties)).toStrictEqual(bytesOf(notation));
    },
  );

  it('are refused twice, unless they may repeat', () => {
    for (const [id, name, bytes, value] of allowed) {
      const notation = `[${hex(id)} ${bytes} ${hex(id)} ${bytes}]`;
      if (Array.isArray(value)) expect(read(place, notation)).toStrictEqual({ [name]: [...value, ...value] });
      else expect(refusedWith(place, notation)).toBe(0x82);
    }
  });

  it('are these and no others', () => {
    const ids = new Set(allowed.map(([id]) => id));
    for (const [id, , bytes] of specified) {
      if (!ids.has(id)) expect(refusedWith(place, `[${hex(id)} ${bytes}]`)).toBe(0x81);
    }
  });

  it('are refused as malformed where they do not exist', () => {
    const ids = new Set(specified.map(([id]) => id));
    for (let id = 0; id < 128; id++) {
      if (!ids.has(id)) expect(refusedWith(place, `[${hex(id)} 00 00 00 00]`)).toBe(0x81);
    }
  });

  it('are refused as malformed where they are cut off', () => {
    for (const [id, , bytes] of allowed) {
      const whole = bytesOf(bytes);
      for (let length = 0; length < whole.length; length++) {
        const cut = Array.from(whole.subarray(0, length), hex).join(' ');
        expect(refusedWith(place, `[${hex(id)} ${cut}]`)).toBe(0x81);
      }
    }
  });

  it('are undefined if there are none, and written as a length of 0 [MQTT-2.2.2-1]', () => {
    expect(read(place, '[]')).toBe(undefined);
    expect(written(place, undefined)).toStrictEqual(Uint8Array.of(0));
    expect(written(place, {})).toStrictEqual(Uint8Array.of(0));
  });
});
