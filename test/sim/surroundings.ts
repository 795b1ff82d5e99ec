// What a model Client and its halves are given: somebody to speak to, and somebody who writes down what they see.

import type { Packet } from '@skein/protocol';
import type { Happening } from '../history/event.ts';
import type { Ledger } from './ledger.ts';
import type { Kind } from './schedule.ts';

/** What each part of a Client needs. */
export interface ClientSurroundings {
  readonly kind: Kind;
  readonly ledger: Ledger;
  /** Writes an event of the history. */
  readonly record: (happening: Happening) => void;
  /** The server did what no server may do. */
  readonly fault: (why: string) => void;
  /** Sends a packet on the present Network Connection. */
  readonly say: (packet: Packet) => void;
}
