// The books at the end of a run: what was sent, against what arrived.

import type { Crew } from './crew.ts';
import { fanOut, lineCount, type Plan } from './plan.ts';
import type { Checked } from './scenario.ts';
import { byLine, sumGroups } from './sequences.ts';
import { type Faults, noFaults } from './stage.ts';

/** Asks all threads what they sent, then tells all of them, and adds up what they miss. */
export async function judge(
  plan: Plan,
  crew: Crew,
  sessionsGone: number,
  subscriptionsRefused: Record<string, number>,
): Promise<Checked> {
  const accounts = await crew.all('adding up', 'account');
  const sent: number[] = new Array(lineCount(plan)).fill(0);
  const refused: Record<string, number> = {};
  const faults = noFaults();
  for (const account of accounts) {
    for (const { from, counts } of account.sent) {
      counts.forEach((count, index) => {
        sent[from + index] = count;
      });
    }
    for (const [name, count] of Object.entries(account.refusedFor)) refused[name] = (refused[name] ?? 0) + count;
    for (const name of Object.keys(faults) as (keyof Faults)[]) faults[name] += account.faults[name];
  }
  const refusedMessages = accounts.flatMap((account) => account.refused);
  const verdicts = await crew.all('adding up', 'judge', sent, refusedMessages);
  const totals = crew.counts.totals();
  const published = totals.sent - totals.refused;
  let expected = verdicts.reduce((sum, each) => sum + each.expected, 0);
  let lost = verdicts.reduce((sum, each) => sum + each.lost, 0);
  let { delivered } = totals;
  if (plan.scenario === 'shared') {
    const group = sumGroups(
      verdicts.map((each) => each.group),
      sent,
      byLine(refusedMessages),
    );
    expected = published * fanOut(plan);
    lost = group.lost;
    faults.duplicates += group.duplicates;
    delivered -= group.duplicates;
  }
  return {
    published,
    acknowledged: totals.completed - totals.refused,
    unacknowledged: plan.qos === 0 ? 0 : totals.sent - totals.completed,
    refused,
    expected,
    delivered,
    lost,
    ...faults,
    sessionsGone,
    subscriptionsRefused,
    writtenOff: totals.writtenOff,
  };
}
