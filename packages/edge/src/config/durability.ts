// What an acknowledged message survives, in classes: asked for by a setting, offered by a store.

/** The classes that can be asked for, the weaker first. */
export const durabilities = ['memory', 'everysec', 'always'] as const;

/** The class of a data directory that nobody asked another one of. */
export const presetOnDisk: 'everysec' = 'everysec';

/**
 * What an acknowledged message survives: the end of a node (`memory`), that of the store too but for its last second
 * (`everysec`), a loss of power at any moment (`always`).
 */
export type Durability = (typeof durabilities)[number];

/** What a store offers; `unverified` where it does not tell. */
export type OfferedDurability = Durability | 'unverified';

/** Whether what a store offers is as much as was asked for. What is not known counts as nothing. */
export function suffices(offered: OfferedDurability, asked: Durability): boolean {
  const least = offered === 'unverified' ? 'memory' : offered;
  return durabilities.indexOf(least) >= durabilities.indexOf(asked);
}
