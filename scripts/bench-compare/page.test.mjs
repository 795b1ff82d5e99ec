// The page says what was measured: each figure in its place, ratios the right way round, and nothing kept quiet that a
// peer does better or a server gets wrong.

import { describe, expect, it } from 'vitest';
import { disturbance, whatWentWrong, whereOthersAreBetter } from './findings.mjs';
import { page } from './page.mjs';
import { areAlike, summarise, together } from './results.mjs';
import { rowsOf, serversOf } from './rows.mjs';
import { entriesOf, metrics, pairsOf, table } from './tables.mjs';

/**
 * @typedef {import('./results.mjs').Results} Results
 * @typedef {import('./measuring.mjs').Run} Run
 * @typedef {import('./measuring.mjs').Measured} Measured
 */

const size = { seconds: 3, isQuick: false, connections: 10_000 };
const rows = rowsOf(size);
/** @type {readonly (readonly [string, string, string])[]} */
const servers = [
  ['skein', 'Skein, Node 24', 'skein'],
  ['skein-everysec', 'Skein `file:` everysec', 'skein'],
  ['mosquitto', 'Mosquitto', 'mosquitto'],
  ['mosquitto-keeps', 'Mosquitto with persistence', 'mosquitto'],
  ['aedes', 'Aedes', 'aedes'],
];

/**
 * @param {Run[]} runs
 * @returns {Results}
 */
function resultsOf(runs) {
  return {
    format: 1,
    date: '2026-11-22T22:00:00.000Z',
    machine: { cpu: 'A Processor', cores: 2, memoryGib: 24, system: 'Linux 6.18', fileSystem: 'ext2/ext3' },
    loadNode: '24.1.0',
    cores: { server: 1, load: 0 },
    size,
    loads: {},
    command: ['--rounds', '3', '--node', 'NODE-24'],
    servers: servers.map(([id, title, product]) => ({ id, title, product, version: '1.0', settings: '`default`' })),
    missing: [{ id: 'aedes-redis', title: 'Aedes + Redis', why: 'redis-server is not on the PATH' }],
    runs,
  };
}

/**
 * A run of one phase.
 *
 * @param {string} row
 * @param {string} server
 * @param {number} round
 * @param {Partial<Measured>} measured
 * @param {Partial<Run>} [more]
 * @returns {Run}
 */
function run(row, server, round, measured, more) {
  const phase = rows.find(({ id }) => id === row)?.lines[0]?.phase ?? 'load';
  /** @type {Measured} */
  const whole = {
    perSecond: 1000,
    count: 3000,
    cpuMicros: 1,
    cores: 0.5,
    rssKib: 51_200,
    bytesEach: 4096,
    p50Ms: 0.5,
    p99Ms: 2,
    loadBusy: 0.5,
    ...measured,
  };
  return {
    round,
    row,
    server,
    at: '',
    phases: { [phase]: whole },
    faults: {},
    problems: [],
    othersCores: 0.1,
    ...more,
  };
}

/**
 * The cells of a table, without its rule.
 *
 * @param {string} markdown
 */
function cellsOf(markdown) {
  const lines = markdown.split('\n').filter((line) => !line.startsWith('| ---'));
  return lines.map((line) => line.split(' | ').map((cell) => cell.replaceAll('|', '').trim()));
}

/**
 * A table of CPU times of the streams.
 *
 * @param {Run[]} runs
 * @param {string} row
 */
function cpuTable(runs, row) {
  const found = rows.filter(({ id }) => id === row);
  const lines = found.flatMap((each) => each.lines.map((line) => ({ row: each, line })));
  /** @type {import('./tables.mjs').Pair[]} */
  const pairs = [['mosquitto', 'skein']];
  return cellsOf(table({ results: resultsOf(runs), entries: entriesOf(lines, metrics.cpu), pairs, corner: 'µs' }));
}

