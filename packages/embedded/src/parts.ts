// What calls and pieces of state are made of, as bytes: lists, Claims, Subscriptions, messages, Wills.
//
// Texts have any length: a uid or a choice may be made of several that a Client named, each as long as MQTT allows.

import type { Store } from '@skein/broker';
import type { QoS, Will } from '@skein/protocol';
import {
  type Reader,
  readMessage,
  readWill,
  type StoredWill,
  type Writer,
  writeMessage,
  writeWill,
} from '@skein/stored';

export type Message = Parameters<Store['queues']['enqueue']>[0][number]['message'];
export type Claim = Parameters<Store['sessions']['subscribe']>[0];
/** Names one Network Connection. */
export type ConnectionKey = Pick<Claim, 'clientId' | 'epoch'>;
export type StoredSubscription = Parameters<Store['sessions']['subscribe']>[1][number];
export type PublishOrder = NonNullable<Parameters<Store['retained']['set']>[0][number]['order']>;

/** Of a Subscription: QoS in the lowest two bits, then these. */
const noLocal = 4;
const retainAsPublished = 8;
const retainHandlingShift = 4;
const hasIdentifier = 64;

/** Writes a list: how many there are, then each. */
export function writeList<Item>(out: Writer, items: readonly Item[], write: (out: Writer, item: Item) => void): void {
  out.varint(items.length);
  for (const item of items) write(out, item);
}

/** Reads a list. */
export function readList<Item>(reader: Reader, read: (reader: Reader) => Item): Item[] {
  const items: Item[] = [];
  for (let left = reader.varint(); left > 0; left--) items.push(read(reader));
  return items;
}

export function writeText(out: Writer, text: string): void {
  out.longText(text);
}

export function readText(reader: Reader): string {
  return reader.longText();
}

/** Writes a text that may be missing. */
export function writeMaybe(out: Writer, text: string | undefined): void {
  out.byte(text === undefined ? 0 : 1);
  if (text !== undefined) out.longText(text);
}

export function readMaybe(reader: Reader): string | undefined {
  return readFlag(reader) ? reader.longText() : undefined;
}

/** Reads what is 0 or 1. @throws RangeError if it is neither */
export function readFlag(reader: Reader): boolean {
  const byte = reader.byte();
  if (byte > 1) throw new RangeError(`${byte} is neither yes nor no`);
  return byte === 1;
}

export function readNumber(reader: Reader): number {
  return reader.varint();
}

export function writeClaim(out: Writer, { clientId, generation, epoch }: Claim): void {
  out.longText(clientId);
  out.longText(generation);
  out.varint(epoch);
}

export function readClaim(reader: Reader): Claim {
  return { clientId: reader.longText(), generation: reader.longText(), epoch: reader.varint() };
}

export function writeSubscription(out: Writer, subscription: StoredSubscription): void {
  const { subscriptionIdentifier } = subscription;
  out.longText(subscription.topicFilter);
  out.byte(
    subscription.qos +
      (subscription.noLocal ? noLocal : 0) +
      (subscription.retainAsPublished ? retainAsPublished : 0) +
      (subscription.retainHandling << retainHandlingShift) +
      (subscriptionIdentifier === undefined ? 0 : hasIdentifier),
  );
  if (subscriptionIdentifier !== undefined) out.varint(subscriptionIdentifier);
}

export function readSubscription(reader: Reader): StoredSubscription {
  const topicFilter = reader.longText();
  const flags = reader.byte();
  return {
    topicFilter,
    qos: (flags & 3) as QoS,
    noLocal: (flags & noLocal) !== 0,
    retainAsPublished: (flags & retainAsPublished) !== 0,
    retainHandling: ((flags >> retainHandlingShift) & 3) as 0 | 1 | 2,
    subscriptionIdentifier: flags & hasIdentifier ? reader.varint() : undefined,
  };
}

/** Writes a message: how long its payload is, then its bytes. */
export function writeWholeMessage(out: Writer, message: Message): void {
  out.varint(message.payload.length);
  writeMessage(out, message);
}

export function readWholeMessage(reader: Reader): Message {
  return readMessage(reader, reader.varint());
}

/** Writes a Will that may be missing, and whose it is: that may be known without one. */
export function writeMaybeWill(out: Writer, will: Will | undefined, username: string | undefined): void {
  out.byte(will === undefined ? 0 : 1);
  if (will === undefined) writeMaybe(out, username);
  else writeWholeWill(out, will, username);
}

export function readMaybeWill(reader: Reader): {
  readonly will: Will | undefined;
  readonly username: string | undefined;
} {
  return readFlag(reader) ? readWholeWill(reader) : { will: undefined, username: readMaybe(reader) };
}

/** Writes a Will and whose it is: how long its payload is, then its bytes. */
export function writeWholeWill(out: Writer, will: Will, username: string | undefined): void {
  out.varint(will.payload.length);
  writeWill(out, will, username);
}

export function readWholeWill(reader: Reader): StoredWill {
  return readWill(reader, reader.varint());
}

/** Writes an order that may be missing. */
export function writeMaybeOrder(out: Writer, order: PublishOrder | undefined): void {
  out.byte(order === undefined ? 0 : 1);
  if (order !== undefined) writeOrder(out, order);
}

export function readMaybeOrder(reader: Reader): PublishOrder | undefined {
  return readFlag(reader) ? readOrder(reader) : undefined;
}

export function writeOrder(out: Writer, { epoch, n }: PublishOrder): void {
  out.varint(epoch);
  out.varint(n);
}

export function readOrder(reader: Reader): PublishOrder {
  return { epoch: reader.varint(), n: reader.varint() };
}
