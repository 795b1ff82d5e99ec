// Calls that changed the state, as the journal holds them: with their arguments, the time, and the randomness they were
// given, so that the same calls make the same state again. Where a call chose among what was due, its choice is here.
//
//   record    1 kind · 6 time in ms · what the kind says
//
// A record says itself where it ends: records stand one behind the other, and one cut short is an error. Kinds and
// layouts are a contract with the files that are there, which name their version; a kind's number is never used again.

import type { memory, Store } from '@skein/broker';
import type { Reader, Writer } from '@skein/stored';
import {
  type Abandoned,
  type Acquired,
  readAbandoned,
  readAcquire,
  readKey,
  readLimits,
  readRelease,
  readWillKey,
  type WillKey,
  writeAbandoned,
  writeAcquire,
  writeKey,
  writeLimits,
  writeRelease,
  writeWillKey,
} from './call-of-session.ts';
import {
  readAck,
  readChoice,
  readEnqueue,
  readIngress,
  readPage,
  readSet,
  readTaken,
  writeAck,
  writeChoice,
  writeEnqueue,
  writeIngress,
  writePage,
  writeSet,
  writeTaken,
} from './call-with-messages.ts';
import {
  type Claim,
  type ConnectionKey,
  readClaim,
  readFlag,
  readList,
  readSubscription,
  readText,
  type StoredSubscription,
  writeClaim,
  writeList,
  writeSubscription,
  writeText,
} from './parts.ts';

type First<Name extends keyof Store, Method extends keyof Store[Name]> = Store[Name][Method] extends (
  ...args: infer Args
) => unknown
  ? Args[0]
  : never;

type Ingress = First<'inbound', 'ingress'>;
type LeftSession = First<'shared', 'pass'>;
type TakenMessage = First<'shared', 'done'>[number];

/** A call that changed the state. */
export type Call =
  /** What is in force from now on. */
  | { readonly is: 'limits'; readonly limits: memory.MemoryState['limits'] }
  /** A process begins: Sessions that the one before still owned are let go. */
  | { readonly is: 'restart' }
  /** Calls may be missing before this: seqs that a Client may know are left out. */
  | { readonly is: 'skip_ahead'; readonly by: number }
  | ({ readonly is: 'acquire' } & Acquired)
  | { readonly is: 'abandoned'; readonly effect: Abandoned }
  | { readonly is: 'release'; readonly request: First<'sessions', 'release'> }
  | { readonly is: 'subscribe'; readonly claim: Claim; readonly subscriptions: readonly StoredSubscription[] }
  | { readonly is: 'unsubscribe'; readonly claim: Claim; readonly topicFilters: readonly string[] }
  | { readonly is: 'expire'; readonly keys: readonly ConnectionKey[] }
  | { readonly is: 'forget'; readonly generations: readonly string[] }
  | { readonly is: 'let_go'; readonly keys: readonly ConnectionKey[] }
  | { readonly is: 'enqueue'; readonly batch: First<'queues', 'enqueue'> }
  | { readonly is: 'read'; readonly claim: Claim; readonly fromSeq: number; readonly limit: number }
  | { readonly is: 'ack'; readonly acks: First<'queues', 'ack'> }
  | { readonly is: 'rec'; readonly recs: First<'queues', 'rec'> }
  | { readonly is: 'append'; readonly page: First<'queues', 'append'> }
  | { readonly is: 'ingress'; readonly received: Ingress }
  | { readonly is: 'inbound_done'; readonly published: Ingress }
  | { readonly is: 'inbound_release'; readonly released: Ingress }
  | { readonly is: 'retain'; readonly sets: First<'retained', 'set'> }
  | { readonly is: 'take_wills'; readonly keys: readonly ConnectionKey[] }
  | { readonly is: 'wills_done'; readonly wills: readonly WillKey[] }
  | { readonly is: 'choose'; readonly choices: First<'shared', 'choose'> }
  | {
      readonly is: 'take';
      readonly session: Pick<LeftSession, 'clientId' | 'generation'>;
      readonly sharedFilters: readonly string[];
      readonly limit: number;
    }
  | { readonly is: 'taken_done'; readonly taken: readonly Pick<TakenMessage, 'clientId' | 'generation' | 'uid'>[] }
  | { readonly is: 'pass'; readonly session: Pick<LeftSession, 'clientId' | 'generation' | 'isOver'> };

/** A call, and when it was made, in milliseconds of the store's clock. */
export interface CallRecord {
  readonly call: Call;
  readonly nowMs: number;
}

const kinds = {
  limits: 1,
  restart: 2,
  skip_ahead: 3,
  acquire: 4,
  abandoned: 5,
  release: 6,
  subscribe: 7,
  unsubscribe: 8,
  expire: 9,
  forget: 10,
  let_go: 11,
  enqueue: 12,
  read: 13,
  ack: 14,
  rec: 15,
  append: 16,
  ingress: 17,
  inbound_done: 18,
  inbound_release: 19,
  retain: 20,
  take_wills: 21,
  wills_done: 22,
  choose: 23,
  take: 24,
  taken_done: 25,
  pass: 26,
} as const satisfies Record<Call['is'], number>;

/**
 * Writes the record of a call.
 *
 * @param nowMs whole milliseconds
 * @throws RangeError if a number is none that can be written; what was written of the record is to be taken back
 */
