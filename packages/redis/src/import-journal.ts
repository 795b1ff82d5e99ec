// The journal of an import, in Redis beside what is imported: whose it is, how far it has come, whether it is complete.
//
// What it says of the way that it has come is only what is certainly stored: it is noted behind the pieces. So the next
// run may write some pieces again, and passes over those before; that they are the same is seen by a checksum over their
// names. A source that has changed since, or tells its pieces in another order, is begun anew, on a clean table.

import { crc32 } from 'node:zlib';
import type { Redis } from 'ioredis';
import { type Calls, listOf, numberOf, type Reply, textOf } from './calls.ts';
import type { ImportSource, StateItem } from './import-source.ts';
import type { Keys } from './keys.ts';
import { RedisRefused } from './refused.ts';

/** How far an import has come. */
export interface ImportJournal {
  readonly is: 'open' | 'done';
  readonly source: string;
  readonly state: string;
  /** Where the source is, for people. */
  readonly from: string;
  /** When it began, and when it was complete: ISO 8601, or ''. */
  readonly begunAt: string;
  readonly doneAt: string;
  /** How far the server's clock is ahead of the source's, in milliseconds. */
  readonly shiftMs: number;
  /** Pieces that are stored. */
  readonly pieces: number;
  /** Over their names. */
  readonly checksum: number;
}

/** Reads and writes the journal of a cluster. */
export class Journals {
  readonly #calls: Calls;
  readonly #keys: Keys;
  readonly #place: string;

  constructor(calls: Calls, keys: Keys, place: string) {
    this.#calls = calls;
    this.#keys = keys;
    this.#place = place;
  }

  /**
   * Begins an import, unless one has begun.
   *
   * @returns the one that there was, or nothing
   * @throws RedisRefused if nodes are registered
   */
  async begin(journal: ImportJournal): Promise<ImportJournal | undefined> {
    const { members, leases, imported } = this.#keys;
    const { is: _, ...fields } = journal;
    const [answer, ...rest] = listOf(
      await this.#calls.call('import_begin', [members, leases, imported], Object.entries(fields).flat()),
    ).map(textOf);
    if (answer === 'nodes') throw this.#inUse(`its nodes ${rest.join(', ')} are running, or have not been missed yet`);
    return answer === 'known' ? journalOf(rest) : undefined;
  }

  /** The journal as it stands; undefined if there is none. */
  async read(): Promise<ImportJournal | undefined> {
    const fields = listOf(await this.#calls.command(['HGETALL', this.#keys.imported])).map(textOf);
    return fields.length === 0 ? undefined : journalOf(fields);
  }

  /**
   * Notes how far it is.
   *
   * @throws RedisRefused if somebody has come between
   */
  async note(source: string, is: 'open' | 'done', noted: Partial<ImportJournal>): Promise<void> {
    const { leases, imported } = this.#keys;
    const words = [is, source, ...Object.entries(noted).flat()];
    const reply: Reply = await this.#calls.call('import_note', [leases, imported], words);
    if (numberOf(reply) !== 1) {
      throw this.#inUse('somebody has begun to use it, or to import into it, while this was copied');
    }
  }

  /** From now on nothing is known of what is there: the next run begins anew. */
  doubt(source: string): Promise<void> {
    return this.note(source, 'open', { state: '', pieces: 0, checksum: 0 });
  }

  /** Removes every key of the cluster but the journal, and that last if it is to go too. */
  async clear(redis: Redis, withJournal: boolean): Promise<void> {
    for (let cursor = '0'; ; ) {
      const [next, found] = await redis.scan(cursor, 'MATCH', `${this.#keys.prefix}*`, 'COUNT', 5000);
      const kept = [this.#keys.imported, this.#keys.meta];
      const gone = found.filter((key) => !kept.includes(key));
      if (gone.length > 0) await redis.unlink(...gone);
      if (next === '0') break;
      cursor = next;
    }
    if (withJournal) await redis.unlink(this.#keys.imported, this.#keys.meta);
  }

  #inUse(why: string): RedisRefused {
    const name = this.#keys.prefix.slice(0, -1);
    return new RedisRefused(
      `the cluster ${name} in Redis at ${this.#place} is in use: ${why}; stop them, or give another name with --cluster`,
    );
  }
}

/** A journal of an import that begins. */
export function newJournal(
  { id, state, place }: Pick<ImportSource, 'id' | 'state' | 'place'>,
  shiftMs: number,
  begunAtMs: number,
): ImportJournal {
  const begunAt = new Date(begunAtMs).toISOString();
  return { is: 'open', source: id, state, from: place, begunAt, doneAt: '', shiftMs, pieces: 0, checksum: 0 };
}

function journalOf(flat: readonly string[]): ImportJournal {
  const fields = new Map(Array.from({ length: flat.length / 2 }, (_, i) => [flat[i * 2], flat[i * 2 + 1]]));
  const text = (name: string): string => fields.get(name) ?? '';
  return {
    is: text('is') === 'done' ? 'done' : 'open',
    source: text('source'),
    state: text('state'),
    from: text('from'),
    begunAt: text('begunAt'),
    doneAt: text('doneAt'),
    shiftMs: Number(text('shiftMs')),
    pieces: Number(text('pieces')),
    checksum: Number(text('checksum')),
  };
}

/** Goes on with a checksum over the names of pieces. */
export function checksumWith(checksum: number, item: StateItem): number {
  return crc32(`${item.is} ${nameOf(item)}\n`, checksum);
}

function nameOf(item: StateItem): string {
  switch (item.is) {
    case 'session':
      return item.generation;
    case 'entries':
      return `${item.generation} ${item.entries[0]?.seq} ${item.entries.length}`;
    case 'will':
      return `${item.generation} ${item.epoch}`;
    case 'ended':
      return item.session.generation;
    case 'retained':
      return item.message.topic;
    case 'removal':
      return item.topic;
    case 'retained_uid':
      return item.uid;
    case 'choice':
      return item.name;
    case 'epoch':
      return `${item.epoch}`;
  }
}
