import { describe, expect, it } from 'vitest';
import type { RouteChange } from '../ports.ts';
import { RouteTable } from './routes.ts';

describe('the table of routes of several brokers', () => {
  const a = { topicFilter: 'a', clientId: 'lamp', generation: 'g1' };
  const b = { topicFilter: 'b', node: 'one:1', marks: 1 };

  it('is told to all in one order, though one of them answers a change with a change', () => {
    const table = new RouteTable();
    const hasty: number[] = [];
    const patient: number[] = [];
    const versionsOf = (changes: readonly RouteChange[]): number[] => changes.map(({ version }) => version);
    table.follow((changes) => {
      hasty.push(...versionsOf(changes));
      for (const change of changes) if (change.topicFilter === 'a' && change.present) table.removeIf([change]);
    });
    table.follow((changes) => patient.push(...versionsOf(changes)));
    table.put([a, b]);
    table.put([b]);
    expect(hasty).toEqual([1, 2, 3, 4]);
    expect(patient).toEqual(hasty);
  });

  it('tells of a route what it is and nothing else, whatever else came with it', () => {
    const table = new RouteTable();
    const told: RouteChange[] = [];
    table.follow((changes) => told.push(...changes));
    table.put([{ ...b, version: 77, present: false } as typeof b]);
    table.removeIf([{ ...b, version: 1 }]);
    expect(told).toEqual([
      { ...b, present: true, version: 1 },
      { ...b, marks: 0, present: false, version: 2 },
    ]);
  });
});