export function encodeCall(out: Writer, call: Call, nowMs: number): void {
  out.byte(kinds[call.is]);
  out.uint48(nowMs);
  switch (call.is) {
    case 'limits':
      return writeLimits(out, call.limits);
    case 'restart':
      return;
    case 'skip_ahead':
      return out.varint(call.by);
    case 'acquire':
      return writeAcquire(out, call);
    case 'abandoned':
      return writeAbandoned(out, call.effect);
    case 'release':
      return writeRelease(out, call.request);
    case 'subscribe':
      writeClaim(out, call.claim);
      return writeList(out, call.subscriptions, writeSubscription);
    case 'unsubscribe':
      writeClaim(out, call.claim);
      return writeList(out, call.topicFilters, writeText);
    case 'expire':
    case 'let_go':
    case 'take_wills':
      return writeList(out, call.keys, writeKey);
    case 'forget':
      return writeList(out, call.generations, writeText);
    case 'enqueue':
      return writeList(out, call.batch, writeEnqueue);
    case 'read':
      writeClaim(out, call.claim);
      out.varint(call.fromSeq);
      return out.varint(call.limit);
    case 'ack':
      return writeList(out, call.acks, writeAck);
    case 'rec':
      return writeList(out, call.recs, writeAck);
    case 'append':
      return writePage(out, call.page);
    case 'ingress':
      return writeList(out, call.received, writeIngress);
    case 'inbound_done':
      return writeList(out, call.published, writeIngress);
    case 'inbound_release':
      return writeList(out, call.released, writeIngress);
    case 'retain':
      return writeList(out, call.sets, writeSet);
    case 'wills_done':
      return writeList(out, call.wills, writeWillKey);
    case 'choose':
      return writeList(out, call.choices, writeChoice);
    case 'take':
      out.longText(call.session.clientId);
      out.longText(call.session.generation);
      writeList(out, call.sharedFilters, writeText);
      return out.varint(call.limit);
    case 'taken_done':
      return writeList(out, call.taken, writeTaken);
    case 'pass':
      out.longText(call.session.clientId);
      out.longText(call.session.generation);
      return out.byte(call.session.isOver ? 1 : 0);
    default:
      return call satisfies never;
  }
}

/**
 * Reads the record of a call.
 *
 * @param reader one with Texts if the call is to be applied: messages of it then do not hold on to the bytes
 * @throws RangeError if there is none, or of a kind that is not known
 */
export function decodeCall(reader: Reader): CallRecord {
  const kind = reader.byte();
  const nowMs = reader.uint48();
  return { call: readCall(reader, kind), nowMs };
}

function readCall(reader: Reader, kind: number): Call {
  switch (kind) {
    case kinds.limits:
      return { is: 'limits', limits: readLimits(reader) };
    case kinds.restart:
      return { is: 'restart' };
    case kinds.skip_ahead:
      return { is: 'skip_ahead', by: reader.varint() };
    case kinds.acquire:
      return { is: 'acquire', ...readAcquire(reader) };
    case kinds.abandoned:
      return { is: 'abandoned', effect: readAbandoned(reader) };
    case kinds.release:
      return { is: 'release', request: readRelease(reader) };
    case kinds.subscribe:
      return { is: 'subscribe', claim: readClaim(reader), subscriptions: readList(reader, readSubscription) };
    case kinds.unsubscribe:
      return { is: 'unsubscribe', claim: readClaim(reader), topicFilters: readList(reader, readText) };
    case kinds.expire:
      return { is: 'expire', keys: readList(reader, readKey) };
    case kinds.forget:
      return { is: 'forget', generations: readList(reader, readText) };
    case kinds.let_go:
      return { is: 'let_go', keys: readList(reader, readKey) };
    case kinds.enqueue:
      return { is: 'enqueue', batch: readList(reader, readEnqueue) };
    case kinds.read:
      return { is: 'read', claim: readClaim(reader), fromSeq: reader.varint(), limit: reader.varint() };
    case kinds.ack:
      return { is: 'ack', acks: readList(reader, readAck) };
    case kinds.rec:
      return { is: 'rec', recs: readList(reader, readAck) };
    case kinds.append:
      return { is: 'append', page: readPage(reader) };
    case kinds.ingress:
      return { is: 'ingress', received: readList(reader, readIngress) };
    case kinds.inbound_done:
      return { is: 'inbound_done', published: readList(reader, readIngress) };
    case kinds.inbound_release:
      return { is: 'inbound_release', released: readList(reader, readIngress) };
    case kinds.retain:
      return { is: 'retain', sets: readList(reader, readSet) };
    case kinds.take_wills:
      return { is: 'take_wills', keys: readList(reader, readKey) };
    case kinds.wills_done:
      return { is: 'wills_done', wills: readList(reader, readWillKey) };
    case kinds.choose:
      return { is: 'choose', choices: readList(reader, readChoice) };
    case kinds.take: {
      const session = { clientId: reader.longText(), generation: reader.longText() };
      return { is: 'take', session, sharedFilters: readList(reader, readText), limit: reader.varint() };
    }
    case kinds.taken_done:
      return { is: 'taken_done', taken: readList(reader, readTaken) };
    case kinds.pass: {
      const session = { clientId: reader.longText(), generation: reader.longText(), isOver: readFlag(reader) };
      return { is: 'pass', session };
    }
    default:
      throw new RangeError(`a call of kind ${kind}: a newer version wrote it`);
  }
}
