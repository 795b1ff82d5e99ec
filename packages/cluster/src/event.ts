// What the ways between nodes tell of themselves, for logs and metrics: never a message, never more than a way's changes.

/** Something happened on the way to or from a peer. */
export type PeersEvent =
  /** The way to a peer is open. */
  | { readonly is: 'opened'; readonly node: string; readonly address: string }
  /** It has ended, or a first attempt failed; not told again for each attempt that fails after that. */
  | { readonly is: 'broken'; readonly node: string; readonly address: string; readonly why: string }
  /** A peer does not keep up: QoS 0 messages and pushes to it are being dropped. Once, until it has caught up. */
  | { readonly is: 'narrow'; readonly node: string }
  /** Somebody was not let in; told at most once a second. */
  | { readonly is: 'refused'; readonly from: string; readonly why: string }
  /** A peer sent what is no batch, or left deliveries out; its stream was ended, and it begins again. */
  | { readonly is: 'malformed'; readonly from: string; readonly why: string };