describe('a table', () => {
  it('has the median and the best of the rounds, and the ratio of the medians', () => {
    const ours = [0.5, 0.4, 0.9].map((cpuMicros, i) => run('qos0-1', 'skein', i + 1, { cpuMicros }));
    const theirs = [2, 4, 2.5].map((cpuMicros, i) => run('qos0-1', 'mosquitto', i + 1, { cpuMicros }));
    expect(cpuTable([...ours, ...theirs], 'qos0-1')).toEqual([
      ['µs', 'Skein, Node 24', 'Mosquitto', 'Mosquitto ÷ Skein'],
      ['QoS 0, one pair', '0.50 (0.40)', '2.5 (2.0)', '5.0×'],
    ]);
  });

  it('says who has no such thing, who was not run, and who failed', () => {
    const runs = [
      run('shared', 'skein', 1, { cpuMicros: 3 }),
      run('shared', 'mosquitto', 1, {}, { phases: {}, failure: 'it ended with SIGSEGV' }),
    ];
    expect(cpuTable(runs, 'shared')[1]).toEqual(['Shared subscription 10 → 10, QoS 1', '3.0', 'fails ⚠', '–']);
    const aedesToo = [...runs, run('qos0-1', 'aedes', 1, {})];
    const lines = rows
      .filter(({ id }) => id === 'shared' || id === 'qos0-1')
      .flatMap((row) => row.lines.map((line) => ({ row, line })));
    const whole = table({
      results: resultsOf(aedesToo),
      entries: entriesOf(lines, metrics.cpu),
      pairs: [],
      corner: 'µs',
    });
    expect(cellsOf(whole)).toEqual([
      ['µs', 'Skein, Node 24', 'Mosquitto', 'Aedes'],
      ['QoS 0, one pair', 'not run', 'not run', '1.0'],
      ['Shared subscription 10 → 10, QoS 1', '3.0', 'fails ⚠', 'has none'],
    ]);
  });

  it('marks the figure of a server that lost messages', () => {
    const runs = [run('qos1-50', 'skein', 1, {}), run('qos1-50', 'mosquitto', 1, {}, { faults: { lost: 12 } })];
    expect(cpuTable(runs, 'qos1-50')[1]).toEqual(['QoS 1, 50 pairs', '1.0', '1.0 ⚠', '1.0×']);
  });

  it('says where nothing arrived while it was measured, and has no ratio where more is better', () => {
    const runs = [run('qos1-50', 'skein', 1, {}), run('qos1-50', 'mosquitto', 1, { count: 0, perSecond: 0 })];
    expect(cpuTable(runs, 'qos1-50')[1]?.slice(1, 3)).toEqual(['1.0', 'none in time ⚠']);
    const lines = rows.filter(({ id }) => id === 'qos1-50').flatMap((row) => row.lines.map((line) => ({ row, line })));
    const pairs = /** @type {import('./tables.mjs').Pair[]} */ ([['mosquitto', 'skein']]);
    const results = resultsOf([run('qos1-50', 'skein', 1, {}), run('qos1-50', 'mosquitto', 1, {})]);
    const rates = table({ results, entries: entriesOf(lines, metrics.rate), pairs, corner: 'a second' });
    expect(cellsOf(rates)[1]).toEqual(['QoS 1, 50 pairs', '1,000', '1,000', '–']);
  });

  it('marks a rate that the load generator may have limited', () => {
    const results = resultsOf([run('qos0-1', 'skein', 1, { perSecond: 812_345, loadBusy: 0.99 })]);
    expect(metrics.rate.cell(summarise(results.runs, 'load'))).toBe('≥ 812,000');
  });

  it('is left out where nothing of it was measured', () => {
    expect(cpuTable([run('qos0-1', 'skein', 1, {})], 'qos1-50')).toEqual([['']]);
  });
});

describe('a run in which the server ended', () => {
  it('counts for nothing', () => {
    const runs = [run('qos0-1', 'skein', 1, { cpuMicros: 9 }, { failure: 'it ended' }), run('qos0-1', 'skein', 2, {})];
    expect(summarise(runs, 'load').median('cpuMicros')).toBe(1);
  });
});

