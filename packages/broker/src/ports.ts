// What the broker needs of the world, named by the need. Adapters live in other packages, but for the memory store.
//
// Every method answers asynchronously, has a deadline of its adapter's, and is safe to repeat. It rejects with
// StoreUnavailable when the outcome is unknown; whatever is expected is a value.

import type { QoS, SubscriptionRequest, Will } from '@skein/protocol';
import type { AuthenticationMethod, Authenticator, Authorizer } from './auth-ports.ts';
import type { Message } from './message.ts';
import type { Observer } from './observer.ts';
import type { ClusterPorts, Members } from './peer-ports.ts';
import type { Append, Appended, Feed, Retained } from './retained-ports.ts';
import type { Routes } from './route-ports.ts';
import type { Shared } from './shared-ports.ts';

export type {
  Authentication,
  AuthenticationExchange,
  AuthenticationMethod,
  AuthenticationStep,
  Authenticator,
  Authorizer,
} from './auth-ports.ts';
export type { Append, Appended, Feed, PublishOrder, Retained, RetainedPage, RetainedSet } from './retained-ports.ts';
export {
  type MemberRoute,
  mark,
  type NodeRoute,
  type Route,
  type RouteChange,
  type Routes,
  type SessionRoute,
} from './route-ports.ts';
export type { LeftSession, Shared, SharedChoice, TakenMessage } from './shared-ports.ts';

/** The store did not answer, or not in time: what was asked may or may not have happened. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
}

/**
 * Who writes to a Session: the generation, new with each Session of a Client Identifier, and the epoch, new with each
 * Network Connection. The store compares both for equality and refuses whoever is not the current owner.
 */
export interface Claim {
  readonly clientId: string;
  readonly generation: string;
  readonly epoch: number;
}

/** The answer to a write whose claim is not the current one: somebody else owns the Session by now. */
export type Fenced = 'fenced';

/** A Subscription as it is stored: what was asked for, with the QoS granted and the identifier [§3.8.4]. */
export interface StoredSubscription extends SubscriptionRequest {
  readonly subscriptionIdentifier: number | undefined;
}

// Sessions -----------------------------------------------------------------------------------------------------------

export interface Acquire {
  readonly clientId: string;
  /** Names this one attempt: repeated under the same nonce, it gets the same answer. */
  readonly nonce: string;
  readonly cleanStart: boolean;
  /** What CONNECT asked for, cut to the server's maximum; 0xFFFFFFFF never expires. */
  readonly sessionExpirySeconds: number;
  readonly will: Will | undefined;
  /** Whose Will it is: permission to publish it is asked again when it is due. */
  readonly username: string | undefined;
  /** The node that takes the Session. */
  readonly owner: string;
  /** In flight to this Client at most, for the reservation of {@link Queues.enqueue}. */
  readonly receiveMaximum: number;
}

/** A Session as its new owner finds it. */
export interface Acquired {
  readonly claim: Claim;
  /** Whether this generation keeps its state in the store; if not, it lives and ends with this Network Connection. */
  readonly stored: boolean;
  readonly sessionPresent: boolean;
  /** The node that owned it until now, if any did. */
  readonly previousOwner: string | undefined;
  readonly subscriptions: readonly StoredSubscription[];
  /** Where reading the queue begins. */
  readonly headSeq: number;
  /** Entries up to here may have been sent before; they go again with DUP = 1. */
  readonly sentSeq: number;
  /** Seqs of QoS 2 messages whose PUBREC came and whose PUBREL is owed, in order. */
  readonly releases: readonly number[];
  /** QoS 2 messages received and not yet released by the Client. */
  readonly inbound: readonly InboundMessage[];
  /** Wills of earlier connections that are due; the acquirer publishes them first. */
  readonly wills: readonly DueWill[];
  /** Subscriptions whose retained messages have not all been queued. */
  readonly feeds: readonly Feed[];
}

