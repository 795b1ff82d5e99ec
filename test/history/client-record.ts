// One Client as the checker knows it: whether it is connected, and what Session it has or may have.

import type { HistoryEvent } from './event.ts';
import { Existence } from './existence.ts';
import type { Session } from './session.ts';

/** A CONNECT on its way. */
export interface Attempt {
  /** Its place in the history. */
  readonly at: number;
  readonly atMs: number;
  readonly cleanStart: boolean;
  readonly sessionExpirySeconds: number;
  /** Whether there was a Session to resume when it was sent; undefined if that cannot be known. */
  readonly present: boolean | undefined;
}

/** Where its Network Connection stands. */
export type Connection =
  | { readonly is: 'none' }
  | { readonly is: 'connecting'; readonly attempt: Attempt }
  | {
      readonly is: 'connected';
      readonly sessionExpirySeconds: number;
      /** The DISCONNECT, once it is sent. */
      readonly leaving: Extract<HistoryEvent, { is: 'disconnecting' }> | undefined;
    };

/** What is known of a Client. */
export class ClientRecord {
  readonly name: string;
  readonly existence: Existence;
  connection: Connection = { is: 'none' };
  /** The Session that there is or may be. */
  session: Session | undefined;
  /** A CONNECT since the last CONNACK had no answer. */
  hasTried = false;
  /** It sent Clean Start and got no answer: its own half of the Session is gone, whatever the server has. */
  mustStartClean = false;

  constructor(name: string, slackMs: number) {
    this.name = name;
    this.existence = new Existence(slackMs);
  }

  /** What Session Present must say to an attempt that is answered now; undefined if both are right. */
  expectedPresent({ cleanStart, present }: Attempt, nowMs: number): boolean | undefined {
    if (cleanStart) return false;
    // It may expire while the CONNECT is on its way.
    return present === this.existence.at(nowMs) ? present : undefined;
  }

  /** Whether the Session certainly exists. */
  isThere(nowMs: number): boolean {
    return this.session !== undefined && (this.connection.is === 'connected' || this.existence.at(nowMs) === true);
  }
}
