// Importing what another store held into an empty cluster, before its nodes start.
//
// It goes piece by piece, and may be stopped at any moment, by whatever: the journal (import-journal.ts) says whose import
// it is and how far it has come, and the next run goes on from there; one that is still under way is told so, and stops. While it is open no node serves (checks.ts) or joins
// (functions/members.lua). It is complete once everything was counted in Redis and is what the source counts.
//
// Nothing of what Clients rely on changes: generations, seqs, and with them Packet Identifiers, are the same; so are uids.
// Times are moved by as much as the clocks of the two stores differ, so that what expires in an hour does so in an hour.
// Epochs stay, and new ones are higher.

import { type Random, uidOfWill } from '@skein/broker';
import { type Calls, listOf, numberOf } from './calls.ts';
import { checkRedis, type RedisDurability } from './checks.ts';
import { Times } from './import-bytes.ts';
import { connectToImport, explained, type ImportPlace, takenOver } from './import-connection.ts';
import { countsIn, totalsIn } from './import-counts.ts';
import { checksumWith, type ImportJournal, Journals, newJournal } from './import-journal.ts';
import { type Counts, countNames, type ImportSource, type StateItem } from './import-source.ts';
import { ImportWriter } from './import-writer.ts';
import { RedisRefused, refusalOf } from './refused.ts';

/** Clocks that differ by less agree: asking takes time as well. Milliseconds. */
const agreeMs = 1000;

/** What importing takes. */
export interface RedisImportOptions {
  /** As a node is given it: `redis://user:password@host:port/database`. */
  readonly url: string;
  /** The cluster to be; nobody may have used the name. */
  readonly cluster: string;
  readonly source: ImportSource;
  readonly random: Random;
  /** Whose clock Redis' nodes will live by: the server's (default), or the source's, in tests. */
  readonly time?: 'server' | 'source';
}

/**
 * How an import stands when it is opened: it begins; it goes on where an earlier run was stopped; it begins anew, because
 * its source has changed since that run; or it is complete already.
 */
export type ImportBeginning = 'new' | 'continued' | 'anew' | 'complete';

/** What was counted. */
export interface ImportVerdict {
  readonly isComplete: boolean;
  readonly wanted: Counts;
  readonly found: Counts;
}

/** An import under way. */
export interface RedisImport extends AsyncDisposable {
  readonly beginning: ImportBeginning;
  readonly journal: ImportJournal;
  readonly durability: RedisDurability;
  /**
   * Takes the next pieces of the source, from its first on; those that an earlier run has stored are passed over.
   *
   * @returns how many of them were
   * @throws RedisRefused if Redis is full or does not answer, or the source tells something else than before; running it
   *   again goes on
   */
  put(items: readonly StateItem[]): Promise<number>;
  /** Stores the rest, counts, and lets nodes start if all is there. @throws RedisRefused as {@link put} */
  complete(): Promise<ImportVerdict>;
  close(): Promise<void>;
}

/**
 * Begins an import, or goes on with one.
 *
 * @throws RedisRefused if the Redis cannot be reached or cannot hold the store, or the cluster's name is in use
 */
export async function openRedisImport(options: RedisImportOptions): Promise<RedisImport> {
  const { source, cluster, random, time = 'server' } = options;
  const opened = await connectToImport(options);
  const { redis, calls, keys, place } = opened;
  try {
    const dataset = nameFrom(random);
    const { durability } = await checkRedis(redis, keys, place, dataset, 'import');
    const shiftMs = time === 'source' ? 0 : await shiftOf(calls, source);
    const journals = new Journals(opened, nameFrom(random));
    const { beginning, journal } = await begin({ ...opened, journals, source, shiftMs, cluster });
    return new Import({ redis, calls, keys, place, journals, source, durability, beginning, journal });
  } catch (error) {
    redis.disconnect();
    const told = explained(error, place);
    throw told instanceof RedisRefused ? told : refusalOf(told as Error, place);
  }
}

