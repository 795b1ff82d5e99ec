// What was measured, kept in a file: the page can be written again from it, and a comparison that was broken off goes on.

import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { median, minimum } from './statistics.mjs';

/**
 * @typedef {import('./measuring.mjs').Run} Run
 * @typedef {import('./measuring.mjs').Measured} Measured
 *
 * @typedef {object} Results
 * @property {1} format
 * @property {string} date when it began
 * @property {import('./machine.mjs').Machine} machine
 * @property {string} loadNode the Node of the load generator
 * @property {{ server: number, load: number } | null} cores which each is held to; null if to none
 * @property {{ seconds: number, isQuick: boolean, connections: number }} size
 * @property {Record<string, import('./rows.mjs').ScenarioOptions>} loads by row
 * @property {string[]} command the words after the script's name
 * @property {{ id: string, title: string, product: string, version: string, settings: string }[]} servers
 * @property {import('./servers.mjs').Missing[]} missing
 * @property {Run[]} runs
 *
 * @typedef {object} Summary of the rounds of one server in one phase
 * @property {number} rounds
 * @property {(key: keyof Measured) => number | undefined} median
 * @property {(key: keyof Measured) => number | undefined} minimum
 */

/**
 * @param {string} path
 * @returns {Results | undefined} undefined if there is none, or of another format
 */
export function readResults(path) {
  try {
    const results = JSON.parse(readFileSync(path, 'utf8'));
    return results.format === 1 ? results : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {string} path
 * @param {Results} results
 */
export function writeResults(path, results) {
  mkdirSync(dirname(path), { recursive: true });
  // Whole or not at all: it may be broken off at any moment.
  writeFileSync(`${path}.tmp`, `${JSON.stringify(results, undefined, 1)}\n`);
  renameSync(`${path}.tmp`, path);
}

/**
 * Whether two comparisons may be put together: the same loads by the same servers.
 *
 * @param {Results} a
 * @param {Results} b
 */
export function areAlike(a, b) {
  const versions = new Map(a.servers.map(({ id, version, settings }) => [id, `${version} ${settings}`]));
  return (
    JSON.stringify([a.size, a.machine, a.cores, a.loadNode]) ===
      JSON.stringify([b.size, b.machine, b.cores, b.loadNode]) &&
    Object.entries(b.loads).every(([row, load]) => JSON.stringify(a.loads[row] ?? load) === JSON.stringify(load)) &&
    b.servers.every(
      ({ id, version, settings }) => (versions.get(id) ?? `${version} ${settings}`) === `${version} ${settings}`,
    )
  );
}

/**
 * What was measured before, as the beginning of what is to be measured now.
 *
 * @param {Results} before
 * @param {Results} now
 * @returns {Results}
 */
export function together(before, now) {
  const anew = new Map(now.servers.map((server) => [server.id, server]));
  const known = before.servers.map((server) => anew.get(server.id) ?? server);
  const added = now.servers.filter(({ id }) => !known.some((server) => server.id === id));
  return {
    ...now,
    loads: { ...before.loads, ...now.loads },
    servers: [...known, ...added],
    missing: now.missing.filter(({ id }) => !known.some((server) => server.id === id)),
    runs: [...before.runs],
  };
}

/**
 * All rounds of a server under a load.
 *
 * @param {readonly Run[]} runs
 * @param {string} row
 * @param {string} server
 */
export function runsOf(runs, row, server) {
  return runs.filter((run) => run.row === row && run.server === server);
}

/**
 * @param {readonly Run[]} runs of one server under one load
 * @param {string} phase
 * @returns {Summary}
 */
export function summarise(runs, phase) {
  // What a server did that did not live through it counts for nothing.
  const measured = runs.flatMap((run) => (run.failure === undefined ? (run.phases[phase] ?? []) : []));
  /** @param {keyof Measured} key */
  const valuesOf = (key) => measured.flatMap((each) => each[key] ?? []);
  return {
    rounds: measured.length,
    median: (key) => median(valuesOf(key)),
    minimum: (key) => minimum(valuesOf(key)),
  };
}
