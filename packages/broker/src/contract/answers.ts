// What a store answers to a command, as far as another one has to answer the same.

import type { Acquired, Enqueue, EnqueueOutcome, QueueRead, RetainedPage } from '../ports.ts';
import { type Command, messageOf, routeOf, shortOf, subscriptionOf, willOf } from './command.ts';
import { nodes } from './commands.ts';
import { laterAnswer } from './later-answers.ts';
import { nameOf, type Side } from './side.ts';

/** Gives one command to one store, and answers what may be compared. */
export async function answer(
  side: Side,
  command: Exclude<Command, { is: 'advance' }>,
  nowMs: number,
): Promise<unknown> {
  const { sessions, queues, inbound, wills, retained, members, routes } = side.store;
  switch (command.is) {
    case 'acquire': {
      const nonce = `n${side.claims.length}`;
      const request = {
        clientId: command.clientId,
        nonce,
        cleanStart: command.clean,
        sessionExpirySeconds: command.expiry,
        will: willOf(command.will),
        username: command.will === undefined ? undefined : 'ada',
        owner: nodes[command.node] as string,
        receiveMaximum: command.receiveMaximum,
      };
      const acquired = await sessions.acquire(request);
      side.claims.push(acquired.claim);
      const repeated = command.repeat ? await sessions.acquire(request) : acquired;
      if (JSON.stringify(repeated) !== JSON.stringify(acquired)) throw new Error('a repeat was answered otherwise');
      return acquiredOf(side, acquired);
    }
    case 'abandon': {
      const { clientId } = side.claim(command.attempt);
      return sessions.abandon(clientId, `n${side.claims.length - 1 - command.attempt}`);
    }
    case 'release': {
      const claim = side.claim(command.claim);
      return sessions.release({
        claim,
        sessionExpirySeconds: command.expiry,
        will: command.will,
        sentSeq: command.sent,
      });
    }
    case 'subscribe':
      return sessions.subscribe(side.claim(command.claim), command.subscriptions.map(subscriptionOf));
    case 'unsubscribe':
      return sessions.unsubscribe(side.claim(command.claim), command.filters);
    case 'enqueue': {
      const batch = command.messages.map(
        (message): Enqueue => ({
          message: messageOf(message, nowMs),
          targets: message.targets.map(({ claim, filters, onlineOnly }) => {
            const { clientId, generation } = side.claim(claim);
            const of = { clientId, generation, topicFilters: filters };
            return onlineOnly === undefined ? of : { ...of, onlineOnly };
          }),
          isRefusable: message.refusable,
          uid: side.uid(message.uid),
        }),
      );
      const outcomes = await queues.enqueue(batch);
      return outcomes.map((each, i) =>
        each?.map((outcome, n) => outcomeOf(side, batch[i]?.targets[n]?.clientId ?? '', outcome)),
      );
    }
    case 'read': {
      const read = await queues.read(side.claim(command.claim), command.from, command.limit);
      return read === 'fenced' ? read : readOf(read);
    }
    case 'ack':
    case 'rec': {
      const { clientId, generation } = side.claim(command.claim);
      return queues[command.is]([{ clientId, generation, seqs: command.seqs }]);
    }
    case 'inbound': {
      const message = { claim: side.claim(command.claim), packetId: command.packetId, uid: `u${command.uid}` };
      return inbound[command.what]([message, { ...message, packetId: 3 }]);
    }
    case 'ended': {
      const ended = await sessions.ended(100);
      if (command.forget) await sessions.forget(ended);
      return ended
        .map(({ clientId, generation, undelivered, topicFilters }) =>
          [clientId, side.generation(generation), undelivered, ...[...topicFilters].sort()].join(' '),
        )
        .sort();
    }
    case 'wills': {
      const due = await wills.claim(100);
      if (command.done) await wills.done(due);
      return due.map(({ will, username, ...claim }) => [side.claimed(claim), username, will]).sort(byFirst);
    }
    case 'retain':
      return retained.set(
        command.messages.map((of) => ({
          message: { ...messageOf(of, nowMs), retain: true },
          // A uid names one message, and so one topic.
          uid: of.uid === undefined ? undefined : side.uid(`${of.uid} ${of.topic}`),
          order: of.order,
        })),
      );
    case 'match': {
      const found: string[] = [];
      for (let from: string | undefined = ''; from !== undefined; ) {
        const { messages, next }: RetainedPage = await retained.page(command.filter, from);
        for (const { topic, payload, qos } of messages) found.push(`${topic} ${payload.length} ${qos}`);
        from = next;
      }
      return found.sort();
    }
    case 'count':
      return sessions.count();
    case 'ends':
      return queues.ends(command.claims.map((each) => side.claim(each)));
    case 'member':
      return memberAnswer(side, command);
    case 'append':
    case 'choose':
    case 'left':
    case 'take':
    case 'done':
    case 'pass':
      return laterAnswer(side, command, nowMs);
    case 'reap': {
      let reaped = 0;
      for (let cursor: number | undefined = 0; cursor !== undefined; ) {
        const { sessions: some, next } = await members.reap(nodes[command.node] as string, cursor);
        reaped += some;
        cursor = next;
      }
      return reaped;
    }
    case 'route': {
      if (command.what === 'put') return routes.put(command.routes.map(routeOf));
      const named = command.routes.map((of) => {
        const route = routeOf(of);
        return { ...route, version: (side.versions.get(nameOf(route)) ?? 1) - (of.stale ? 1 : 0) };
      });
      if (command.what === 'remove') await routes.removeIf(named);
      else await routes.awayIf(named.filter((route) => 'isStored' in route));
      return routes.version();
    }
  }
}

