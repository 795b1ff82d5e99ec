// In which order everything is measured: round by round, in a round load by load, and for one load server after server.
//
// So all servers meet the same hour of the machine. Who begins changes with each load and round, for who comes after a
// heavy one may find a warmer machine than the others.

/**
 * @typedef {object} Step
 * @property {number} round from 1
 * @property {string} row
 * @property {string} server
 */

/**
 * @param {object} plan
 * @param {number} plan.rounds
 * @param {readonly { id: string, servers: readonly string[] }[]} plan.rows with who takes part in each
 * @returns {Step[]}
 */
export function interleaved({ rounds, rows }) {
  /** @type {Step[]} */
  const steps = [];
  for (let round = 1; round <= rounds; round++) {
    for (const [index, { id, servers }] of rows.entries()) {
      for (let i = 0; i < servers.length; i++) {
        const server = servers[(i + index + round - 1) % servers.length];
        if (server !== undefined) steps.push({ round, row: id, server });
      }
    }
  }
  return steps;
}

/**
 * What is left to do of a plan, some of which has been done before.
 *
 * @param {readonly Step[]} steps
 * @param {readonly Step[]} done
 */
export function remaining(steps, done) {
  const known = new Set(done.map(keyOf));
  return steps.filter((step) => !known.has(keyOf(step)));
}

/** @param {Step} step */
function keyOf({ round, row, server }) {
  return `${round}/${row}/${server}`;
}
