// One number out of a page of metrics in the Prometheus text format.

/** Label names and values that a sample must have; it may have others. */
export type Labels = Readonly<Record<string, string>>;

/**
 * Sums the samples of a metric that carry the labels.
 *
 * @param page what /metrics answered
 * @returns 0 if there is no such sample
 */
export function metricValue(page: string, name: string, labels: Labels = {}): number {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  let sum = 0;
  for (const line of page.split('\n')) {
    const sample = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (sample?.[1] !== name) continue;
    const present = (sample[2] ?? '').split(',');
    if (wanted.every((label) => present.includes(label))) sum += Number(sample[3]);
  }
  return sum;
}