export interface Release {
  readonly claim: Claim;
  /** The Session Expiry Interval now in force, in seconds. */
  readonly sessionExpirySeconds: number;
  readonly will: 'publish' | 'drop';
  /** The last seq really sent; what lies above it may expire or be dropped. */
  readonly sentSeq: number;
}

export interface Released {
  /** Whether the Session ended with this Network Connection. */
  readonly ended: boolean;
  /** How long until its will is due, in milliseconds; undefined if there is none. */
  readonly willDueInMs: number | undefined;
}

/** A generation that is over, to be dismantled: its routes first, then what the store still keeps of it. */
export interface EndedSession {
  readonly clientId: string;
  readonly generation: string;
  /** Messages that were queued and will reach nobody. */
  readonly undelivered: number;
  readonly topicFilters: readonly string[];
}

/** Who owns which Session, and what a Session has subscribed to. */
export interface Sessions {
  /**
   * Acquires a Session for a node, whoever owned it before, and makes a new one where there is none to resume.
   * Once this resolves, the store refuses every write made under an older epoch.
   *
   * @see MQTT 5.0 §3.1.2.4, §3.1.4
   */
  acquire(request: Acquire): Promise<Acquired>;
  /**
   * Undoes an acquire whose outcome is unknown, if it happened and nobody has acquired the Session since: lets the
   * Session go without its Will, and makes the Wills due again that the acquirer was to publish.
   *
   * @returns whether it had happened: who owned the Session before does so no more
   */
  abandon(clientId: string, nonce: string): Promise<boolean>;
  /** Lets a Session go when its Network Connection has ended; decides its will and whether it lives on. */
  release(request: Release): Promise<Released | Fenced>;
  /**
   * Stores Subscriptions. One at QoS 1 or 2 that is not shared gets the cursor of its retained messages set to their
   * beginning in the same breath, if its Retain Handling says so: 0, or 1 where it replaces none. At Retain Handling 2, or
   * QoS 0, a cursor that it had is dropped; at 1 it stays.
   *
   * @returns for each subscription, whether one with the same filter was replaced
   */
  subscribe(claim: Claim, subscriptions: readonly StoredSubscription[]): Promise<readonly boolean[] | Fenced>;
  /** Removes Subscriptions, and their cursors. @returns for each filter, whether there was such a Subscription */
  unsubscribe(claim: Claim, topicFilters: readonly string[]): Promise<readonly boolean[] | Fenced>;
  /** Ends Sessions whose expiry has passed, and names generations to be dismantled, these among them. */
  ended(limit: number): Promise<readonly EndedSession[]>;
  /** Forgets dismantled generations. */
  forget(sessions: readonly EndedSession[]): Promise<void>;
  /** How many Sessions there are, connected or not. */
  count(): Promise<number>;
}

// Queues -------------------------------------------------------------------------------------------------------------

/** One message for a Session, as its queue holds it. What a subscriber gets was decided when it was stored. */
export interface QueueEntry {
  /** Counts from 1 in each generation. The Packet Identifier follows from it. */
  readonly seq: number;
  readonly message: Message;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly subscriptionIdentifiers: readonly number[] | undefined;
  /** The shared filter that it came by; not told in a push. */
  readonly sharedFilter?: string;
}

/** One message, and the stored Sessions that a match named. */
export interface Enqueue {
  readonly message: Message;
  readonly targets: readonly EnqueueTarget[];
  /** Whether the publisher can be told that a queue is full; if not, `refuse` is as `drop-new`. */
  readonly isRefusable: boolean;
  /**
   * Names a message that may be published again after a failure and must not arrive twice: at QoS 2, and a Will.
   * Undefined where a repeat is a legal duplicate.
   */
  readonly uid: string | undefined;
}

