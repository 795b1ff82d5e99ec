// What the figures say that a reader should not have to look for: where another server is better, who lost messages, and
// how quiet the machine was.

import { figure, median, ratio, times } from './statistics.mjs';
import { pairsOf, summaryOf, titleOf } from './tables.mjs';

/**
 * @typedef {import('./tables.mjs').Results} Results
 * @typedef {import('./tables.mjs').Metric} Metric
 * @typedef {import('./tables.mjs').Pair} Pair
 * @typedef {import('./rows.mjs').Row} Row
 * @typedef {import('./rows.mjs').Line} Line
 *
 * @typedef {object} Question
 * @property {readonly { row: Row, line: Line }[]} lines
 * @property {Metric} metric
 * @property {readonly Pair[]} pairs
 */

/** Differences below this are within what two rounds of the same differ by. */
const noticeable = 1.05;

/**
 * Where a peer is better than we are.
 *
 * @param {Results} results
 * @param {readonly Question[]} questions
 * @returns {string[]} a sentence for each load and peer, the loads in the order of the questions
 */
export function whereOthersAreBetter(results, questions) {
  const present = results.servers.map(({ id }) => id);
  /** @type {Map<string, string[]>} */
  const found = new Map();
  for (const { lines, metric, pairs } of questions) {
    for (const { row, line } of lines) {
      for (const { peer, ours } of pairsOf(pairs, present)) {
        /** @param {string} id */
        const value = (id) => metric.value(summaryOf(results, row, id, line.phase));
        const [theirs, own] = [value(peer), value(ours)];
        const factor = metric.isMoreBetter ? ratio(theirs, own) : ratio(own, theirs);
        if (factor === undefined || factor < noticeable) continue;
        const isStored = row.group === 'stored';
        const who = `${titleOf(results, peer, isStored)} before ${titleOf(results, ours, isStored)}`;
        const where = `${line.title}: ${who}`;
        const words = `${metric.words} ${figure(theirs)} against ${figure(own)} ${metric.unit} (${times(factor)})`;
        found.set(where, [...(found.get(where) ?? []), words]);
      }
    }
  }
  return [...found].map(([where, words]) => `${where}: ${words.join('; ')}.`);
}

/**
 * What servers did that they must not, and where they did not work at all.
 *
 * @param {Results} results
 * @param {readonly Row[]} rows
 * @returns {string[]} a sentence each
 */
export function whatWentWrong(results, rows) {
  return rows.flatMap((row) =>
    results.servers.flatMap(({ id, title }) => {
      const runs = results.runs.filter((run) => run.row === row.id && run.server === id);
      /** @type {Map<string, number[]>} */
      const faults = new Map();
      for (const run of runs) {
        for (const [words, count] of Object.entries(run.faults))
          faults.set(words, [...(faults.get(words) ?? []), count]);
      }
      const told = [...faults].map(([words, counts]) => {
        const rounds = `in ${counts.length} of ${runs.length} ${runs.length === 1 ? 'round' : 'rounds'}`;
        return `${Math.round(median(counts) ?? 0)} ${words} (${rounds})`;
      });
      const failures = [...new Set(runs.flatMap(({ failure }) => (failure === undefined ? [] : firstLineOf(failure))))];
      const silent = runs.filter(({ phases }) => row.lines.some(({ phase }) => phases[phase]?.count === 0)).length;
      const late = silent === 0 ? [] : [`nothing arrived while it was measured (in ${silent} of ${runs.length})`];
      const all = [...told, ...late, ...failures];
      return all.length === 0 ? [] : [`${row.lines[0]?.title}: ${title}: ${all.join('; ')}.`];
    }),
  );
}

/**
 * How many cores others on the machine kept busy while something was measured.
 *
 * @param {Results['runs']} runs
 * @returns {{ median: number, most: number } | undefined} undefined where nobody knows
 */
export function disturbance(runs) {
  const cores = runs.flatMap(({ othersCores }) => othersCores ?? []);
  const middle = median(cores);
  return middle === undefined ? undefined : { median: middle, most: Math.max(...cores) };
}

/** @param {string} text */
function firstLineOf(text) {
  return text.split('\n').slice(0, 2).join(' ').trim();
}
