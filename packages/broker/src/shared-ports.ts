// What Shared Subscriptions need of the store: an agreement on who gets a message that may be published again, and the
// messages that members leave behind [§4.8.2]. A part of the store, and answers like the rest of it (ports.ts).
//
// A shared filter stands here as its Clients spell it, `$share/group/filter`. Members are named by their generations.

import type { Message } from './message.ts';

/** Who is to get a message of a Shared Subscription. */
export interface SharedChoice {
  /** Names the message, however often it is published. */
  readonly uid: string;
  readonly sharedFilter: string;
  /** Whom its publisher would have it go to: a generation, or a word about one. */
  readonly member: string;
  /** Whom that takes the place of, if it is still so; undefined for a first choice. */
  readonly instead: string | undefined;
}

/** A Session that holds messages of Shared Subscriptions which others could have. */
export interface LeftSession {
  readonly clientId: string;
  readonly generation: string;
  /** Whether the Session is over; if not, its Client has been away for {@link Shared.left}'s while. */
  readonly isOver: boolean;
  /** The shared filters under which it got them. */
  readonly sharedFilters: readonly string[];
}

/** A message that its first member will not get: it is to go to another one. */
export interface TakenMessage {
  readonly clientId: string;
  readonly generation: string;
  readonly sharedFilter: string;
  /** Names it, the same however often it is taken. */
  readonly uid: string;
  readonly message: Message;
}

/** Shared Subscriptions, as far as they concern the store. */
export interface Shared {
  /**
   * Agrees on who gets messages that may be published again, by whichever node: the first choice for a uid and a filter
   * stands, until it is replaced by name. Remembered for the horizon of uids.
   *
   * @returns for each, who is chosen now
   */
  choose(choices: readonly SharedChoice[]): Promise<readonly string[]>;
  /**
   * Names Sessions that hold messages of Shared Subscriptions and are over, or whose Client has been away for 5 seconds;
   * and those whose messages were taken more than 4 seconds ago and are not done.
   */
  left(limit: number): Promise<readonly LeftSession[]>;
  /**
   * Takes messages that came by the filters named out of a Session's queue, all in one breath: those that it has not
   * begun to send, and those at QoS 1 that it has. A message begun at QoS 2 stays [MQTT-4.8.2-4, MQTT-4.8.2-5]. If the
   * Client is back, nothing. What was taken before and is not done is taken again, once 4 seconds have passed.
   *
   * @returns in order of seq, at most `limit`; fewer say that these are all
   */
  take(session: LeftSession, sharedFilters: readonly string[], limit: number): Promise<readonly TakenMessage[]>;
  /** They have been given to others, or dropped and counted. */
  done(taken: readonly TakenMessage[]): Promise<void>;
  /**
   * Nobody else could have them. A Session whose Client is away is named again after 5 seconds; what one that is over
   * still holds is let go with it: from now on {@link Sessions.ended} names it.
   */
  pass(session: LeftSession): Promise<void>;
}
