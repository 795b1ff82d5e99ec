export { ConfigError } from './config/config.ts';
export { type Edge, type Settings, startEdge } from './edge.ts';
export { ListenError } from './listen/listen-error.ts';
export { StartRefused } from './start-refused.ts';