describe('who is compared to whom', () => {
  it('is the first of ours that was measured', () => {
    const pairs = /** @type {import('./tables.mjs').Pair[]} */ ([['mosquitto-keeps', 'skein-everysec', 'skein']]);
    expect(pairsOf(pairs, ['skein', 'skein-everysec', 'mosquitto-keeps'])).toEqual([
      { peer: 'mosquitto-keeps', ours: 'skein-everysec' },
    ]);
    expect(pairsOf(pairs, ['skein', 'mosquitto-keeps'])).toEqual([{ peer: 'mosquitto-keeps', ours: 'skein' }]);
    expect(pairsOf(pairs, ['skein'])).toEqual([]);
  });

  it('takes part in each load it can do: stored loads in all durability classes, streams in one', () => {
    const all = [...servers.map(([id, , product]) => ({ id, product })), { id: 'skein-node20', product: 'skein' }];
    const of = (/** @type {string} */ row) => serversOf(/** @type {any} */ (rows.find(({ id }) => id === row)), all);
    expect(of('qos0-1')).toEqual(['skein', 'mosquitto', 'aedes', 'skein-node20']);
    expect(of('shared')).toEqual(['skein', 'mosquitto', 'skein-node20']);
    expect(of('offline')).toEqual(['skein', 'skein-everysec', 'mosquitto-keeps', 'aedes']);
  });
});

describe('what the figures say', () => {
  const lines = rows.filter(({ id }) => id === 'low-load').flatMap((row) => row.lines.map((line) => ({ row, line })));
  const pairs = /** @type {import('./tables.mjs').Pair[]} */ ([['mosquitto', 'skein']]);
  /** @param {number} theirs */
  const runs = (theirs) => [
    run('low-load', 'skein', 1, { cpuMicros: 18.8, perSecond: 1000 }),
    run('low-load', 'mosquitto', 1, { cpuMicros: theirs, perSecond: theirs * 100 }),
  ];

  it('is where another takes less', () => {
    const found = whereOthersAreBetter(resultsOf(runs(14.4)), [{ lines, metric: metrics.cpu, pairs }]);
    expect(found).toEqual([
      '10,000 messages a second over 500 sockets, QoS 0: Mosquitto before Skein, Node 24: CPU 14 against 19 µs (1.3×).',
    ]);
  });

  it('is not where another takes more, or so little less that it is noise', () => {
    expect(whereOthersAreBetter(resultsOf(runs(30)), [{ lines, metric: metrics.cpu, pairs }])).toEqual([]);
    expect(whereOthersAreBetter(resultsOf(runs(18.5)), [{ lines, metric: metrics.cpu, pairs }])).toEqual([]);
  });

  it('is told once for a load and a peer, whatever it is better in', () => {
    const both = [metrics.cpu, metrics.rate].map((metric) => ({ lines, metric, pairs }));
    expect(whereOthersAreBetter(resultsOf(runs(14.4)), both)).toEqual([
      '10,000 messages a second over 500 sockets, QoS 0: Mosquitto before Skein, Node 24: ' +
        'CPU 14 against 19 µs (1.3×); rate 1,440 against 1,000 a second (1.4×).',
    ]);
  });

  it('is more where more is better', () => {
    expect(whereOthersAreBetter(resultsOf(runs(14.4)), [{ lines, metric: metrics.rate, pairs }])[0]).toContain(
      'rate 1,440 against 1,000 a second (1.4×)',
    );
  });

  it('is who lost messages, how many and how often, us included', () => {
    const faulty = [
      run('qos2-50', 'skein', 1, {}, { faults: { 'delivered twice': 1 } }),
      run('qos2-50', 'mosquitto', 1, {}, { faults: { lost: 10 } }),
      run('qos2-50', 'mosquitto', 2, {}, { faults: { lost: 30 } }),
      run('qos2-50', 'mosquitto', 3, { count: 0 }),
      run('qos2-50', 'aedes', 1, {}, { phases: {}, failure: 'no result: it went away\nwith more to say\nand more' }),
    ];
    expect(whatWentWrong(resultsOf(faulty), rows)).toEqual([
      'QoS 2, 50 pairs: Skein, Node 24: 1 delivered twice (in 1 of 1 round).',
      'QoS 2, 50 pairs: Mosquitto: 20 lost (in 2 of 3 rounds); nothing arrived while it was measured (in 1 of 3).',
      'QoS 2, 50 pairs: Aedes: no result: it went away with more to say.',
    ]);
  });

  it('is how much others worked on the machine meanwhile', () => {
    const some = [0.1, 0.5, 0.2].map((othersCores, i) => run('qos0-1', 'skein', i, {}, { othersCores }));
    expect(disturbance(some)).toEqual({ median: 0.2, most: 0.5 });
    expect(disturbance([run('qos0-1', 'skein', 1, {}, { othersCores: undefined })])).toBeUndefined();
  });
});

