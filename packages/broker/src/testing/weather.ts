// What befalls the nodes of a cluster: they are killed and come back, stand still and go on, lose their ways to each
// other and to the store; and time passes, more than between two packets.

import type { SimulatedNode } from './simulated-node.ts';
import type { Simulation } from './simulation.ts';

/** The bad luck of a cluster. */
export class Weather {
  readonly #simulation: Simulation;
  /** Ways that are cut for longer than a node stands still, each as `from to`. */
  readonly #cuts = new Set<string>();
  /** What ends by itself, and when. */
  readonly #spells: { readonly untilMs: number; readonly end: () => void }[] = [];

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
  }

  /** Something happens. @param otherwise what does if this is not of the weather's making */
  async happen(otherwise: () => Promise<void>): Promise<void> {
    const { random } = this.#simulation;
    this.#endSpells(this.#nowMs);
    const dice = random.below(400);
    if (dice < 8) await this.#pass(random.pick([200, 1000, 3000, 9000]), otherwise);
    else if (dice < 10) this.#kill();
    else if (dice === 23) this.#stop();
    else if (dice < 13) this.#pause();
    else if (dice < 17) this.#cut();
    else if (dice < 21) this.#delay();
    else if (dice === 21) this.#storeAway();
    else if (dice === 22) this.#cutOff();
    else await otherwise();
  }

  /** Ends everything that is bad. */
  clear(): void {
    this.#endSpells(Number.POSITIVE_INFINITY);
  }

  /** A node was started in the place of another: nothing stands between it and the others but what killed them. */
  started(node: SimulatedNode, before: SimulatedNode): void {
    node.isCutOff = before.isCutOff && before.phase !== 'killed';
    for (const other of this.#simulation.nodes)
      if (other.pausedSinceMs !== undefined) this.#simulation.part(node, other);
  }

  get #nowMs(): number {
    return this.#simulation.clock.monotonicMs();
  }

  /** Time passes, and the store serves most of those who can reach it; now and then something happens meanwhile. */
  async #pass(ms: number, otherwise: () => Promise<void>): Promise<void> {
    const simulation = this.#simulation;
    const { random, calls, nodes } = simulation;
    const endMs = this.#nowMs + ms;
    simulation.tell(() => `${ms} ms pass`);
    while (this.#nowMs < endMs) {
      await simulation.pass(20 + random.below(300));
      this.#endSpells(this.#nowMs);
      calls.advanceMost();
      for (const { store } of nodes) while (store.untoldRoutes > 0 && !random.oneIn(8)) store.tellRoutes();
      await simulation.clock.breathe(random.below(32));
      for (let i = random.below(6); i > 0; i--) {
        await otherwise();
        await simulation.clock.breathe(random.below(16));
      }
    }
  }

  #kill(): void {
    const { random, nodes } = this.#simulation;
    const node = random.pick(nodes);
    if (!isAlive(node) || nodes.filter(({ phase }) => phase === 'serving').length < 2) return;
    this.#simulation.kill(node, random.pick([10, 2000, 9000]));
  }

  /** A node is stopped, and another version of it started. */
  #stop(): void {
    const simulation = this.#simulation;
    const { random, nodes } = simulation;
    const node = random.pick(nodes);
    if (node.phase !== 'serving' || node.pausedSinceMs !== undefined) return;
    const deadlineMs = random.pick([50, 3000]);
    simulation.tell(() => `${node.name} is told to stop within ${deadlineMs} ms`);
    void node.stop(deadlineMs).then(() => simulation.kill(node, random.pick([10, 2000])));
  }

  #pause(): void {
    const simulation = this.#simulation;
    const { random, nodes } = simulation;
    const node = random.pick(nodes);
    if (!isAlive(node) || node.pausedSinceMs !== undefined) return;
    const ms = random.pick([100, 1500, 4500, 8000]);
    const fencesItself = !random.oneIn(3);
    simulation.tell(() => `${node.name} stands still for ${ms} ms`);
    node.pause();
    for (const other of nodes) this.#simulation.part(node, other);
    this.#lasts(ms, () => {
      if (node.phase === 'killed') return;
      simulation.tell(() => `${node.name} goes on`);
      node.resume(fencesItself);
      for (const other of simulation.nodes) this.#join(node, other);
    });
  }

  #cut(): void {
    const simulation = this.#simulation;
    const { random, hub } = simulation;
    const [from, to] = [random.pick(simulation.nodes), random.pick(simulation.nodes)];
    if (from === to || from.phase === 'killed' || to.phase === 'killed') return;
    const ms = random.pick([10, 1000, 4000, 9000]);
    for (const [one, other] of random.oneIn(2) ? [[from, to] as const] : [[from, to] as const, [to, from] as const]) {
      const way = `${one.name} ${other.name}`;
      if (this.#cuts.has(way)) continue;
      simulation.tell(() => `the way ${way} is cut for ${ms} ms`);
      this.#cuts.add(way);
      hub.cut(one.name, other.name);
      this.#lasts(ms, () => {
        this.#cuts.delete(way);
        this.#heal(one, other);
      });
    }
  }

  #delay(): void {
    const { random, hub, nodes } = this.#simulation;
    const [from, to] = [random.pick(nodes), random.pick(nodes)];
    if (from !== to) hub.delay(from.name, to.name, random.pick([0, 5, 50, 400]));
  }

  #storeAway(): void {
    const { random, calls } = this.#simulation;
    if (calls.isAway) return;
    const ms = random.pick([500, 3000, 12_000]);
    this.#simulation.tell(() => `the store is away for ${ms} ms`);
    calls.isAway = true;
    this.#lasts(ms, () => {
      calls.isAway = false;
    });
  }

  /** The store answers others, and not this one. */
  #cutOff(): void {
    const { random, nodes } = this.#simulation;
    const { nodeId, name } = random.pick(nodes);
    const ms = random.pick([2000, 5000, 10_000]);
    this.#simulation.tell(() => `${name} is cut off from the store for ${ms} ms`);
    const set = (isCutOff: boolean): void => {
      for (const node of nodes) if (node.nodeId === nodeId) node.isCutOff = isCutOff;
    };
    set(true);
    this.#lasts(ms, () => set(false));
  }

  #lasts(ms: number, end: () => void): void {
    this.#spells.push({ untilMs: this.#nowMs + ms, end });
  }

  #endSpells(nowMs: number): void {
    for (const spell of this.#spells.splice(0)) {
      if (spell.untilMs <= nowMs) spell.end();
      else this.#spells.push(spell);
    }
  }

  #join(node: SimulatedNode, other: SimulatedNode): void {
    if (node === other) return;
    this.#heal(node, other);
    this.#heal(other, node);
  }

  /** Mends a way unless something else stands in it. */
  #heal(from: SimulatedNode, to: SimulatedNode): void {
    if (this.#cuts.has(`${from.name} ${to.name}`) || !from.isRunning || !to.isRunning) return;
    this.#simulation.hub.heal(from.name, to.name);
  }
}

function isAlive({ phase }: SimulatedNode): boolean {
  return phase === 'serving' || phase === 'starting';
}
