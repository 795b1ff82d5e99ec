// The two kinds of Session. One that ends with its Network Connection is volatile, one that lasts is stored; messages go
// other ways to them, and a Client must not be able to tell as long as it stays.

import type { ProtocolVersion } from '@skein/protocol';
import type { ConnectOptions } from './packets.ts';

/** All versions of MQTT. */
export const versions: readonly ProtocolVersion[] = [5, 4, 3];

/** What makes a Session outlive its Network Connection, whatever the version. */
export const lasting = {
  cleanStart: false,
  properties: { sessionExpiryInterval: 60 },
} as const satisfies ConnectOptions;

/** Both kinds, for `describe.each`. */
export const sessionKinds: readonly { kind: string; session: ConnectOptions }[] = [
  { kind: 'volatile', session: {} },
  { kind: 'stored', session: lasting },
];

/** Both kinds in all versions, for `describe.each`. */
export const allSessions: readonly { version: ProtocolVersion; kind: string; session: ConnectOptions }[] =
  versions.flatMap((version) =>
    sessionKinds.map(({ kind, session }) => ({ version, kind, session: { ...session, version } })),
  );
