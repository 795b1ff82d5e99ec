// A set of properties on the wire: its length, then identifier and value of each [§2.2.2].

import type { Cursor } from './cursor.ts';
import { MqttError } from './error.ts';
import {
  type PropertiesOf,
  type Property,
  type PropertyPlace,
  propertiesIn,
  propertyIn,
  propertyTitle,
} from './property.ts';
import { ReasonCode } from './reason-code.ts';
import type { Slab } from './slab.ts';
import { checkTopicName } from './topic-name.ts';
import {
  closeLength,
  openLength,
  writeBinaryData,
  writeByte,
  writeFourByteInteger,
  writeText,
  writeTwoByteInteger,
  writeVariableByteInteger,
} from './write.ts';

/**
 * Most bytes of properties in one packet: one as long as it can be, and as much again. A megabyte of the shortest User
 * Properties would take a fifth of a second to decode.
 */
const propertiesMaxBytes = 131_072;

/**
 * Reads the properties that begin at the cursor.
 *
 * @returns undefined if there are none
 * @throws MqttError if one may not stand there, stands there twice, or has no such value
 */
export function readProperties<Place extends PropertyPlace>(
  cursor: Cursor,
  place: Place,
): PropertiesOf[Place] | undefined {
  const length = cursor.variableByteInteger('Property Length');
  if (length === 0) return undefined;
  if (length > propertiesMaxBytes) {
    throw new MqttError(ReasonCode.packetTooLarge, `the properties exceed ${propertiesMaxBytes} bytes`);
  }
  const packetEnd = cursor.end;
  if (length > packetEnd - cursor.at) throw cursor.malformed('Property Length runs past the end');
  cursor.end = cursor.at + length;
  const properties: Record<string, unknown> = {};
  while (!cursor.atEnd) {
    const property = readIdentifier(cursor, place);
    const { name } = property;
    if (property.repeats) {
      const values = properties[name] as unknown[] | undefined;
      if (values === undefined) properties[name] = [readValue(cursor, property)];
      else values.push(readValue(cursor, property));
    } else {
      if (properties[name] !== undefined) throw cursor.protocolError(`${property.title} stands there twice`);
      properties[name] = readValue(cursor, property);
    }
  }
  cursor.end = packetEnd;
  return properties as PropertiesOf[Place];
}

function readIdentifier(cursor: Cursor, place: PropertyPlace): Property {
  const id = cursor.variableByteInteger('Property Identifier');
  const property = propertyIn(place, id);
  if (property !== undefined) return property;
  const title = propertyTitle(id);
  if (title === undefined) throw cursor.malformed(`there is no property ${id}`);
  // Not valid for this packet is malformed, as unknown is [§2.2.2.2].
  throw cursor.malformed(`${title} may not stand in ${place === 'will' ? 'the Will Properties' : 'this packet'}`);
}

function readValue(cursor: Cursor, property: Property): unknown {
  const { title } = property;
  switch (property.type) {
    case 'bit': {
      const value = cursor.byte(title);
      if (value > 1) throw cursor.protocolError(`${title} is neither 0 nor 1`);
      return value;
    }
    case 'two':
      return notZero(cursor, property, cursor.twoByteInteger(title));
    case 'four':
      return notZero(cursor, property, cursor.fourByteInteger(title));
    case 'identifier':
      return notZero(cursor, property, cursor.variableByteInteger(title));
    case 'text':
      return cursor.text(title);
    case 'topic': {
      const topic = cursor.text(title);
      checkTopicName(topic, `${cursor.packet}: ${title}`, 'MQTT-3.3.2-14');
      return topic;
    }
    case 'data':
      return cursor.binaryData(title);
    case 'pair':
      return [cursor.text(title), cursor.text(title)];
  }
}

function notZero(cursor: Cursor, property: Property, value: number): number {
  if (value !== 0 || !property.neverZero) return value;
  if (property.name === 'topicAlias') {
    throw new MqttError(ReasonCode.topicAliasInvalid, `${cursor.packet}: Topic Alias is 0`, 'MQTT-3.3.2-8');
  }
  throw cursor.protocolError(`${property.title} is 0`);
}

/** Appends properties and their length, which is 0 if there are none [MQTT-2.2.2-1]. */
export function writeProperties<Place extends PropertyPlace>(
  out: Slab,
  place: Place,
  properties: PropertiesOf[Place] | undefined,
): void {
  if (properties === undefined) {
    writeByte(out, 0);
    return;
  }
  const length = openLength(out);
  for (const property of propertiesIn(place)) {
    const value = (properties as Record<string, unknown>)[property.name];
    if (value === undefined) continue;
    if (!property.repeats) writeProperty(out, property, value);
    else for (const each of value as readonly unknown[]) writeProperty(out, property, each);
  }
  closeLength(out, length);
}

/** Whether there is anything in them to write. */
export function isEmpty(properties: object | undefined): boolean {
  if (properties === undefined) return true;
  return Object.values(properties).every(
    (value) => value === undefined || (Array.isArray(value) && value.length === 0),
  );
}

function writeProperty(out: Slab, property: Property, value: unknown): void {
  writeByte(out, property.id);
  switch (property.type) {
    case 'bit':
      return writeByte(out, value as number);
    case 'two':
      return writeTwoByteInteger(out, value as number);
    case 'four':
      return writeFourByteInteger(out, value as number);
    case 'identifier':
      return writeVariableByteInteger(out, value as number);
    case 'text':
    case 'topic':
      return writeText(out, value as string);
    case 'data':
      return writeBinaryData(out, value as Uint8Array);
    case 'pair': {
      const [name, text] = value as readonly [string, string];
      writeText(out, name);
      return writeText(out, text);
    }
  }
}