/**
 * Takes back what an import that is not complete has copied.
 *
 * A run that is still under way is told so, and stops.
 *
 * @returns whether there was one
 * @throws RedisRefused if it is complete: nodes may have used it; or if another run goes on with it meanwhile
 */
export async function discardRedisImport(
  options: Pick<RedisImportOptions, 'url' | 'cluster' | 'random'>,
): Promise<boolean> {
  const opened = await connectToImport(options);
  const { redis, place } = opened;
  try {
    const journals = new Journals(opened, nameFrom(options.random));
    const journal = await journals.read();
    if (journal === undefined) return false;
    if ((await journals.take(journal.source)) === undefined) {
      const now = await journals.read();
      if (now?.is !== 'done') throw takenOver(place);
      throw new RedisRefused(
        `what was migrated into the cluster ${options.cluster} in Redis at ${place} is complete since ${now.doneAt}: ` +
          'its nodes may have changed it, and it is not taken back',
      );
    }
    await journals.doubt();
    await journals.clear(redis);
    await journals.forget();
    return true;
  } catch (error) {
    throw explained(error, place);
  } finally {
    redis.disconnect();
  }
}

/** A name that nothing else has. */
function nameFrom(random: Random): string {
  return Buffer.from(random.bytes(12)).toString('hex');
}

/** How far the server's clock is ahead of the source's. */
async function shiftOf(calls: Calls, source: ImportSource): Promise<number> {
  const [seconds, microseconds] = listOf(await calls.command(['TIME']));
  const shiftMs = Math.round(numberOf(seconds) * 1000 + numberOf(microseconds) / 1000 - source.nowMs());
  return Math.abs(shiftMs) < agreeMs ? 0 : shiftMs;
}

interface Beginning extends ImportPlace {
  readonly journals: Journals;
  readonly source: ImportSource;
  readonly shiftMs: number;
  readonly cluster: string;
}

async function begin(
  around: Beginning,
): Promise<{ readonly beginning: ImportBeginning; readonly journal: ImportJournal }> {
  const { redis, journals, source, shiftMs, place } = around;
  const before = await journals.read();
  if (before === undefined) await refuseUsed(around);
  if (before !== undefined && before.source !== source.id) throw ofAnother(around, before);
  if (before?.is === 'done') {
    if (before.state !== source.state) throw ofEarlier(around, before);
    return { beginning: 'complete', journal: before };
  }
  const journal = newJournal(source, shiftMs, source.nowMs());
  const known = await journals.begin(journal);
  if (known === undefined) return { beginning: 'new', journal };
  if (known.source !== source.id) throw ofAnother(around, known);
  const taken = await journals.take(source.id);
  if (taken === undefined) throw takenOver(place);
  if (taken.state === source.state) return { beginning: 'continued', journal: taken };
  // Only a clean table is said to belong to what the source holds now: this may be stopped as well.
  await journals.doubt();
  await journals.clear(redis);
  const { is: _, ...anew } = journal;
  await journals.note('open', anew);
  return { beginning: 'anew', journal };
}

/** A name that others have used is left alone. */
async function refuseUsed({ calls, keys, place, cluster }: Beginning): Promise<void> {
  const { sessions, retained, wills } = await totalsIn(calls, keys);
  if (sessions + retained + wills === 0) return;
  throw new RedisRefused(
    `the cluster ${cluster} in Redis at ${place} is in use: it holds ${sessions} Sessions, ${retained} retained messages ` +
      `and ${wills} Wills that were not migrated from here; give another name with --cluster`,
  );
}

function ofAnother({ cluster, place }: Beginning, { is, from, begunAt, doneAt }: ImportJournal): RedisRefused {
  const what =
    is === 'done'
      ? `holds what was migrated from ${from} until ${doneAt}`
      : `is being filled from ${from} since ${begunAt}`;
  return new RedisRefused(
    `the cluster ${cluster} in Redis at ${place} ${what}, which is another data directory; give another name with --cluster` +
      (is === 'done' ? '' : ', or take back what was copied with --discard'),
  );
}

