// What a store answers to commands about retained messages for queues, and about Shared Subscriptions.

import { type Command, messageOf, shortOf } from './command.ts';
import type { Side } from './side.ts';

type Later = Extract<Command, { is: 'append' | 'choose' | 'left' | 'take' | 'done' | 'pass' }>;

/** Gives one of these commands to one store, and answers what may be compared. */
export async function laterAnswer(side: Side, command: Later, nowMs: number): Promise<unknown> {
  const { shared } = side.store;
  switch (command.is) {
    case 'append':
      return appendAnswer(side, command, nowMs);
    case 'choose':
      return shared.choose(
        command.choices.map(({ uid, filter, member, instead }) => ({
          uid: side.uid(uid) as string,
          sharedFilter: filter,
          member,
          instead,
        })),
      );
    case 'left': {
      const left = await shared.left(100);
      return left
        .map(({ clientId, generation, isOver, sharedFilters }) =>
          [clientId, side.generation(generation), isOver, ...[...sharedFilters].sort()].join(' '),
        )
        .sort();
    }
    case 'take': {
      const { clientId, generation } = side.claim(command.claim);
      const session = { clientId, generation, isOver: false, sharedFilters: command.filters };
      const taken = await shared.take(session, command.filters, command.limit);
      side.taken.push(...taken);
      return taken.map(({ uid, message, ...of }) => ({
        ...of,
        generation: side.generation(of.generation),
        uid: uid.replace(of.generation, side.generation(of.generation)),
        message: shortOf(message),
      }));
    }
    case 'done': {
      const done = side.taken.filter((_, i) => i % command.every === 0);
      side.taken = side.taken.filter((each) => !done.includes(each));
      return shared.done(done);
    }
    case 'pass': {
      const { clientId, generation } = side.claim(command.claim);
      return shared.pass({ clientId, generation, isOver: command.isOver, sharedFilters: [] });
    }
  }
}

async function appendAnswer(side: Side, command: Extract<Later, { is: 'append' }>, nowMs: number): Promise<unknown> {
  const { queues } = side.store;
  const claim = side.claim(command.claim);
  const [end] = await queues.ends([claim]);
  const appended = await queues.append({
    claim,
    topicFilter: command.filter,
    from: command.from,
    to: command.to,
    messages: command.messages.map((of) => ({ ...messageOf(of, nowMs), retain: true })),
    sinceSeq: typeof end === 'number' ? Math.max(1, end - command.since) : 1,
  });
  if (appended.is !== 'appended') return appended;
  const { entries, sentSeq } = appended;
  const last = entries.at(-1)?.seq ?? 0;
  return {
    entries: entries.map((entry) => ({ ...entry, message: shortOf(entry.message) })),
    sentSeq: sentSeq >= last ? sentSeq : 'below',
  };
}
