// "Did you mean": the known name that is nearest to what was written.

/**
 * The nearest of the names to a mistyped one.
 *
 * @returns undefined if none is near enough to be what was meant
 */
export function closest(written: string, names: readonly string[]): string | undefined {
  const plain = plainly(written);
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(plain.length / 3)) + 1;
  for (const name of names) {
    const distance = editDistance(plain, plainly(name), bestDistance);
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

/** Without what is only spelling: case, hyphens, underscores, dots. */
function plainly(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '')
    .slice(0, 64);
}

/** Letters to insert, delete, replace, or swap with the next one; `limit` if it is as much or more. */
function editDistance(from: string, to: string, limit: number): number {
  if (Math.abs(from.length - to.length) >= limit) return limit;
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const same = from[row - 1] === to[column - 1];
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      const ways = [at(last, column - 1) + (same ? 0 : 1), at(last, column) + 1, at(current, column - 1) + 1];
      if (swapped) ways.push(at(beforeLast, column - 2) + 1);
      current.push(Math.min(...ways));
    }
    beforeLast = last;
    last = current;
  }
  return Math.min(at(last, to.length), limit);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
