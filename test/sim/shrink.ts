// Makes a schedule that fails smaller, for as long as it still fails: what is left is what it takes.
//
// First whole Clients stay away, then steps are left out, many at a time at first. Whether it fails *the same way* is
// told by how the first fault begins, so that one defect does not turn into another on the way.

import type { Schedule } from './schedule.ts';
import type { Outcome } from './world.ts';

/** Runs that shrinking may take. */
const runsMax = 3000;

/** A smaller schedule that fails the same way. @param runOnce runs a schedule */
export async function shrink(
  schedule: Schedule,
  runOnce: (candidate: Schedule) => Promise<Outcome>,
): Promise<Schedule> {
  const kind = kindOf(await runOnce(schedule));
  let runs = 0;
  let best = schedule;
  const accept = async (candidate: Schedule): Promise<boolean> => {
    if (++runs > runsMax || kindOf(await runOnce(candidate)) !== kind) return false;
    best = candidate;
    return true;
  };
  for (const simpler of [{ onWire: false }, { isFar: false, failPercent: 0 }, { failPercent: 0 }]) {
    await accept({ ...best, ...simpler });
  }
  for (const { clientId } of schedule.kinds) await accept({ ...best, absent: [...best.absent, clientId] });
  for (let size = best.steps.length >> 1; size > 0 && runs <= runsMax; ) {
    let isSmaller = false;
    for (let at = 0; at < best.steps.length; ) {
      const steps = [...best.steps.slice(0, at), ...best.steps.slice(at + size)];
      if (await accept({ ...best, steps })) isSmaller = true;
      else at += size;
    }
    if (!isSmaller || size > 1) size = size === 1 ? 0 : size >> 1;
  }
  return best;
}

/** How the first fault begins: what it is about, without whom and when; undefined if there is none. */
function kindOf({ faults }: Outcome): string | undefined {
  return faults[0]?.replace(/\b(ann|bob|cyd|dan)\b/g, '').replace(/[#\d]+/g, '');
}