export interface EnqueueTarget {
  readonly clientId: string;
  readonly generation: string;
  /** The filters that matched; the Session's own list says which of them it still has. */
  readonly topicFilters: readonly string[];
  /**
   * One member of a shared group, by the shared filter as its only one: if no Client is connected, 'offline', and if the
   * queue is full, the message is not stored; another member is to have it. Under a uid every answer is remembered, and
   * a repeat gets the same refusal again ('offline', 'full', 'no_subscription'), whatever has become of the Session since.
   */
  readonly onlineOnly?: boolean;
}

/** Who holds a Session: what is sent to an earlier connection of it would be sent for nothing. */
export interface Owner {
  readonly node: string;
  readonly epoch: number;
}

/** What became of one message for one Session. */
export type EnqueueOutcome =
  /** Stored. The owner may send it if seq ≤ sentSeq; else it reads when it comes to it. `dropped` older ones made room. */
  | {
      readonly is: 'queued';
      readonly entry: QueueEntry;
      readonly owner: Owner | undefined;
      readonly sentSeq: number;
      readonly dropped: number;
      /** Entries that were found expired and removed on the way. */
      readonly expired: number;
    }
  /** Granted QoS 0: to be passed to the owner at once, if there is one. */
  | { readonly is: 'qos0'; readonly entry: QueueEntry; readonly owner: Owner | undefined }
  /** This Session has had the message under this uid before; its owner may not have been told. */
  | { readonly is: 'duplicate'; readonly owner: Owner | undefined }
  /** The Session has none of the filters any more. */
  | { readonly is: 'no_subscription' }
  /** There is no such generation any more. */
  | { readonly is: 'no_session' }
  /** Nobody is connected, and only then would it have been stored. */
  | { readonly is: 'offline' }
  /** No Local, and the publisher is this Client. */
  | { readonly is: 'skipped' }
  | { readonly is: 'full'; readonly expired: number }
  /** The store refuses this message for this Session alone, now and whenever it is tried again. */
  | { readonly is: 'refused' };

/** The queues of stored Sessions. */
export interface Queues {
  /**
   * Stores messages in the queues of Sessions, in order, all or nothing. Safe to repeat for messages with a uid; others
   * may be stored twice by a repeat, which is a legal duplicate at QoS 1.
   *
   * @returns for each message, what became of it for each target; undefined for a message that was refused as a whole
   *   because a queue was full and the policy says so: nothing of it was stored
   */
  enqueue(batch: readonly Enqueue[]): Promise<readonly (readonly EnqueueOutcome[] | undefined)[]>;
  /**
   * Reads live entries from a seq on, and reserves what it returns: from now on they may have been sent.
   * Entries whose PUBREL is owed are left out.
   *
   * @returns the entries, at least one if any is left within a bounded number of steps
   */
  read(claim: Claim, fromSeq: number, limit: number): Promise<QueueRead | Fenced>;
  /** Removes what subscribers have acknowledged. Fenced by generation alone: a late acknowledgement is still good. */
  ack(acks: readonly QueueAck[]): Promise<void>;
  /** Notes PUBRECs: the message goes, the duty to send PUBREL stays. Fenced by generation alone. */
  rec(recs: readonly QueueAck[]): Promise<void>;
  /**
   * For each claim the seq that the next message to be stored will get, so that its owner sees whether it was told of
   * all that is; 'fenced' if another connection owns the Session.
   */
  ends(claims: readonly Claim[]): Promise<readonly (number | Fenced)[]>;
  /** Queues a page of retained messages for a new Subscription, and moves its cursor, in one breath. */
  append(page: Append): Promise<Appended>;
}

export interface QueueRead {
  readonly entries: readonly QueueEntry[];
  /** Where the next read begins. */
  readonly nextSeq: number;
  /** The seq that the next message to be stored will get; nothing is left to read once nextSeq has reached it. */
  readonly endSeq: number;
  /** Entries that expired before anybody sent them, and were removed on the way. */
  readonly expired: number;
  /**
   * Seqs on the way whose PUBREL is owed. Those that acquire named are among them, and any whose PUBREC an earlier
   * connection of the Session brought to the store only after that.
   */
  readonly releases: readonly number[];
}

