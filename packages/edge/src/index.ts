export type { AuthenticationExchange, AuthenticationMethod, AuthenticationStep } from '@skein/broker';
export { deriveScram, type ScramCredentials, type ScramOptions, scramSha256 } from './auth/scram.ts';
export { ConfigError } from './config/config.ts';
export { type Edge, type EdgeParts, type Settings, startEdge } from './edge.ts';
export { ListenError } from './listen/listen-error.ts';
export { StartRefused } from './start-refused.ts';
