// What was published, and by when the server had it: what judging retained and expired messages takes beyond the history.

import type { QoS } from '@skein/protocol';
import { type Content, decodePayload } from '../history/payload.ts';

/** A message, as its publisher knows it. */
export interface Entry {
  readonly publisher: string;
  readonly n: number;
  readonly topic: string;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly expirySeconds: number | undefined;
  /** When it was sent first, and when it was answered; counted in entries and answers, as only the order matters. */
  readonly sentAt: number;
  answeredAt: number | undefined;
  /** Whether its publisher has sent it again. */
  isRepeated: boolean;
  /** When it reached the server last, in milliseconds; undefined if it never did. */
  arrivedMs: number | undefined;
}

/** All messages of a schedule but Wills. */
export class Ledger {
  readonly #entries = new Map<string, Entry>();
  #order = 0;
  #hasRetained = false;

  /** Whether any message was to be retained, and was acknowledged. */
  get hasRetained(): boolean {
    return this.#hasRetained;
  }

  add(message: Omit<Entry, 'sentAt' | 'answeredAt' | 'isRepeated' | 'arrivedMs'>): Entry {
    const notYet = { answeredAt: undefined, isRepeated: false, arrivedMs: undefined };
    const entry: Entry = { ...message, sentAt: ++this.#order, ...notYet };
    this.#entries.set(keyOf(message), entry);
    return entry;
  }

  answered(entry: Entry): void {
    entry.answeredAt ??= ++this.#order;
    if (entry.retain) this.#hasRetained = true;
  }

  find(content: Pick<Content, 'publisher' | 'n'>): Entry | undefined {
    return this.#entries.get(keyOf(content));
  }

  /** The message that a payload says it is. */
  ofPayload(payload: Uint8Array): Entry | undefined {
    const content = decodePayload(payload);
    return content && this.find(content);
  }

  /** Messages that were to be retained, by topic; without those of a topic in which any may have expired. */
  retained(): Map<string, Entry[]> {
    const byTopic = new Map<string, Entry[]>();
    for (const entry of this.#entries.values()) {
      if (!entry.retain) continue;
      const entries = byTopic.get(entry.topic);
      if (entries === undefined) byTopic.set(entry.topic, [entry]);
      else entries.push(entry);
    }
    for (const [topic, entries] of byTopic) {
      if (entries.some(({ expirySeconds }) => expirySeconds !== undefined)) byTopic.delete(topic);
    }
    return byTopic;
  }
}

/** Names a message. */
export function keyOf({ publisher, n }: Pick<Content, 'publisher' | 'n'>): string {
  return `${publisher} ${n}`;
}
