// What calls say of Sessions and Wills, as bytes.

import type { memory, Store } from '@skein/broker';
import type { Reader, Writer } from '@skein/stored';
import {
  type ConnectionKey,
  readClaim,
  readFlag,
  readList,
  readMaybeWill,
  writeClaim,
  writeList,
  writeMaybeWill,
} from './parts.ts';

type Limits = memory.MemoryState['limits'];
type Acquire = Parameters<Store['sessions']['acquire']>[0];
type Release = Parameters<Store['sessions']['release']>[0];
type DueWill = Parameters<Store['wills']['done']>[0][number];

/** An acquire, and what it was given. */
export interface Acquired {
  readonly request: Acquire;
  /** Of the Session, if a new one was made. */
  readonly generation: string;
  /**
   * The last epoch given out before this one. Acquires that leave nothing behind are not recorded, but take their
   * epochs all the same; without them, those that follow would get others.
   */
  readonly lastEpoch: number;
}

/** What undoing an acquire does. */
export type Abandoned = NonNullable<ReturnType<typeof memory.sessions.abandonable>>;

/** Names one Will. */
export type WillKey = Pick<DueWill, 'clientId' | 'generation' | 'epoch'>;

const policies: readonly Limits['queueFull'][] = ['drop-new', 'drop-old', 'refuse'];

export function writeLimits(out: Writer, limits: Limits): void {
  out.varint(limits.queueMaxMessages);
  out.varint(limits.queueMaxBytes);
  out.byte(policies.indexOf(limits.queueFull));
  out.varint(limits.retainedMaxMessages);
}

export function readLimits(reader: Reader): Limits {
  const queueMaxMessages = reader.varint();
  const queueMaxBytes = reader.varint();
  const queueFull = policies[reader.byte()];
  if (queueFull === undefined) throw new RangeError('limits with a policy for full queues that is not known');
  return { queueMaxMessages, queueMaxBytes, queueFull, retainedMaxMessages: reader.varint() };
}

export function writeAcquire(out: Writer, { request, generation, lastEpoch }: Acquired): void {
  out.longText(request.clientId);
  out.longText(request.nonce);
  out.byte(request.cleanStart ? 1 : 0);
  out.varint(request.sessionExpirySeconds);
  writeMaybeWill(out, request.will, request.username);
  out.longText(request.owner);
  out.varint(request.receiveMaximum);
  out.longText(generation);
  out.varint(lastEpoch);
}

export function readAcquire(reader: Reader): Acquired {
  const clientId = reader.longText();
  const nonce = reader.longText();
  const cleanStart = readFlag(reader);
  const sessionExpirySeconds = reader.varint();
  const { will, username } = readMaybeWill(reader);
  const owner = reader.longText();
  const receiveMaximum = reader.varint();
  const request = { clientId, nonce, cleanStart, sessionExpirySeconds, will, username, owner, receiveMaximum };
  return { request, generation: reader.longText(), lastEpoch: reader.varint() };
}

export function writeAbandoned(out: Writer, { claim, sentSeq, sessionExpirySeconds, wills }: Abandoned): void {
  writeClaim(out, claim);
  out.varint(sentSeq);
  out.varint(sessionExpirySeconds);
  writeList(out, wills, writeKey);
}

export function readAbandoned(reader: Reader): Abandoned {
  return {
    claim: readClaim(reader),
    sentSeq: reader.varint(),
    sessionExpirySeconds: reader.varint(),
    wills: readList(reader, readKey),
  };
}

export function writeRelease(out: Writer, { claim, sessionExpirySeconds, will, sentSeq }: Release): void {
  writeClaim(out, claim);
  out.varint(sessionExpirySeconds);
  out.byte(will === 'publish' ? 1 : 0);
  out.varint(sentSeq);
}

export function readRelease(reader: Reader): Release {
  return {
    claim: readClaim(reader),
    sessionExpirySeconds: reader.varint(),
    will: readFlag(reader) ? 'publish' : 'drop',
    sentSeq: reader.varint(),
  };
}

export function writeKey(out: Writer, { clientId, epoch }: ConnectionKey): void {
  out.longText(clientId);
  out.varint(epoch);
}

export function readKey(reader: Reader): ConnectionKey {
  return { clientId: reader.longText(), epoch: reader.varint() };
}

export function writeWillKey(out: Writer, { clientId, generation, epoch }: WillKey): void {
  out.longText(clientId);
  out.longText(generation);
  out.varint(epoch);
}

export function readWillKey(reader: Reader): WillKey {
  return { clientId: reader.longText(), generation: reader.longText(), epoch: reader.varint() };
}
