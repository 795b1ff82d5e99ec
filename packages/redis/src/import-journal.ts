// The journal of an import, in Redis beside what is imported: whose it is, how far it has come, whether it is complete.
//
// What it says of the way that it has come is only what is certainly stored: it is noted behind the pieces. So the next
// run may write some pieces again, and passes over those before; that they are the same is seen by a checksum over their
// names. A source that has changed since, or tells its pieces in another order, is begun anew, on a clean table.
//
// Of several runs the last one that came has the journal, and with it the right to write; those before it find that out
// with whatever they write next (functions/import.lua).

import { crc32 } from 'node:zlib';
import type { Redis } from 'ioredis';
import { type Calls, listOf, numberOf, type Reply, textOf } from './calls.ts';
import type { ImportPlace } from './import-connection.ts';
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

/** Keys that are removed in one call. */
const keysMax = 1000;

/** Reads and writes the journal of a cluster, for one run. */
export class Journals {
  readonly #calls: Calls;
  readonly #keys: Keys;
  readonly #place: string;
  /** Names the run: no other one has this name. */
  readonly run: string;

  constructor({ calls, keys, place }: Pick<ImportPlace, 'calls' | 'keys' | 'place'>, run: string) {
    this.#calls = calls;
    this.#keys = keys;
    this.#place = place;
    this.run = run;
  }

  /**
   * Begins an import that is this run's, unless one has begun.
   *
   * @returns the one that there was, or nothing
   * @throws RedisRefused if nodes are registered
   */
  async begin(journal: ImportJournal): Promise<ImportJournal | undefined> {
    const { members, leases, imported } = this.#keys;
    const { is: _, ...fields } = journal;
    const [answer, ...rest] = listOf(
      await this.#calls.call('import_begin', [members, leases, imported], [this.run, ...Object.entries(fields).flat()]),
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
   * Makes it this run's: whichever had it before writes nothing from now on.
   *
   * @returns how it stands; undefined if it is not open, or that of another source
   */
  async take(source: string): Promise<ImportJournal | undefined> {
    const fields = listOf(await this.#calls.call('import_take', [this.#keys.imported], [this.run, source])).map(textOf);
    return fields.length === 0 ? undefined : journalOf(fields);
  }

  /**
   * Notes how far it is.
   *
   * @throws RedisRefused if nodes are registered; FunctionFailed if another run has taken it
   */
  async note(is: 'open' | 'done', noted: Partial<ImportJournal>): Promise<void> {
    const { leases, imported } = this.#keys;
    const words = [is, ...Object.entries(noted).flat(), this.run];
    const reply: Reply = await this.#calls.call('import_note', [leases, imported], words);
    if (numberOf(reply) !== 1) throw this.#inUse('nodes have begun to use it while this was copied');
  }

  /** From now on nothing is known of what is there: the next run begins anew. @throws as {@link note} */
  doubt(): Promise<void> {
    return this.note('open', { state: '', pieces: 0, checksum: 0 });
  }

  /** Removes every key of the cluster but the journal and the mark. @throws FunctionFailed if another run has taken it */
  async clear(redis: Redis): Promise<void> {
    const { prefix, imported, meta } = this.#keys;
    for (let cursor = '0'; ; ) {
      const [next, found] = await redis.scan(cursor, 'MATCH', `${prefix}*`, 'COUNT', 5000);
      const gone = found.filter((key) => key !== imported && key !== meta);
      for (let at = 0; at < gone.length; at += keysMax) await this.#unlink(gone.slice(at, at + keysMax));
      if (next === '0') return;
      cursor = next;
    }
  }

  /** Removes the journal. The mark stays: others may rely on it, and begin while this is done. @throws as {@link clear} */
  forget(): Promise<void> {
    return this.#unlink([this.#keys.imported]);
  }

  async #unlink(gone: readonly string[]): Promise<void> {
    await this.#calls.call('import_unlink', [...gone, this.#keys.imported], [this.run]);
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
