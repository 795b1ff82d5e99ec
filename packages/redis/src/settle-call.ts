// One call of ack or rec: which Sessions' seqs it carries, and how it says so (functions/settle.lua).

import type { QueueAck } from '@skein/broker';
import type { Calls } from './calls.ts';
import type { Frame } from './frame.ts';
import type { Keys } from './keys.ts';
import { Plan } from './plan.ts';
import { keyBytes, SessionKeys } from './session-keys.ts';

/** Seqs settled in one call. */
const seqsMax = 2000;
/** Sessions in one call: 10 µs each is what messages that are to be stored may have to wait for it. */
const sessionsMax = 100;
/** Seqs of one Session in one call: what Lua may have on its stack at once. */
const perSessionMax = 500;

/** Acknowledgements that one call carries. */
export class SettleCall {
  readonly #name: 'ack' | 'rec';
  readonly #settled: QueueAck[] = [];
  #seqs = 0;

  constructor(name: 'ack' | 'rec') {
    this.#name = name;
  }

  /** The calls that it takes to settle all these. */
  static *split(name: 'ack' | 'rec', settled: readonly QueueAck[]): Generator<SettleCall> {
    let call = new SettleCall(name);
    for (const { clientId, generation, seqs } of gathered(settled)) {
      const each = isAscending(seqs) ? seqs : distinct(name, seqs);
      for (let at = 0; at < each.length; at += perSessionMax) {
        const some = each.length <= perSessionMax ? each : each.slice(at, at + perSessionMax);
        if (call.#settled.length === sessionsMax || call.#seqs + some.length > seqsMax) {
          yield call;
          call = new SettleCall(name);
        }
        call.#settled.push({ clientId, generation, seqs: some });
        call.#seqs += some.length;
      }
    }
    if (call.#settled.length > 0) yield call;
  }

  /** What it settles. */
  get settled(): readonly QueueAck[] {
    return this.#settled;
  }

  /** Writes the call. */
  frame(calls: Calls, keys: Keys): Frame {
    const sessionKeys = new SessionKeys(keys, ['q', 'r', 't']);
    const keyCount = this.#settled.length * sessionKeys.count;
    const frame = calls.begin(this.#name, keyCount, keyCount * keyBytes + this.#settled.length * 16);
    const plan = new Plan();
    for (const { clientId, generation, seqs } of this.#settled) {
      sessionKeys.write(frame, clientId, generation);
      addRuns(plan, seqs);
    }
    frame.data(plan.written);
    return frame;
  }
}

/** What belongs to one Session together, in its order. */
function gathered(settled: readonly QueueAck[]): readonly QueueAck[] {
  if (settled.length < 2) return settled;
  const byGeneration = new Map<string, QueueAck>();
  const others: QueueAck[] = [];
  for (const each of settled) {
    const before = byGeneration.get(each.generation);
    if (before === undefined) byGeneration.set(each.generation, each);
    else if (before.clientId !== each.clientId) others.push(each);
    else byGeneration.set(each.generation, { ...before, seqs: [...before.seqs, ...each.seqs] });
  }
  return others.length === 0 ? [...byGeneration.values()] : [...byGeneration.values(), ...others];
}

function isAscending(seqs: readonly number[]): boolean {
  for (let i = 1; i < seqs.length; i++) if ((seqs[i] as number) <= (seqs[i - 1] as number)) return false;
  return true;
}

/** Each seq once: in ascending order, but PUBRECs in theirs, since PUBRELs leave in it [MQTT-4.6.0-4]. */
function distinct(name: 'ack' | 'rec', seqs: readonly number[]): readonly number[] {
  const each = [...new Set(seqs)];
  return name === 'rec' ? each : each.sort((one, other) => one - other);
}

/** How many runs of seqs in a row there are, then of each its first and its length. */
function addRuns(plan: Plan, seqs: readonly number[]): void {
  let runs = 0;
  for (let i = 0; i < seqs.length; i++) if (i === 0 || seqs[i] !== (seqs[i - 1] as number) + 1) runs++;
  plan.uint16(runs);
  for (let at = 0; at < seqs.length; ) {
    let end = at + 1;
    while (end < seqs.length && seqs[end] === (seqs[end - 1] as number) + 1) end++;
    plan.uint48(seqs[at] as number);
    plan.uint16(end - at);
    at = end;
  }
}
