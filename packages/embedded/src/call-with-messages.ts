// What calls say of messages, and of where they go, as bytes.
//
// These are most of what a journal holds. The targets of one message mostly have it by the same filters: those are
// written once.

import type { Store } from '@skein/broker';
import type { Reader, Writer } from '@skein/stored';
import {
  readClaim,
  readList,
  readMaybe,
  readMaybeOrder,
  readNumber,
  readWholeMessage,
  writeClaim,
  writeList,
  writeMaybe,
  writeMaybeOrder,
  writeWholeMessage,
} from './parts.ts';

type Enqueue = Parameters<Store['queues']['enqueue']>[0][number];
type EnqueueTarget = Enqueue['targets'][number];
type QueueAck = Parameters<Store['queues']['ack']>[0][number];
type Page = Parameters<Store['queues']['append']>[0];
type Ingress = Parameters<Store['inbound']['ingress']>[0][number];
type RetainedSet = Parameters<Store['retained']['set']>[0][number];
type SharedChoice = Parameters<Store['shared']['choose']>[0][number];
type Taken = Pick<Parameters<Store['shared']['done']>[0][number], 'clientId' | 'generation' | 'uid'>;

/** Of an item to enqueue. */
const isRefusable = 1;
const hasUid = 2;
/** Of a target: beside how many filters it has, times {@link filtersUnit}. */
const onlineOnly = 1;
/** It has the filters of the target before it; none follow. */
const sameFilters = 2;
const filtersUnit = 4;

export function writeEnqueue(out: Writer, item: Enqueue): void {
  const { message, targets, uid } = item;
  out.byte((item.isRefusable ? isRefusable : 0) + (uid === undefined ? 0 : hasUid));
  if (uid !== undefined) out.longText(uid);
  writeWholeMessage(out, message);
  out.varint(targets.length);
  let before: EnqueueTarget | undefined;
  for (const target of targets) {
    writeTarget(out, target, before);
    before = target;
  }
}

export function readEnqueue(reader: Reader): Enqueue {
  const flags = reader.byte();
  const uid = flags & hasUid ? reader.longText() : undefined;
  const message = readWholeMessage(reader);
  const targets: EnqueueTarget[] = [];
  for (let left = reader.varint(); left > 0; left--) targets.push(readTarget(reader, targets.at(-1)));
  return { message, targets, isRefusable: (flags & isRefusable) !== 0, uid };
}

function writeTarget(out: Writer, target: EnqueueTarget, before: EnqueueTarget | undefined): void {
  const { topicFilters } = target;
  const isSame = before !== undefined && areSame(topicFilters, before.topicFilters);
  out.longText(target.clientId);
  out.longText(target.generation);
  const flags = (target.onlineOnly === true ? onlineOnly : 0) + (isSame ? sameFilters : 0);
  out.varint((isSame ? 0 : topicFilters.length * filtersUnit) + flags);
  if (!isSame) for (const topicFilter of topicFilters) out.longText(topicFilter);
}

function readTarget(reader: Reader, before: EnqueueTarget | undefined): EnqueueTarget {
  const clientId = reader.longText();
  const generation = reader.longText();
  const head = reader.varint();
  const topicFilters =
    head & sameFilters && before !== undefined
      ? before.topicFilters
      : readTexts(reader, Math.floor(head / filtersUnit));
  return head & onlineOnly
    ? { clientId, generation, topicFilters, onlineOnly: true }
    : { clientId, generation, topicFilters };
}

function readTexts(reader: Reader, count: number): string[] {
  const texts: string[] = [];
  for (let left = count; left > 0; left--) texts.push(reader.longText());
  return texts;
}

function areSame(some: readonly string[], others: readonly string[]): boolean {
  if (some.length !== others.length) return false;
  for (let i = 0; i < some.length; i++) if (some[i] !== others[i]) return false;
  return true;
}

export function writeAck(out: Writer, { clientId, generation, seqs }: QueueAck): void {
  out.longText(clientId);
  out.longText(generation);
  out.varint(seqs.length);
  for (const seq of seqs) out.varint(seq);
}

export function readAck(reader: Reader): QueueAck {
  return { clientId: reader.longText(), generation: reader.longText(), seqs: readList(reader, readNumber) };
}

export function writePage(out: Writer, page: Page): void {
  writeClaim(out, page.claim);
  out.longText(page.topicFilter);
  out.longText(page.from);
  writeMaybe(out, page.to);
  writeList(out, page.messages, writeWholeMessage);
  out.varint(page.sinceSeq);
}

export function readPage(reader: Reader): Page {
  return {
    claim: readClaim(reader),
    topicFilter: reader.longText(),
    from: reader.longText(),
    to: readMaybe(reader),
    messages: readList(reader, readWholeMessage),
    sinceSeq: reader.varint(),
  };
}

export function writeIngress(out: Writer, { claim, packetId, uid }: Ingress): void {
  writeClaim(out, claim);
  out.uint16(packetId);
  out.longText(uid);
}

export function readIngress(reader: Reader): Ingress {
  return { claim: readClaim(reader), packetId: reader.uint16(), uid: reader.longText() };
}

export function writeSet(out: Writer, { message, uid, order }: RetainedSet): void {
  writeMaybe(out, uid);
  writeMaybeOrder(out, order);
  writeWholeMessage(out, message);
}

export function readSet(reader: Reader): RetainedSet {
  const uid = readMaybe(reader);
  const order = readMaybeOrder(reader);
  return { message: readWholeMessage(reader), uid, order };
}

export function writeChoice(out: Writer, { uid, sharedFilter, member, instead }: SharedChoice): void {
  out.longText(uid);
  out.longText(sharedFilter);
  out.longText(member);
  writeMaybe(out, instead);
}

export function readChoice(reader: Reader): SharedChoice {
  return {
    uid: reader.longText(),
    sharedFilter: reader.longText(),
    member: reader.longText(),
    instead: readMaybe(reader),
  };
}

export function writeTaken(out: Writer, { clientId, generation, uid }: Taken): void {
  out.longText(clientId);
  out.longText(generation);
  out.longText(uid);
}

export function readTaken(reader: Reader): Taken {
  return { clientId: reader.longText(), generation: reader.longText(), uid: reader.longText() };
}
