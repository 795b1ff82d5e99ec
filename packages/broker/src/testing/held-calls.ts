// The calls of all nodes that are on their way to the store, or back.
//
// rule: STALE. A call that has been on its way for too long is not done any more: whoever made it may have been taken
// for dead since, and what it held be somebody else's.

import type { SimulatedNode } from './simulated-node.ts';
import type { Simulation } from './simulation.ts';
import type { PendingCall } from './unreliable-store.ts';

/** How long a call may take to reach the store. */
const staleMs = 5000;

interface Held {
  readonly call: PendingCall;
  readonly node: SimulatedNode;
  readonly sinceMs: number;
}

/** Calls whose answers wait for somebody to decide. */
export class HeldCalls {
  /** Whether calls wait; otherwise they are answered at once. */
  areHeld = true;
  /** Whether the store is away for everybody. */
  isAway = false;
  readonly #simulation: Simulation;
  readonly #held: Held[] = [];
  /** Of nodes that were killed: what has been sent may still arrive. */
  readonly #forsaken: Held[] = [];

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
  }

  /** Whether any wait. */
  get areLeft(): boolean {
    return this.#held.length > 0;
  }

  meet(node: SimulatedNode, call: PendingCall): void {
    if (node.phase === 'killed') return;
    const held = { call, node, sinceMs: this.#simulation.clock.monotonicMs() };
    if (this.areHeld || !node.isRunning) this.#held.push(held);
    else this.#answer(held);
  }

  /** Something happens to one of them. */
  advance(): void {
    const { random } = this.#simulation;
    if (this.#forsaken.length > 0 && random.oneIn(3)) this.#arrive();
    const at = random.below(this.#held.length);
    const held = this.#held[at];
    if (held === undefined) return;
    const { call, node } = held;
    if (!call.isDone && !random.oneIn(8)) {
      if (!this.#reaches(held)) return;
      this.#tell(held, 'done');
      call.do();
      return;
    }
    if (!node.isRunning) return;
    this.#held.splice(at, 1);
    if (random.oneIn(6) || !this.#reaches(held)) this.#fail(held);
    else this.#answer(held);
  }

  /** Answers most of them. */
  advanceMost(): void {
    const { random } = this.#simulation;
    for (const held of this.#held.splice(0)) {
      if (held.node.isRunning && this.#reaches(held) && !random.oneIn(10)) this.#answer(held);
      else this.#held.push(held);
    }
    if (this.#forsaken.length > 0) this.#arrive();
  }

  /** Ends those that have been waited for long enough. */
  end(): void {
    for (const held of this.#held.splice(0)) {
      if (held.node.isRunning && this.#ageMs(held) >= staleMs) this.#fail(held);
      else this.#held.push(held);
    }
  }

  answerAll(): void {
    for (const held of this.#held.splice(0)) {
      if (held.call.isDone || this.#reaches(held)) this.#answer(held);
      else this.#fail(held);
    }
  }

  /** Nobody waits for the answers to a node's calls any more. */
  forsake(node: SimulatedNode): void {
    for (const held of this.#held.splice(0)) {
      if (held.node !== node) this.#held.push(held);
      else if (!held.call.isDone) this.#forsaken.push(held);
    }
  }

  /** What a dead node has sent arrives, or is lost. */
  #arrive(): void {
    const held = this.#forsaken.shift() as Held;
    if (this.#ageMs(held) >= staleMs || this.#simulation.random.oneIn(2)) return;
    this.#tell(held, 'done after all');
    held.call.do();
  }

  #reaches(held: Held): boolean {
    return !this.isAway && !held.node.isCutOff && this.#ageMs(held) < staleMs;
  }

  #answer(held: Held): void {
    this.#tell(held, 'answered');
    held.call.answer();
  }

  #fail(held: Held): void {
    this.#tell(held, 'failed');
    held.call.fail();
  }

  #ageMs({ sinceMs }: Held): number {
    return this.#simulation.clock.monotonicMs() - sinceMs;
  }

  #tell({ call, node }: Held, what: string): void {
    this.#simulation.tell(() => `${node.name} ${call.name} ${inWords(call.args)} ${what}`);
  }
}

/** The arguments of a call without what repeats itself. */
function inWords(args: readonly unknown[]): string {
  return JSON.stringify(args, (key, value: unknown) => {
    if (key === 'payload') return String.fromCharCode(...Object.values(value as Record<string, number>));
    return key === 'properties' || key === 'frames' || key === 'generation' ? undefined : value;
  });
}
