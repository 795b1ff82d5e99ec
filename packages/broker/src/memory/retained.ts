// Retained messages by topic: a tree of levels, walked with an explicit stack [MQTT 3.3.1.3].
//
// A walk is a generator over live Maps, which JavaScript allows to change meanwhile: what is stored before the walk
// began and stays is found, what comes or goes during it may or may not be.

import type { Message } from '../message.ts';
import type { RetainedSet } from '../ports.ts';
import { Due } from './due.ts';
import { SeenUids } from './seen-uids.ts';

/** Nodes of the tree looked at without a pause: a few milliseconds. */
const looksInATurn = 2000;
/** Uids remembered for all topics together; more than can be on their way at once. */
const seenMax = 640_000;

class Node {
  message: Message | undefined;
  children: Map<string, Node> | undefined;
}

/** The last retained message of every topic that has one. */
export class RetainedTree {
  readonly #root = new Node();
  readonly #expiries = new Due<string>((topic, dueMs) => this.#find(topic, false)?.message?.expiresAtMs === dueMs);
  readonly #seen = new SeenUids(seenMax);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /**
   * Stores a message in place of the last one of its topic; an empty payload removes it [MQTT-3.3.1-6, MQTT-3.3.1-7].
   * One whose uid was set before is left alone [rule: QoS 2].
   *
   * @returns false if `max` topics have a message already and this one has not
   */
  set({ message, uid }: RetainedSet, max: number, nowMs: number): boolean {
    this.#expire(nowMs);
    if (uid === undefined) return this.#set(message, max);
    if (this.#seen.has(uid, nowMs)) return true;
    const isStored = this.#set(message, max);
    if (isStored) this.#seen.add(uid, nowMs);
    return isStored;
  }

  #set(message: Message, max: number): boolean {
    if (message.payload.length === 0) {
      this.#remove(message.topic);
      return true;
    }
    const node = this.#find(message.topic, this.#count < max);
    if (node === undefined || (node.message === undefined && this.#count >= max)) return false;
    if (node.message === undefined) this.#count++;
    node.message = message;
    if (message.expiresAtMs > 0) this.#expiries.push(message.expiresAtMs, message.topic);
    return true;
  }

  /**
   * Messages whose topic matches a filter and that have not expired, one by one; and undefined now and then, when many
   * topics have been looked at and somebody else should have a turn.
   */
  *match(topicFilter: string, nowMs: number): Generator<Message | undefined> {
    let looks = 0;
    const levels = topicFilter.split('/');
    const nodes: Node[] = [this.#root];
    const depths: number[] = [0];
    for (let node = nodes.pop(); node !== undefined; node = nodes.pop()) {
      const depth = depths.pop() as number;
      if (++looks % looksInATurn === 0) yield undefined;
      const level = levels[depth];
      if (level === undefined || level === '#') {
        const { message } = node;
        if (message !== undefined && (message.expiresAtMs === 0 || message.expiresAtMs > nowMs)) yield message;
        if (level === undefined) continue;
      }
      if (level !== '+' && level !== '#') {
        const child = node.children?.get(level);
        if (child !== undefined) {
          nodes.push(child);
          depths.push(depth + 1);
        }
        continue;
      }
      for (const [name, child] of node.children ?? []) {
        // A wildcard at the first level does not match a name that begins with $ [MQTT-4.7.2-1].
        if (node === this.#root && name.charCodeAt(0) === 0x24) continue;
        nodes.push(child);
        depths.push(level === '#' ? depth : depth + 1);
      }
    }
  }

  #find(topic: string, make: boolean): Node | undefined {
    let node = this.#root;
    for (const name of topic.split('/')) {
      let child = node.children?.get(name);
      if (child === undefined) {
        if (!make) return undefined;
        child = new Node();
        node.children ??= new Map();
        node.children.set(name, child);
      }
      node = child;
    }
    return node;
  }

  #remove(topic: string): void {
    const names = topic.split('/');
    const path: Node[] = [this.#root];
    for (const name of names) {
      const child = path.at(-1)?.children?.get(name);
      if (child === undefined) return;
      path.push(child);
    }
    const last = path.at(-1) as Node;
    if (last.message === undefined) return;
    last.message = undefined;
    this.#count--;
    for (let depth = path.length - 1; depth > 0; depth--) {
      const node = path[depth] as Node;
      if (node.message !== undefined || (node.children?.size ?? 0) > 0) break;
      path[depth - 1]?.children?.delete(names[depth - 1] as string);
    }
  }

  /** Removes what has expired, a bounded number at each call. */
  #expire(nowMs: number): void {
    for (let steps = 0; steps < 16; steps++) {
      const topic = this.#expiries.pop(nowMs);
      if (topic === undefined) return;
      const expiresAtMs = this.#find(topic, false)?.message?.expiresAtMs ?? 0;
      if (expiresAtMs > 0 && expiresAtMs <= nowMs) this.#remove(topic);
    }
  }
}
