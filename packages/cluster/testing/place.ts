// Nodes on loopback, each behind a socket of its own, with a breakable way from every one to every other.

import { randomBytes } from 'node:crypto';
import type { Clock, Member, Peers } from '@skein/broker';
import type { PeersPlace } from '@skein/broker/contract';
import { type BoundPeers, bindPeers } from '../src/bind.ts';
import type { PeersEvent } from '../src/event.ts';
import { BreakableWay } from './breakable-way.ts';

/** How long a test may wait for a fact, in milliseconds. */
const patienceMs = 12_000;

/** Time as it passes. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, task) => {
    const timer = setTimeout(task, delayMs);
    return () => clearTimeout(timer);
  },
  endOfTurn: (task) => {
    setImmediate(task);
  },
};

/** Waits until something is so. */
export async function until(fact: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + patienceMs;
  while (!fact()) {
    if (performance.now() > deadlineMs) throw new Error(`waited ${patienceMs} ms in vain`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** A start of a node. */
export function memberOf(node: string, port: number): Member {
  return { node, nodeId: node, address: `127.0.0.1:${port}`, secret: randomBytes(16).toString('hex') };
}

/** Nodes over gRPC. */
export class Loopback implements PeersPlace {
  /** What was told of each node's ways. */
  readonly events = new Map<string, PeersEvent[]>();
  readonly #unsentMaxBytes: number;
  readonly #nodes = new Map<string, { readonly bound: BoundPeers; readonly self: Member }>();
  readonly #ways = new Map<string, BreakableWay>();

  constructor(options: { readonly unsentMaxBytes?: number } = {}) {
    this.#unsentMaxBytes = options.unsentMaxBytes ?? 8 * 1024 * 1024;
  }

  async peers(name: string): Promise<Peers> {
    const events: PeersEvent[] = [];
    this.events.set(name, events);
    const bound = await bindPeers({ host: '127.0.0.1', port: 0, onEvent: (event) => events.push(event) });
    const self = memberOf(name, bound.port);
    for (const [other, { bound: theirs }] of this.#nodes) {
      this.#ways.set(`${name} ${other}`, await BreakableWay.to(theirs.port));
      this.#ways.set(`${other} ${name}`, await BreakableWay.to(bound.port));
    }
    this.#nodes.set(name, { bound, self });
    return bound.peers({ self, clock: systemClock, unsentMaxBytes: this.#unsentMaxBytes });
  }

  member(viewer: string, name: string): Member {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`there is no ${name}`);
    return viewer === name ? node.self : { ...node.self, address: `127.0.0.1:${this.way(viewer, name).port}` };
  }

  /** The way that one node sends another by. */
  way(from: string, to: string): BreakableWay {
    const way = this.#ways.get(`${from} ${to}`);
    if (way === undefined) throw new Error(`there is no way from ${from} to ${to}`);
    return way;
  }

  cut(from: string, to: string): void {
    this.way(from, to).cut();
  }

  heal(from: string, to: string): void {
    this.way(from, to).heal();
  }

  until(fact: () => boolean): Promise<void> {
    return until(fact);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#nodes.values()].map(({ bound }) => bound.close()));
    await Promise.all([...this.#ways.values()].map((way) => way[Symbol.asyncDispose]()));
  }
}
