// What is to be said of a run's figures: what is wrong with the server's work, and what makes the figures doubtful.

import type { Plan } from './plan.ts';
import type { Checked, Phase } from './scenario.ts';

/** A loop busier than this is the bottleneck itself. */
const busy = 0.9;
/** What is shorter is mostly our own beginning. */
const busySeconds = 0.5;
/** With less CPU than this part of the time that its loop was busy, it was kept waiting. */
const scarce = 0.6;
/** A sender later than this says more about itself than about the server. */
const lateMs = 10;

/** Sentences: problems, for which a run is not ok, and warnings. */
export function findings(
  plan: Plan,
  phases: readonly Phase[],
  checked: Checked,
): { problems: string[]; warnings: string[] } {
  const problems: string[] = [];
  const warnings: string[] = [];
  const of = (count: number, one: string, many: string): string =>
    `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
  const deliveries = (count: number): string => of(count, 'delivery', 'deliveries');
  const problem = (count: number, sentence: (count: number) => string): void => {
    if (count > 0) problems.push(`${sentence(count)}.`);
  };
  const { lost, expected } = checked;
  const qos = Math.min(plan.qos, plan.subscriptionQos);

  if (lost > 0) {
    const sentence = `${deliveries(lost)} of ${expected.toLocaleString('en')} never came (QoS ${qos})`;
    if (qos > 0) problems.push(`${sentence}: acknowledged or sent, and lost.`);
    else warnings.push(`${sentence}: at QoS 0 a server may drop them.`);
  }
  problem(checked.duplicates, (n) => `${deliveries(n)} came again${qos === 1 ? ' without DUP' : ''} (QoS ${qos})`);
  problem(checked.corrupt, (n) => `${deliveries(n)} had a wrong content or length`);
  problem(checked.misrouted, (n) => `${deliveries(n)} came on a wrong topic or to a wrong subscriber`);
  problem(checked.wrongQos, (n) => `${deliveries(n)} came at another QoS than ${qos}`);
  problem(checked.foreign, (n) => `${deliveries(n)} ${n === 1 ? 'was' : 'were'} not of this run`);
  problem(checked.unacknowledged, (n) => `${of(n, 'message was', 'messages were')} never acknowledged`);
  problem(checked.sessionsGone, (n) => `${of(n, 'stored Session was', 'stored Sessions were')} not there any more`);
  for (const [name, count] of Object.entries(checked.refused)) {
    problem(count, (n) => `${of(n, 'message was', 'messages were')} refused: ${name}`);
  }
  for (const [name, count] of Object.entries(checked.subscriptionsRefused)) {
    problem(count, (n) => `${of(n, 'subscription was', 'subscriptions were')} refused: ${name}`);
  }
  if (checked.outOfOrder > 0) {
    const sentence = `${deliveries(checked.outOfOrder)} came behind a later message of the same publisher and topic`;
    // Only subscriptions that are not shared keep the order [MQTT-4.6.0-6].
    if (plan.scenario === 'shared') warnings.push(`${sentence}: in a shared group that may be.`);
    else problems.push(`${sentence}.`);
  }

  if (expected > 0 && checked.delivered === 0) problems.push('Nothing was delivered at all.');
  const planned = plannedCount(plan);
  const sent = checked.published + Object.values(checked.refused).reduce((sum, each) => sum + each, 0);
  problem(
    planned - sent,
    (n) => `${of(n, 'message', 'messages')} of ${planned} could not be sent: the server took no more`,
  );

  if (checked.redelivered > 0) warnings.push(`${deliveries(checked.redelivered)} came again with DUP.`);
  if (checked.writtenOff > 0) {
    warnings.push(
      `${deliveries(checked.writtenOff)} stopped a window for a second and were given up, so the rate is too low.`,
    );
  }
  for (const { name, unit, seconds, own, sentLateMsMax, sent: left, perSecond } of phases) {
    if (own.busiestLoop > busy && seconds >= busySeconds) {
      const percent = Math.round(own.busiestLoop * 100);
      warnings.push(
        `In phase '${name}' this program was busy ${percent} % of the time: it may be the bottleneck itself, not the ` +
          `server. More threads may help: --workers ${plan.workers + 1}.`,
      );
    }
    // A loop that is in the middle of something without using CPU has been put aside for others.
    if (plan.workers === 1 && seconds >= busySeconds && own.cpuSeconds < own.busiestLoop * seconds * scarce) {
      warnings.push(
        `In phase '${name}' this program waited for a processor: the machine has too much to do, so CPU a ${unit} may ` +
          'be believed, and rates and latency may not.',
      );
    }
    if (sentLateMsMax !== undefined && sentLateMsMax > lateMs) {
      warnings.push(`In phase '${name}' messages left up to ${sentLateMsMax} ms late; that is in the latency.`);
    }
    if (name === 'load' && plan.rate > 0 && plan.count === 0 && left !== undefined) {
      const due = plan.rate * plan.durationSeconds;
      if (left < due * 0.98 - 1) {
        warnings.push(`Only ${left} of ${Math.round(due)} messages left in time: the rate is more than can be served.`);
      }
    }
    if (name === 'load' && perSecond === 0) warnings.push('Nothing was delivered while it was measured.');
  }
  return { problems, warnings };
}

/** How many messages are to be sent, where that is settled; else 0. */
function plannedCount({ scenario, count, messages, subscribers }: Plan): number {
  if (scenario === 'retained') return messages;
  return scenario === 'offline' ? messages * subscribers : count;
}