function ofEarlier({ cluster, place, source }: Beginning, { doneAt }: ImportJournal): RedisRefused {
  return new RedisRefused(
    `the cluster ${cluster} in Redis at ${place} holds what ${source.place} held until ${doneAt}; a node has used the ` +
      'directory since, and what it did then is not there; give another name with --cluster to copy all of it again',
  );
}

interface ImportParts extends ImportPlace {
  readonly journals: Journals;
  readonly source: ImportSource;
  readonly durability: RedisDurability;
  readonly beginning: ImportBeginning;
  readonly journal: ImportJournal;
}

class Import implements RedisImport {
  readonly #of: ImportParts;
  readonly #writer: ImportWriter;
  /** Pieces that were put, and the checksum over them. */
  #pieces = 0;
  #checksum = 0;
  /** Uids of messages that may be published again. */
  readonly #open = new Set<string>();
  /** Uids of retained messages, and since when. */
  readonly #uids = new Map<string, number>();

  constructor(of: ImportParts) {
    this.#of = of;
    this.#writer = new ImportWriter(of.calls, of.keys, new Times(of.journal.shiftMs), of.journals.run);
  }

  get beginning(): ImportBeginning {
    return this.#of.beginning;
  }

  get journal(): ImportJournal {
    return this.#of.journal;
  }

  get durability(): RedisDurability {
    return this.#of.durability;
  }

  async put(items: readonly StateItem[]): Promise<number> {
    const { journal } = this.#of;
    let passed = 0;
    for (const item of items) {
      this.#pieces++;
      this.#checksum = checksumWith(this.#checksum, item);
      this.#noteUids(item);
      if (this.#pieces <= journal.pieces) {
        this.#writer.pass(item);
        passed++;
        if (this.#pieces === journal.pieces && this.#checksum !== journal.checksum) await this.#refuseOther();
        continue;
      }
      if (item.is !== 'retained_uid') this.#writer.add(item);
      if (this.#writer.isFull) await this.#store();
    }
    return passed;
  }

  async complete(): Promise<ImportVerdict> {
    const { calls, keys, journals, source, place, journal } = this.#of;
    if (this.#pieces < journal.pieces) await this.#refuseOther();
    this.#writer.addUids([...this.#uids].filter(([uid]) => this.#open.has(uid)));
    await this.#store();
    try {
      const wanted = source.counts();
      const found = await countsIn(calls, keys, this.#writer.sessions);
      const isComplete = countNames.every((name) => wanted[name] === found[name]);
      const doneAt = new Date(source.nowMs()).toISOString();
      if (isComplete) await journals.note('done', { doneAt });
      else await journals.doubt();
      return { isComplete, wanted, found };
    } catch (error) {
      throw explained(error, place);
    }
  }

  async close(): Promise<void> {
    this.#of.redis.disconnect();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #store(): Promise<void> {
    const { journals, place } = this.#of;
    try {
      await this.#writer.send();
      await journals.note('open', { pieces: this.#pieces, checksum: this.#checksum });
    } catch (error) {
      throw explained(error, place);
    }
  }

  /**
   * rule: QoS 2. Of the uids under which retained messages were set only those count whose messages may come again: of QoS 2
   * messages that are not known to be published, and of Wills. In which partition they were the source does not know, so
   * all of them remember these; there are few.
   */
  #noteUids(item: StateItem): void {
    if (item.is === 'retained_uid') this.#uids.set(item.uid, item.sinceMs);
    if (item.is === 'will') this.#open.add(uidOfWill(item));
    if (item.is !== 'session') return;
    for (const { uid, isDone } of item.inbound) if (!isDone) this.#open.add(uid);
  }

  async #refuseOther(): Promise<never> {
    const { journals, source, place } = this.#of;
    try {
      await journals.doubt();
    } catch (error) {
      throw explained(error, place);
    }
    throw new RedisRefused(
      `${source.place} tells something else than when an earlier run copied a part of it; run the same command ` +
        'again: it begins anew',
    );
  }
}
