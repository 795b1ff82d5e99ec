// The properties of a message or a Will as bytes: which there are, then those, in the order of their bits.
//
// A text of two bytes of length holds what a packet can carry, and so does a number of the property's own size.

import type { PublishProperties, UserProperties, WillProperties } from '@skein/protocol';
import type { Reader, Writer } from './bytes.ts';

/** Those that are kept: what is said to one receiver alone, as a Topic Alias is, is not among them. */
export type Properties = PublishProperties & WillProperties;

const hasPayloadFormat = 1;
const hasMessageExpiry = 2;
const hasContentType = 4;
const hasResponseTopic = 8;
const hasCorrelationData = 16;
const hasUserProperties = 32;
const hasWillDelay = 64;

/** Writes properties. */
export function writeProperties(out: Writer, properties: Properties): void {
  const { correlationData, userProperties } = properties;
  out.byte(
    (properties.payloadFormatIndicator === undefined ? 0 : hasPayloadFormat) +
      (properties.messageExpiryInterval === undefined ? 0 : hasMessageExpiry) +
      (properties.contentType === undefined ? 0 : hasContentType) +
      (properties.responseTopic === undefined ? 0 : hasResponseTopic) +
      (correlationData === undefined ? 0 : hasCorrelationData) +
      (userProperties === undefined ? 0 : hasUserProperties) +
      (properties.willDelayInterval === undefined ? 0 : hasWillDelay),
  );
  if (properties.payloadFormatIndicator !== undefined) out.byte(properties.payloadFormatIndicator);
  if (properties.messageExpiryInterval !== undefined) out.uint32(properties.messageExpiryInterval);
  if (properties.contentType !== undefined) out.text(properties.contentType);
  if (properties.responseTopic !== undefined) out.text(properties.responseTopic);
  if (correlationData !== undefined) {
    out.uint16(correlationData.length);
    out.data(correlationData);
  }
  if (userProperties !== undefined) {
    out.uint16(userProperties.length);
    for (const [name, value] of userProperties) {
      out.text(name);
      out.text(value);
    }
  }
  if (properties.willDelayInterval !== undefined) out.uint32(properties.willDelayInterval);
}

/** Reads properties; their Correlation Data is a view. @throws RangeError if they are cut short */
export function readProperties(reader: Reader): Properties {
  const has = reader.byte();
  const properties: Properties = {};
  if (has & hasPayloadFormat) properties.payloadFormatIndicator = reader.byte() as 0 | 1;
  if (has & hasMessageExpiry) properties.messageExpiryInterval = reader.uint32();
  if (has & hasContentType) properties.contentType = reader.text();
  if (has & hasResponseTopic) properties.responseTopic = reader.text();
  if (has & hasCorrelationData) properties.correlationData = reader.data(reader.uint16());
  if (has & hasUserProperties) {
    const pairs: (readonly [string, string])[] = [];
    for (let left = reader.uint16(); left > 0; left--) pairs.push([reader.text(), reader.text()]);
    properties.userProperties = pairs satisfies UserProperties;
  }
  if (has & hasWillDelay) properties.willDelayInterval = reader.uint32();
  return properties;
}

/** How many bytes properties take. */
export function propertiesSize(properties: Properties | undefined): number {
  if (properties === undefined) return 0;
  let size = 1;
  if (properties.payloadFormatIndicator !== undefined) size += 1;
  if (properties.messageExpiryInterval !== undefined) size += 4;
  if (properties.contentType !== undefined) size += textSize(properties.contentType);
  if (properties.responseTopic !== undefined) size += textSize(properties.responseTopic);
  if (properties.correlationData !== undefined) size += 2 + properties.correlationData.length;
  if (properties.userProperties !== undefined) {
    size += 2;
    for (const [name, value] of properties.userProperties) size += textSize(name) + textSize(value);
  }
  if (properties.willDelayInterval !== undefined) size += 4;
  return size;
}

/** How many bytes a text takes, with its length. */
export function textSize(text: string): number {
  return 2 + Buffer.byteLength(text);
}
