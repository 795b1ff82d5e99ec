import { expect, it } from 'vitest';
import { durabilities, suffices } from './durability.ts';

it('a store suffices if it offers as much as is asked for; what it does not tell counts as nothing', () => {
  const table = ([...durabilities, 'unverified'] as const).map((offered) =>
    durabilities.map((asked) => suffices(offered, asked)),
  );
  expect(table).toEqual([
    [true, false, false],
    [true, true, false],
    [true, true, true],
    [true, false, false],
  ]);
});