export interface QueueAck {
  readonly clientId: string;
  readonly generation: string;
  readonly seqs: readonly number[];
}

// Inbound QoS 2 ------------------------------------------------------------------------------------------------------

/** Packet Identifiers of QoS 2 messages that stored Sessions have sent and not yet released [§4.3.3]. */
export interface Inbound2 {
  /**
   * Notes that messages came, before they are published; a repeat of one noted is the same message.
   *
   * @returns for each, 'fenced' if the Session is another connection's by now: the message must not be published,
   *   since the Client sends it again there
   */
  ingress(received: readonly Ingress[]): Promise<readonly ('noted' | Fenced)[]>;
  /** Notes that they are published everywhere: a repeat need not be published again. If the uid is still that one; may come late, or never. */
  done(published: readonly Ingress[]): Promise<void>;
  /** Forgets them, before PUBCOMP says so, or because the message was refused; if the uid is still that one. */
  release(released: readonly Ingress[]): Promise<void>;
}

/** A QoS 2 message that a Session sends. */
export interface Ingress {
  readonly claim: Claim;
  readonly packetId: number;
  /** Under which the message is published, however often. */
  readonly uid: string;
}

/** A QoS 2 message that a Session has sent, as its next owner finds it. */
export interface InboundMessage {
  readonly packetId: number;
  readonly uid: string;
  /** Whether it is known to be published everywhere; if not, a repeat is published again under the same uid. */
  readonly isDone: boolean;
}

// Wills --------------------------------------------------------------------------------------------------------------

/** A Will Message whose time has come. */
export interface DueWill {
  readonly clientId: string;
  readonly generation: string;
  readonly epoch: number;
  readonly will: Will;
  readonly username: string | undefined;
}

export interface Wills {
  /** Takes wills that are due; a Client that returns can no longer cancel them. */
  claim(limit: number): Promise<readonly DueWill[]>;
  /** They have been published. */
  done(wills: readonly DueWill[]): Promise<void>;
}

// The rest of the world ----------------------------------------------------------------------------------------------

/** Time. */
export interface Clock {
  /** Wall clock, milliseconds since 1970. Steps when the machine's clock does. */
  nowMs(): number;
  /** Never steps; its zero means nothing. */
  monotonicMs(): number;
  /** Calls `task` once, not before `delayMs` have passed. @returns cancels it */
  after(delayMs: number, task: () => void): () => void;
  /** Calls `task` once when what has arrived in this turn of the event loop has been looked at. */
  endOfTurn(task: () => void): void;
}

export interface Random {
  bytes(length: number): Uint8Array;
}

/** How much more the store can hold. */
export interface Room {
  /** Whether so little is left that new messages at QoS 1 and 2 are to be refused; what makes room is still taken. */
  readonly isShort: boolean;
}

/** What a store provides. */
export interface Store {
  readonly sessions: Sessions;
  readonly queues: Queues;
  readonly inbound: Inbound2;
  readonly retained: Retained;
  readonly routes: Routes;
  readonly wills: Wills;
  readonly members: Members;
  readonly shared: Shared;
  /** Undefined where it is not known before a call fails. */
  readonly room?: Room;
}

/** All the broker is given. */
export interface BrokerPorts extends Store {
  readonly authenticator: Authenticator;
  /** Ways of enhanced authentication [§4.12], each under a name of its own. */
  readonly authenticationMethods: readonly AuthenticationMethod[];
  readonly authorizer: Authorizer;
  readonly clock: Clock;
  readonly random: Random;
  readonly observer: Observer;
  /** What {@link Acquire.owner} is: the name of this start of the node where there are several nodes. */
  readonly nodeId: string;
  /** Undefined for a node that is alone. */
  readonly cluster: ClusterPorts | undefined;
}
