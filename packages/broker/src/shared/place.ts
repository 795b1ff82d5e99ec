// Placing the messages of a batch with members of the groups that they match: round after round, until all are placed.
//
// A round asks the store once for all of them, first what is agreed on and then whether the members take them. The first
// also carries what goes to plain Subscriptions. What is refused goes into the next round; there are as many as the worst
// placed message has members. Messages that one member gets in one round keep their order; what one has refused may come
// to another one later than what followed it, as it may with Shared Subscriptions [MQTT-4.6.0-6].

import type { Outcomes } from '../distribution.ts';
import type { Incoming } from '../lane.ts';
import { type Persistence, persist } from '../persist.ts';
import { type Enqueue, type EnqueueOutcome, type SharedChoice, type Store, StoreUnavailable } from '../ports.ts';
import type { Match } from '../router.ts';
import type { SharedGroup } from './group.ts';
import { Placement, type PlacementSurroundings } from './placement.ts';
import { Refusals } from './refusals.ts';

/** What placing a batch takes. */
export interface PlaceSurroundings {
  readonly store: Pick<Store, 'queues' | 'shared'>;
  readonly persistence: Persistence;
  /** Whether a publisher is refused if a queue is full. */
  readonly refuseWhenFull: boolean;
}

/** What a message matches that is for one group alone: that group, if it has any members. */
export function matchOf(group: SharedGroup | undefined): Match {
  return { any: [], volatile: [], stored: [], nodes: [], groups: group === undefined ? [] : [group] };
}

/** Begins to place the messages at QoS 1 and 2 of a batch. @returns in the order of the batch */
export function placementsOf(
  around: PlacementSurroundings,
  batch: readonly Incoming[],
  matches: readonly (Match | undefined)[],
): readonly Placement[] {
  let placements: Placement[] | undefined;
  const refusals = new Map<SharedGroup, Refusals>();
  for (let i = 0; i < batch.length; i++) {
    const match = matches[i];
    const incoming = batch[i] as Incoming;
    const { message } = incoming;
    if (match === undefined || message === undefined || message.qos === 0) continue;
    for (const group of match.groups) {
      placements ??= [];
      const known = refusals.get(group) ?? new Refusals();
      refusals.set(group, known);
      placements.push(new Placement(around, incoming, message, group, known));
    }
  }
  return placements ?? none;
}

/**
 * Stores what goes to plain Subscriptions, and places the rest.
 *
 * @returns for each of the plain ones, as {@link Store.queues} enqueues them
 */
export async function place(
  around: PlaceSurroundings,
  plain: readonly Enqueue[],
  placements: readonly Placement[],
): Promise<readonly Outcomes[]> {
  let first = plain;
  let outcomes: readonly Outcomes[] = [];
  let isWritten = false;
  // A message that is refused as a whole goes to nobody.
  if (around.refuseWhenFull && plain.length > 0 && placements.length > 0) {
    ({ outcomes } = await enqueue(around, plain));
    first = [];
    isWritten = true;
    const refused = new Set(plain.filter((_, i) => outcomes[i] === undefined).map(({ message }) => message));
    for (const placement of placements) if (refused.has(placement.message)) placement.settle();
  }
  for (let open = placements; first.length > 0 || open.length > 0; open = open.filter(({ isOpen }) => isOpen)) {
    for (const placement of open) placement.passOver();
    await agree(around, open);
    const tried: Placement[] = [];
    const batch = [...first];
    for (const placement of open) {
      const attempt = placement.attempt();
      if (attempt === undefined) continue;
      tried.push(placement);
      batch.push(attempt);
    }
    if (batch.length === 0) continue;
    const { outcomes: answers, isRepeated } = await (isWritten ? enqueueMore : enqueue)(around, batch);
    isWritten = true;
    for (const [i, placement] of tried.entries()) {
      placement.answered((answers[first.length + i] as readonly EnqueueOutcome[])[0] as EnqueueOutcome, isRepeated);
    }
    if (first.length > 0) outcomes = answers.slice(0, first.length);
    first = [];
  }
  return outcomes;
}

const none: readonly Placement[] = [];

async function agree({ store, persistence }: PlaceSurroundings, open: readonly Placement[]): Promise<void> {
  const asking = open.filter(({ isOpen, choice }) => isOpen && choice !== undefined);
  if (asking.length === 0) return;
  const choices = asking.map(({ choice }) => choice as SharedChoice);
  const answers = await persist(persistence, 'choose', () => store.shared.choose(choices));
  for (const [i, placement] of asking.entries()) placement.agreed(answers[i] as string);
}

interface Enqueued {
  readonly outcomes: readonly Outcomes[];
  /** Whether the store had been asked before, and may have done it then. */
  readonly isRepeated: boolean;
}

async function enqueue({ store, persistence }: PlaceSurroundings, batch: readonly Enqueue[]): Promise<Enqueued> {
  let calls = 0;
  const outcomes = await persist(persistence, 'enqueue', () => {
    calls++;
    return store.queues.enqueue(batch);
  });
  return { outcomes, isRepeated: calls > 1 };
}

/** The same in a later round: what was written before stands, so that a batch refused for certain is tried one by one. */
async function enqueueMore(around: PlaceSurroundings, batch: readonly Enqueue[]): Promise<Enqueued> {
  const { persistence } = around;
  try {
    return await enqueue(around, batch);
  } catch (error) {
    if (error instanceof StoreUnavailable || persistence.stopped) throw error;
    if (batch.length === 1) {
      persistence.observer.observe({ is: 'internal_error', where: 'place', error });
      return { outcomes: [[{ is: 'refused' }]], isRepeated: false };
    }
    const all: Enqueued[] = [];
    for (const one of batch) all.push(await enqueueMore(around, [one]));
    return { outcomes: all.flatMap(({ outcomes }) => outcomes), isRepeated: all.some(({ isRepeated }) => isRepeated) };
  }
}