async function memberAnswer(side: Side, command: Extract<Command, { is: 'member' }>): Promise<unknown> {
  const { members } = side.store;
  const node = nodes[command.node] as string;
  switch (command.what) {
    case 'join':
      return members.join({ node, nodeId: node, address: `127.0.0.1:${command.renewals}`, secret: 'hush' });
    case 'renew': {
      const renewal = await members.renew(node);
      return { ...renewal, members: [...renewal.members].sort((a, b) => (a.node < b.node ? -1 : 1)) };
    }
    case 'bury':
      return members.bury(node, command.renewals);
    case 'forget':
    case 'miss':
      return members[command.what](node);
  }
}

function acquiredOf(
  side: Side,
  { claim, headSeq, sentSeq, subscriptions, inbound, wills, feeds, ...rest }: Acquired,
): unknown {
  return {
    ...rest,
    claim: side.claimed(claim),
    queue: { headSeq, sentSeq },
    subscriptions: [...subscriptions].sort((a, b) => (a.topicFilter < b.topicFilter ? -1 : 1)),
    feeds: feeds.map(({ topicFilter, from }) => `${topicFilter} ${from}`).sort(),
    inbound: inbound.map(({ packetId, uid, isDone }) => `${packetId} ${uid} ${isDone}`).sort(),
    wills: wills.map(({ will, username, ...of }) => [side.claimed(of), username, will]),
  };
}

function outcomeOf(side: Side, clientId: string, outcome: EnqueueOutcome): unknown {
  const owner =
    'owner' in outcome && outcome.owner !== undefined
      ? `${outcome.owner.node} ${side.epoch(clientId, outcome.owner.epoch)}`
      : undefined;
  if (outcome.is !== 'queued') return { ...outcome, owner };
  const { entry, sentSeq } = outcome;
  return {
    ...outcome,
    entry: { ...entry, message: shortOf(entry.message) },
    owner,
    sentSeq: sentSeq >= entry.seq ? sentSeq : 'below',
  };
}

function readOf({ entries, ...rest }: QueueRead): unknown {
  return { ...rest, entries: entries.map((entry) => ({ ...entry, message: shortOf(entry.message) })) };
}

function byFirst([one]: readonly unknown[], [other]: readonly unknown[]): number {
  return String(one) < String(other) ? -1 : 1;
}
