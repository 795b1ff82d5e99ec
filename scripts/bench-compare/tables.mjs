// The tables of the page: a line for each load, a column for each server, and columns of how many times as much a peer
// takes as we do.

import { runsOf, summarise } from './results.mjs';
import { figure, ratio, times } from './statistics.mjs';

/**
 * @typedef {import('./results.mjs').Results} Results
 * @typedef {import('./results.mjs').Summary} Summary
 * @typedef {import('./measuring.mjs').Measured} Measured
 * @typedef {import('./rows.mjs').Row} Row
 * @typedef {import('./rows.mjs').Line} Line
 *
 * @typedef {object} Metric
 * @property {string} words what is compared, such as `CPU`
 * @property {string} unit
 * @property {boolean} isMoreBetter
 * @property {(summary: Summary) => number | undefined} value by which servers are compared
 * @property {(summary: Summary) => string} cell
 *
 * @typedef {object} Entry a line of a table
 * @property {Row} row
 * @property {Line} line
 * @property {Metric} metric
 * @property {string} title
 *
 * @typedef {readonly [peer: string, ...ours: string[]]} Pair of servers that may be compared; of ours the first that
 *   there is
 */

const kib = 1024;

/**
 * A figure of a phase that is better the less it is: its median, and in parentheses the best round.
 *
 * @param {string} words
 * @param {keyof Measured} key
 * @param {string} unit that the page shows it in
 * @param {number} [size] of that unit
 * @returns {Metric}
 */
function lessIsBetter(words, key, unit, size = 1) {
  /** @param {number | undefined} value */
  const inUnit = (value) => (value === undefined ? undefined : value / size);
  return {
    words,
    unit,
    isMoreBetter: false,
    value: (summary) => inUnit(summary.median(key)),
    cell: (summary) => {
      const middle = inUnit(summary.median(key));
      if (middle === undefined) return '–';
      return summary.rounds > 1 ? `${figure(middle)} (${figure(inUnit(summary.minimum(key)))})` : figure(middle);
    },
  };
}

/** All that is shown of phases. */
export const metrics = {
  cpu: lessIsBetter('CPU', 'cpuMicros', 'µs'),
  /** `≥` before a rate: the load generator was busy all the time, so the server might have done more. @type {Metric} */
  rate: {
    words: 'rate',
    unit: 'a second',
    isMoreBetter: true,
    value: (summary) => summary.median('perSecond'),
    cell: (summary) => {
      const isLoadTheLimit = (summary.median('loadBusy') ?? 0) > 0.95;
      return `${isLoadTheLimit ? '≥ ' : ''}${figure(summary.median('perSecond'))}`;
    },
  },
  memory: lessIsBetter('memory', 'rssKib', 'MiB', kib),
  p50: lessIsBetter('latency (p50)', 'p50Ms', 'ms'),
  p99: lessIsBetter('latency (p99)', 'p99Ms', 'ms'),
  kibEach: lessIsBetter('memory', 'bytesEach', 'KiB', kib),
  bytesEach: lessIsBetter('memory', 'bytesEach', 'bytes'),
  cores: lessIsBetter('CPU', 'cores', '% of a core', 0.01),
};

/**
 * @param {Results} results
 * @param {Row} row
 * @param {string} server
 * @param {string} phase
 */
export function summaryOf(results, row, server, phase) {
  return summarise(runsOf(results.runs, row.id, server), phase);
}

/**
 * The pairs that can be compared, ours resolved.
 *
 * @param {readonly Pair[]} pairs
 * @param {readonly string[]} servers that there are
 * @returns {{ peer: string, ours: string }[]}
 */
export function pairsOf(pairs, servers) {
  return pairs.flatMap(([peer, ...candidates]) => {
    const ours = candidates.find((id) => servers.includes(id));
    return ours === undefined || !servers.includes(peer) ? [] : [{ peer, ours }];
  });
}

/**
 * Each of some lines with one figure.
 *
 * @param {readonly { row: Row, line: Line }[]} lines
 * @param {Metric} metric
 * @returns {Entry[]}
 */
export function entriesOf(lines, metric) {
  return lines.map(({ row, line }) => ({ row, line, metric, title: line.title }));
}

/**
 * A table: what was measured down, servers across.
 *
 * @param {object} what
 * @param {Results} what.results
 * @param {readonly Entry[]} what.entries
 * @param {readonly Pair[]} what.pairs for which the ratio is shown
 * @param {string} what.corner over the entries
 * @returns {string} Markdown; empty if nothing of it was measured
 */
export function table({ results, entries, pairs, corner }) {
  const shown = entries.filter(({ row }) => results.runs.some((run) => run.row === row.id));
  const measured = results.servers
    .map(({ id }) => id)
    .filter((id) => results.runs.some((run) => run.server === id && shown.some(({ row }) => row.id === run.row)));
  if (shown.length === 0) return '';
  const compared = pairsOf(pairs, measured);
  const isStored = shown.every(({ row }) => row.group === 'stored');
  /** @param {string} id */
  const title = (id) => titleOf(results, id, isStored);
  // Where ours is the same throughout, it need not be told apart.
  const isOneOfOurs = pairs.every(([, first]) => first === 'skein');
  const ratioHeads = compared.map(({ peer, ours }) => `${title(peer)} ÷ ${isOneOfOurs ? 'Skein' : title(ours)}`);
  const body = shown.map((entry) => {
    const { row, line, metric } = entry;
    /** @param {string} id */
    const value = (id) => metric.value(summaryOf(results, row, id, line.phase));
    const cells = measured.map((id) => cellOf(results, entry, id));
    // Of what is better the more it is, the ratio would read the other way round.
    const ratios = compared.map(({ peer, ours }) =>
      times(metric.isMoreBetter ? undefined : ratio(value(peer), value(ours))),
    );
    return [entry.title, ...cells, ...ratios];
  });
  return markdown([corner, ...measured.map(title), ...ratioHeads], body, '---:');
}

/**
 * @param {Results} results
 * @param {Entry} entry
 * @param {string} id of the server
 */
function cellOf(results, { row, line, metric }, id) {
  const runs = runsOf(results.runs, row.id, id);
  const product = results.servers.find((server) => server.id === id)?.product ?? '';
  if (row.without?.[product] !== undefined) return 'has none';
  if (runs.length === 0) return 'not run';
  const summary = summarise(runs, line.phase);
  if (summary.rounds === 0) return 'fails ⚠';
  if (summary.median('count') === 0) return 'none in time ⚠';
  const isFaulty = runs.some(({ faults, failure }) => failure !== undefined || Object.keys(faults).length > 0);
  return `${metric.cell(summary)}${isFaulty ? ' ⚠' : ''}`;
}

/**
 * What a server is called.
 *
 * @param {Results} results
 * @param {string} id
 * @param {boolean} [isStored] among others of ours that store elsewhere
 */
export function titleOf({ servers }, id, isStored = false) {
  if (isStored && id === 'skein') return 'Skein `memory:`';
  return servers.find((server) => server.id === id)?.title ?? id;
}

/**
 * @param {readonly string[]} heads
 * @param {readonly (readonly string[])[]} body
 * @param {'---' | '---:'} rule how all columns but the first are aligned
 */
export function markdown(heads, body, rule) {
  const rules = heads.map((_, index) => (index === 0 ? '---' : rule));
  return [heads, rules, ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
