// How long a Session outlives its Network Connection: said in 5.0, implied by Clean Session before.

import type { Connect } from './packet.ts';

/** The Session Expiry Interval that means never [§3.1.2.11.2]. */
export const sessionNeverExpires = 0xffff_ffff;

/**
 * The Session Expiry Interval that a CONNECT asks for, in seconds; {@link sessionNeverExpires} is for ever.
 *
 * Before 5.0 Clean Session 1 says that the Session ends with its connection, 0 that it stays.
 */
export function sessionExpirySeconds(connect: Connect): number {
  if (connect.protocolVersion === 5) return connect.properties?.sessionExpiryInterval ?? 0;
  return connect.cleanStart ? 0 : sessionNeverExpires;
}
