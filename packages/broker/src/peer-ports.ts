// What the broker needs of the other nodes: which there are, and ways to them. Adapters live in other packages, but
// for those in memory.
//
// Members is a part of the store, and answers like the rest of it (ports.ts). Peers is fast and may fail: whatever has
// to survive is in the store before a peer hears of it.

import type { Message } from './message.ts';
import type { QueueEntry } from './ports.ts';

/** A node, from its start to its end. */
export interface Member {
  /** Names this start of the node and no other: what owns Sessions, and what routes lead to. */
  readonly node: string;
  /** The node's name, the same after a restart. */
  readonly nodeId: string;
  /** Where its peers reach it, `host:port`. */
  readonly address: string;
  /** What a peer has to know to be let in. */
  readonly secret: string;
}

/** A node as the register shows it. */
export interface MemberLease extends Member {
  /** Grows with every renewal. */
  readonly renewals: number;
  /** Its lease has been ended: it may not come back under this name, and is to be reaped. */
  readonly isDead: boolean;
}

/** The register's answer to a renewal. */
export interface Renewal {
  /** False if there is no such lease any more, or it has been ended: whatever this node held belongs to others. */
  readonly held: boolean;
  /** Whether messages for this node's volatile Sessions have been given up since the last renewal. */
  readonly missed: boolean;
  /** Every node there is, this one and dead ones among them. */
  readonly members: readonly MemberLease[];
}

/** Which nodes there are. A node that stops renewing its lease is found dead by the others, and reaped. */
export interface Members {
  /** Enters a node into the register. To repeat it for the same `node` changes nothing. */
  join(self: Member): Promise<void>;
  /** Renews a node's lease, and reads the register after that. */
  renew(node: string): Promise<Renewal>;
  /**
   * Ends a node's lease if it has not been renewed since.
   *
   * @param renewals as last seen
   * @returns whether the lease has ended, by this call or before it
   */
  bury(node: string, renewals: number): Promise<boolean>;
  /**
   * Lets go of Sessions that a dead node owned, as if their Network Connections had been lost: their Wills are to be
   * published, and those that are volatile or do not outlive their connection end. Some at a time; safe for several
   * nodes at once. A Session that has been acquired since is left alone.
   *
   * @param cursor 0 at first, then what the last call returned as `next`
   * @returns how many were let go; where to go on, undefined if that is all
   */
  reap(node: string, cursor: number): Promise<{ readonly sessions: number; readonly next: number | undefined }>;
  /** Strikes a dead node off the register. One whose lease has not ended stays. */
  forget(node: string): Promise<void>;
  /** Notes that messages for a node's volatile Sessions were given up; it hears of it with its next renewal. */
  miss(node: string): Promise<void>;
}

// Peers --------------------------------------------------------------------------------------------------------------

/** A message on its way to another node. */
export interface PeerMessage {
  readonly message: Message;
  /** Names it if it must not arrive twice, as an enqueue does. */
  readonly uid: string | undefined;
  /** For one member of a shared group and nobody else. */
  readonly member?: SharedAddress;
}

/** The member of a shared group that a message is for. */
export interface SharedAddress {
  /** As its Clients spell it. */
  readonly sharedFilter: string;
  readonly generation: string;
}

/** What was stored for a Session whose owner is another node. */
export interface PeerPush {
  readonly clientId: string;
  readonly generation: string;
  readonly epoch: number;
  /** What was stored, or passed at QoS 0 (seq 0) and not stored; undefined: something may have been, have a look. */
  readonly entry: QueueEntry | undefined;
  /** As the enqueue told it. */
  readonly sentSeq: number;
}

/**
 * The other nodes. Nothing here throws; nodes are named by {@link Member.node}.
 *
 * To each node there is one way, and what goes that way arrives in order. Messages are taken over at the call: their
 * bytes may be used anew after it.
 */
export interface Peers {
  /** Begins to answer peers. Called once, before anything else. */
  start(inbox: PeerInbox): void;
  /** Learns all other nodes that are alive. What waits for one that is no longer among them ends. */
  meet(members: readonly Member[]): void;
  /**
   * Passes a QoS 0 message to the connected Clients of a node.
   *
   * @returns false if it was dropped, because the node is unknown or does not keep up
   */
  publish(node: string, message: PeerMessage): boolean;
  /**
   * Hands QoS 1 and 2 messages to a node, for its volatile Sessions; tried again until that node has them, once each.
   *
   * @returns true when the node has taken charge of all; false if it is gone, or was given up
   */
  deliver(node: string, messages: readonly PeerMessage[]): Promise<boolean>;
  /** Passes on what was stored. It may be lost; then the node is told to {@link PeerInbox.look}. */
  push(node: string, push: PeerPush): void;
  /** Another Network Connection has acquired a Session: the one with a lower epoch is to be closed. May be lost. */
  kick(node: string, clientId: string, epoch: number): void;
  /** How long deliveries have been waiting for a node that cannot be reached, in milliseconds; 0 if none are, or it can. */
  unreachableMs(node: string): number;
  /** Gives up all deliveries that wait for a node. */
  giveUp(node: string): void;
  /** Asks a node whether the store answers it. @returns undefined if the node does not answer within a second */
  asksStore(node: string): Promise<boolean | undefined>;
  /** Ends all ways, and answers nobody any more. */
  close(): Promise<void>;
}

/** What a node does for its peers. Nothing here throws. Bytes of messages must not be kept beyond the call. */
export interface PeerInbox {
  /** @see {@link Peers.publish} */
  publish(message: PeerMessage): void;
  /** @see {@link Peers.deliver}; once this returns, the node has taken charge of them. */
  deliver(messages: readonly PeerMessage[]): void;
  /** @see {@link Peers.push} */
  push(push: PeerPush): void;
  /** @see {@link Peers.kick} */
  kick(clientId: string, epoch: number): void;
  /** Pushes may have been lost: a way from a peer was opened anew, has broken and stays so, or was too narrow. */
  look(): void;
  /** @see {@link Peers.asksStore} */
  storeAnswers(): boolean;
}

/** What a broker is given that is one of several. */
export interface ClusterPorts {
  readonly self: Member;
  readonly peers: Peers;
  /** Called once when this node may have been taken for dead: its Clients are let go, and it must start anew. */
  fenced(why: string): void;
}
