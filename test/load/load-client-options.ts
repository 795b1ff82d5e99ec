// What a Client under load is told at its birth.

import type { ProtocolVersion } from '@skein/protocol';
import type { History } from '../history/history.ts';

/** What a Client is. */
export interface LoadClientOptions {
  /** Where to connect, each time that it does. */
  readonly url: string | (() => string);
  readonly history: History;
  readonly clientId: string;
  readonly version: ProtocolVersion;
  /** Whether its Session outlives its Network Connections; if not, each CONNECT is a Clean Start. */
  readonly isPersistent: boolean;
  /** Messages at QoS 1 and 2 that it takes at a time, if it can say so. */
  readonly receiveMaximum: number;
  /** Messages that it sends without an answer. */
  readonly sendMaximum: number;
  /** Aliases that the server may use, if its version has them. */
  readonly topicAliasMaximum: number;
  /** Whether the server may close it, or refuse it for now, since it may die. Default false. */
  readonly isForgiving?: boolean;
  /** How long a CONNACK may take, in milliseconds. Default 20 s. */
  readonly connectMs?: number;
  /** How long any other answer may take, in milliseconds. Default 20 s. */
  readonly answerMs?: number;
}
