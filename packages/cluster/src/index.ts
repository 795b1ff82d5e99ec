// The one door of this package: the ways between nodes.

export type { BindOptions, BoundPeers } from './bind.ts';
export { bindPeers } from './bind.ts';
export type { PeersEvent } from './event.ts';
export { PeersListenError } from './listen-error.ts';
export type { PeersOptions } from './peers.ts';