describe('the page', () => {
  const text = page(
    resultsOf([
      run('qos0-1', 'skein', 1, { cpuMicros: 0.5 }),
      run('qos0-1', 'mosquitto', 1, { cpuMicros: 0.25 }),
      run('offline', 'skein-everysec', 1, { cpuMicros: 5 }),
      run('offline', 'mosquitto-keeps', 1, { cpuMicros: 10 }),
    ]),
    rows,
  );

  it('has the machine, the versions, the settings, the date and the command', () => {
    expect(text).toContain('A Processor, 2 cores, 24 GiB, Linux 6.18');
    expect(text).toContain('- Skein, Node 24: 1.0');
    expect(text).toContain('| Mosquitto | `default` |');
    expect(text).toContain('2026-11-22');
    expect(text).toContain('npm run bench:compare -- --rounds 3 --node NODE-24');
  });

  it('names what is missing, and where another is better', () => {
    expect(text).toContain('- Aedes + Redis: redis-server is not on the PATH');
    expect(text).toContain('Mosquitto before Skein, Node 24: CPU 0.25 against 0.50 µs (2.0×)');
  });

  it('compares what is stored with the like', () => {
    const head = text.split('\n').find((line) => line.includes('Mosquitto with persistence ÷'));
    expect(head).toContain('Mosquitto with persistence ÷ Skein `file:` everysec');
  });

  it('says on top when the machine was not quiet, and only then', () => {
    expect(text).not.toContain('was not quiet');
    const busy = page(resultsOf([run('qos0-1', 'skein', 1, {}, { othersCores: 1.4 })]), rows);
    expect(busy).toContain('others kept 1.4 of its 2 cores busy');
  });

  it('has nothing that is not there', () => {
    expect(text).not.toMatch(/undefined|NaN|\[object/);
    expect(text).not.toMatch(/\n{3}/);
  });
});

describe('figures of two comparisons', () => {
  it('go together only if they are of the same versions, size and machine', () => {
    const one = resultsOf([]);
    expect(areAlike(one, resultsOf([]))).toBe(true);
    expect(areAlike(one, { ...one, size: { ...size, seconds: 5 } })).toBe(false);
    const [first, ...others] = one.servers;
    if (first === undefined) throw new Error('there is a server');
    expect(areAlike(one, { ...one, servers: [{ ...first, version: '2.0' }, ...others] })).toBe(false);
    const load = { scenario: /** @type {const} */ ('p2p'), publishers: 1 };
    const other = { ...load, publishers: 2 };
    expect(areAlike({ ...one, loads: { a: load } }, { ...one, loads: { a: other } })).toBe(false);
    expect(areAlike({ ...one, loads: { a: load } }, { ...one, loads: { b: other } })).toBe(true);
    // Fewer servers, or more, may be asked for.
    expect(areAlike(one, { ...one, servers: others })).toBe(true);
  });

  it('are one comparison then: all servers and loads of both, and the runs so far', () => {
    const whole = resultsOf([run('qos0-1', 'skein', 1, {})]);
    const [first, second, ...others] = whole.servers;
    if (first === undefined || second === undefined) throw new Error('there are servers');
    const load = { scenario: /** @type {const} */ ('p2p') };
    const before = { ...whole, servers: [first, ...others], loads: { a: load } };
    const now = {
      ...resultsOf([]),
      date: '2026-11-23T08:00:00.000Z',
      servers: [second, ...others],
      loads: { b: load },
    };
    const both = together(before, now);
    expect(both.servers).toEqual([first, ...others, second]);
    expect(both.loads).toEqual({ a: load, b: load });
    expect(both.runs).toEqual(whole.runs);
    expect(both.date).toBe(now.date);
    // What was measured before is not missing, though it cannot be started now.
    const gone = { ...now, missing: [{ id: first.id, title: first.title, why: 'it is gone' }] };
    expect(together(before, gone).missing).toEqual([]);
  });
});
