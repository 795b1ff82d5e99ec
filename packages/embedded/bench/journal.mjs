// `node packages/embedded/bench/journal.mjs [DIR]`: what a record costs on its way to the disk, and back.
//
// Figures are CPU time of this process, all its threads, per record of 150 bytes; and time by the clock where it says so.
// DIR is where the files go, a directory of the system's for temporary files if it is not given: what a sync costs is the
// disk's affair. Compare two versions in the same minutes, turn and turn about: the machine's own mood is worth a third.

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openJournal } from '../dist/journal.js';

const recordBytes = 150;
const record = randomBytes(recordBytes);
const base = await mkdtemp(join(process.argv[2] ?? tmpdir(), 'skein-journal-'));
const clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (/** @type {number} */ delayMs, /** @type {() => void} */ task) => {
    const timer = setTimeout(task, delayMs);
    return () => clearTimeout(timer);
  },
  endOfTurn: (/** @type {() => void} */ task) => process.nextTick(task),
};

let directories = 0;

/** @param {'memory' | 'everysec' | 'always'} durability @param {string} [directory] */
async function open(durability, directory = join(base, `${directories++}`)) {
  let frames = 0;
  let bytes = 0;
  const startedMs = performance.now();
  const { journal } = await openJournal(
    {
      directory,
      durability,
      clock,
      random: { bytes: (length) => randomBytes(length) },
      deadlineMs: 60_000,
      minFreeBytes: 64 * 1024 * 1024,
      callsVersion: 1,
      onEvent: (event) => console.error(event),
    },
    {
      snapshotFrame: () => {},
      callsFrame: (payload) => {
        frames += 1;
        bytes += payload.length;
      },
    },
  );
  return { journal, directory, frames, bytes, tookMs: performance.now() - startedMs };
}

/** @param {import('../dist/journal.js').Journal} journal */
const append = (journal) => journal.append((out) => out.data(record));
const turn = () => new Promise((done) => setImmediate(done));

/**
 * So many records in each turn, and a wait for them if it is asked for.
 *
 * @param {'memory' | 'everysec' | 'always'} durability @param {number} perTurn @param {number} turns @param {boolean} waits
 */
async function measure(durability, perTurn, turns, waits) {
  const { journal, directory } = await open(durability);
  const run = async (/** @type {number} */ count) => {
    for (let i = 0; i < count; i++) {
      for (let n = 0; n < perTurn; n++) append(journal);
      const storing = journal.stored();
      if (waits && storing !== undefined) await storing;
      else await turn();
    }
  };
  await run(Math.ceil(turns / 10));
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  await run(turns);
  const wallUs = (performance.now() - startedMs) * 1000;
  const { user, system } = process.cpuUsage(cpu);
  const records = perTurn * turns;
  const name = `${durability}, ${perTurn} a turn${waits ? ', each turn waited for' : ''}`;
  const figures = [user, user + system, wallUs].map((us) => (us / records).toFixed(3));
  console.log(`${name.padEnd(50)} ${figures[0]} µs user, ${figures[1]} µs CPU, ${figures[2]} µs by the clock`);
  await journal.close();
  await rm(directory, { recursive: true });
}

/** What memory alone costs: the same records, and nobody who writes them. */
function floor() {
  const out = Buffer.alloc(1 << 16);
  let at = 0;
  const cpu = process.cpuUsage();
  const records = 2_000_000;
  for (let i = 0; i < records; i++) {
    if (at + recordBytes > out.length) at = 0;
    out.set(record, at);
    at += recordBytes;
  }
  console.log(`${'copied and nothing else'.padEnd(50)} ${(process.cpuUsage(cpu).user / records).toFixed(3)} µs user`);
}

try {
  const empty = await open('everysec');
  await empty.journal.close();
  const again = await open('everysec');
  console.log(`an empty directory is made and opened in ${again.tookMs.toFixed(1)} ms`);
  await again.journal.close();

  floor();
  await measure('everysec', 100, 10_000, false);
  await measure('everysec', 100, 10_000, true);
  await measure('everysec', 10, 20_000, true);
  await measure('everysec', 1, 20_000, true);
  await measure('memory', 100, 10_000, false);
  await measure('always', 100, 300, true);
  await measure('always', 1, 300, true);

  for (const perTurn of [1, 100, 400]) {
    const written = await open('memory');
    for (let bytes = 0; bytes < 150_000_000; bytes += perTurn * recordBytes) {
      for (let n = 0; n < perTurn; n++) append(written.journal);
      if (bytes % (perTurn * recordBytes * 64) === 0 || perTurn === 1) await (written.journal.stored() ?? turn());
      else await turn();
      if (perTurn === 1 && bytes > 15_000_000) break;
    }
    await written.journal.close();
    const read = await open('memory', written.directory);
    const rate = read.bytes / read.tookMs / 1000;
    console.log(
      `read back: ${(read.bytes / 1e6).toFixed(0)} MB in ${read.frames} frames, ${read.tookMs.toFixed(0)} ms, ${rate.toFixed(0)} MB/s`,
    );
    await read.journal.close();
    await rm(written.directory, { recursive: true });
  }
} finally {
  await rm(base, { recursive: true });
}
