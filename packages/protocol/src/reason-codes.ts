// Which Reason Codes a packet may bear [§2.4]: each packet lists its own beside its codec.

import type { Cursor } from './cursor.ts';
import { ReasonCode } from './reason-code.ts';

/** The Reason Codes that one kind of packet may bear. */
export interface ReasonCodes {
  /** A 1 for each of them. */
  readonly allowed: Uint8Array;
  /** What forbids the others. */
  readonly statement: string;
}

/** A set of Reason Codes, and the statement that forbids all others. */
export function reasonCodes(codes: readonly ReasonCode[], statement: string): ReasonCodes {
  const allowed = new Uint8Array(256);
  for (const code of codes) allowed[code] = 1;
  return { allowed, statement };
}

/**
 * The Reason Code to write: the one that is meant if the packet may bear it, else the nearest that it may.
 *
 * @param instead what stands for what; for all others Unspecified error does
 */
export function sayable(
  code: ReasonCode,
  codes: ReasonCodes,
  instead: ReadonlyMap<ReasonCode, ReasonCode>,
): ReasonCode {
  return codes.allowed[code] === 1 ? code : (instead.get(code) ?? ReasonCode.unspecifiedError);
}

/** Reads a Reason Code and holds it to the ones allowed. */
export function readReasonCode(cursor: Cursor, codes: ReasonCodes): ReasonCode {
  const code = cursor.byte('Reason Code');
  if (codes.allowed[code] === 1) return code as ReasonCode;
  throw cursor.protocolError(`it may not bear Reason Code ${code}`, codes.statement);
}
