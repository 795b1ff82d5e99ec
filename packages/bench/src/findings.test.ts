import { describe, expect, it } from 'vitest';
import { findings } from './findings.ts';
import { settle } from './plan.ts';
import type { Checked, Phase } from './scenario.ts';
import { noFaults } from './stage.ts';

const right: Checked = {
  published: 100,
  acknowledged: 100,
  unacknowledged: 0,
  refused: {},
  expected: 100,
  delivered: 100,
  lost: 0,
  ...noFaults(),
  sessionsGone: 0,
  subscriptionsRefused: {},
  writtenOff: 0,
};

function phase(more: Partial<Phase> = {}): Phase {
  const own = { cpuSeconds: 2.4, cpuMicrosecondsEach: 1, busiestLoop: 0.5 };
  return { name: 'load', unit: 'message', seconds: 5, count: 100, perSecond: 20, sent: 100, own, ...more };
}

describe('the findings of a run', () => {
  it('are none if all is well', () => {
    const plan = settle({ scenario: 'p2p', qos: 1 });
    expect(findings(plan, [phase()], right)).toEqual({ problems: [], warnings: [] });
  });

  it('say when this program was the bottleneck, with what may help', () => {
    const own = { cpuSeconds: 4.9, cpuMicrosecondsEach: 1, busiestLoop: 0.97 };
    const { problems, warnings } = findings(settle({ scenario: 'p2p' }), [phase({ own })], right);
    expect(problems).toEqual([]);
    expect(warnings).toEqual([expect.stringMatching(/busy 97 % .*--workers 2/)]);
  });

  it('say when the machine had too much to do', () => {
    const own = { cpuSeconds: 1, cpuMicrosecondsEach: 1, busiestLoop: 0.8 };
    const { warnings } = findings(settle({ scenario: 'p2p' }), [phase({ own })], right);
    expect(warnings).toEqual([expect.stringMatching(/waited for a processor/)]);
  });

  it('say when a rate could not be kept, and when messages left late', () => {
    const plan = settle({ scenario: 'p2p', rate: 100, durationSeconds: 5 });
    const { warnings } = findings(plan, [phase({ sent: 300, sentLateMsMax: 40 })], right);
    expect(warnings).toEqual([expect.stringMatching(/up to 40 ms late/), expect.stringMatching(/Only 300 of 500/)]);
  });

  it('have no part in disorder in a shared group, and a problem with it anywhere else', () => {
    const checked = { ...right, outOfOrder: 2 };
    expect(findings(settle({ scenario: 'shared' }), [phase()], checked)).toMatchObject({
      problems: [],
      warnings: [expect.stringMatching(/2 deliveries came behind/)],
    });
    expect(findings(settle({ scenario: 'fan-in' }), [phase()], checked).problems).toHaveLength(1);
  });

  it('have a problem with a server that takes no more, or delivers nothing', () => {
    const plan = settle({ scenario: 'p2p', count: 150 });
    const { problems } = findings(plan, [phase()], { ...right, delivered: 0, lost: 100 });
    expect(problems).toEqual([
      'Nothing was delivered at all.',
      expect.stringMatching(/50 messages of 150 could not be sent/),
    ]);
  });
});
