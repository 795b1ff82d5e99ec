// What happened, as log lines: one JSON object each, with `event` to search for.
//
// Whatever a Client chose (its identifier, its user name, its topics) is a value in JSON, escaped and cut short, so
// that it can neither begin a line of its own nor fill the disk. Payloads and passwords are never logged.

import type { Fact, Observer, Origin } from '@skein/broker';
import { ReasonCode } from '@skein/protocol';
import { type DestinationStream, type Logger, pino } from 'pino';

/** Longest text of a Client's choice that is logged, in UTF-16 units. */
const longestText = 256;

const reasonNames: ReadonlyMap<ReasonCode, string> = new Map(
  Object.entries(ReasonCode)
    .reverse()
    .map(([name, code]) => [code, name]),
);

/** The name of a Reason Code in the specification's words: `notAuthorized`. */
export function reasonName(code: ReasonCode): string {
  return reasonNames.get(code) ?? `0x${(code as number).toString(16)}`;
}

/** A logger of this process; times are ISO 8601 in UTC. */
export function makeLog(level: string, nodeId: string, destination: DestinationStream): Logger {
  return pino(
    {
      level,
      base: { nodeId },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
}

/**
 * Writes the broker's facts to a log.
 *
 * @param node what the broker calls itself
 */
export function logFacts(log: Logger, node: string): Observer {
  let isStoreAway = false;
  return {
    observe: (fact) => {
      if (fact.is === 'store_away') isStoreAway = true;
      if (fact.is === 'store_back') isStoreAway = false;
      // A store that is away fails every call: the first of them told why, and the counter tells how many.
      if (fact.is === 'store_failed' && isStoreAway) log.debug(storeFailed(fact));
      else write(log, node, fact);
    },
  };
}

function write(log: Logger, self: string, fact: Fact): void {
  switch (fact.is) {
    case 'client_connected': {
      if (!log.isLevelEnabled('info')) return; // there are many of these
      const { clientId, username, protocolVersion, cleanStart, sessionPresent, keepAliveSeconds, origin } = fact;
      const of = { clientId: cut(clientId), username: cut(username), ...from(origin) };
      log.info({ event: fact.is, ...of, protocolVersion, cleanStart, sessionPresent, keepAliveSeconds });
      return;
    }
    case 'client_refused': {
      if (!log.isLevelEnabled('info')) return;
      const { clientId, reasonCode, why, origin } = fact;
      const of = { clientId: cut(clientId), reason: reasonName(reasonCode), why: cut(why), ...from(origin) };
      log.info({ event: fact.is, ...of });
      return;
    }
    case 'client_disconnected': {
      if (!log.isLevelEnabled('info')) return;
      const { clientId, reason, why, origin } = fact;
      log.info({ event: fact.is, clientId: cut(clientId), reason, why: cut(why), ...from(origin) });
      return;
    }
    case 'session_ended':
      if (!log.isLevelEnabled('debug')) return;
      log.debug({ event: fact.is, clientId: cut(fact.clientId) });
      return;
    case 'messages_dropped':
      log.warn({ event: fact.is, clientId: cut(fact.clientId), reason: fact.reason, count: fact.count });
      return;
    case 'will_published':
      if (!log.isLevelEnabled('debug')) return;
      log.debug({ event: fact.is, clientId: cut(fact.clientId), topic: cut(fact.topic) });
      return;
    case 'store_failed':
      log.error(storeFailed(fact));
      return;
    case 'store_away':
      log.warn({ event: fact.is }, 'the store does not answer: acknowledgements at QoS 1 and 2 wait for it');
      return;
    case 'store_back':
      log.info({ event: fact.is, awayMs: fact.awayMs });
      return;
    case 'node_joined':
      log.info({ event: fact.is, node: fact.node, address: fact.address });
      return;
    case 'node_left':
      log.info({ event: fact.is, node: fact.node });
      return;
    case 'node_dead':
    case 'node_unreachable':
      log.warn({ event: fact.is, node: fact.node });
      return;
    case 'node_reaped':
      // One that left in good order has nothing left to be let go.
      if (fact.sessions === 0) log.info({ event: fact.is, node: fact.node, sessions: 0 });
      else log.warn({ event: fact.is, node: fact.node, sessions: fact.sessions });
      return;
    case 'fenced':
      log.error({ event: fact.is, node: self, why: fact.why }, 'all clients are let go, since others may have theirs');
      return;
    case 'internal_error':
      log.error({ event: fact.is, where: fact.where, err: fact.error });
      return;
  }
}

/** An origin may find out what it is asked for, so that it has no fields to be spread. */
function from({ listener, remoteAddress }: Origin): Origin {
  return { listener, remoteAddress };
}

function storeFailed({ is, operation, error }: Extract<Fact, { is: 'store_failed' }>): object {
  return { event: is, operation, err: error };
}

/** Text of somebody else's choice, at a length that a log can bear. */
export function cut(text: string | undefined): string | undefined {
  return text === undefined || text.length <= longestText ? text : `${text.slice(0, longestText)}…`;
}
