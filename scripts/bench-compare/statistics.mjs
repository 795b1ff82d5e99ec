// What becomes of several rounds: a median to judge by, a minimum to see how good it gets, and ratios between two.
//
// Work of others on the machine makes a round dearer, never cheaper: of CPU times the minimum is nearest to the truth, and
// the median says what to expect.

/**
 * The middle one; of an even number the mean of the two in the middle.
 *
 * @param {readonly number[]} values
 * @returns {number | undefined} undefined if there is none
 */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  return upper === undefined || lower === undefined ? undefined : (upper + lower) / 2;
}

/**
 * @param {readonly number[]} values
 * @returns {number | undefined} undefined if there is none
 */
export function minimum(values) {
  return values.length === 0 ? undefined : Math.min(...values);
}

/**
 * How many times as much a peer takes as we do: above 1 we take less.
 *
 * @param {number | undefined} peers
 * @param {number | undefined} ours
 * @returns {number | undefined} undefined if either is unknown, or ours is nothing
 */
export function ratio(peers, ours) {
  return peers === undefined || ours === undefined || ours <= 0 ? undefined : peers / ours;
}

/**
 * A figure with as many digits as it deserves: `0.078`, `0.78`, `7.8`, `78`, `78,000`.
 *
 * @param {number | undefined} value
 * @returns {string} `–` if there is none
 */
export function figure(value) {
  if (value === undefined || !Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size >= 9.95) return grouped(size >= 99_950 ? Math.round(value / 1000) * 1000 : Math.round(value));
  if (size >= 0.9995) return value.toFixed(1);
  return value.toFixed(size >= 0.0995 ? 2 : 3);
}

/**
 * A ratio as it is read: `4.2×`.
 *
 * @param {number | undefined} value
 */
export function times(value) {
  return value === undefined
    ? '–'
    : `${value >= 9.95 ? grouped(Math.round(value)) : value.toFixed(value < 0.995 ? 2 : 1)}×`;
}

/** @param {number} value a whole number */
function grouped(value) {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}
