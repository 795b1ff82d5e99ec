// Where a page of retained messages begins, as it is stored with a Session while these are fed to it.
//
// Ours name a partition and a place in it (retained.ts). One that comes from a store that has no partitions names a topic
// in the order of them all: what lies before that has been fed. It is kept as it is, ahead of ours, and what was fed is
// left out of every page, until there are no more.

/** A cursor of ours, and the topic (`/` as U+0000) before which everything has been fed; '' if that is nothing. */
export interface Cursor {
  readonly fed: string;
  readonly place: string;
}

/** Makes a cursor of one that names a topic. */
export function cursorFromTopic(fed: string): string {
  return withFed(fed, '');
}

/** The same, with a place of ours. */
export function withFed(fed: string, place: string): string {
  return fed === '' ? place : `>${fed.length}:${fed}${place}`;
}

/** Takes a cursor apart. */
export function cursorOf(text: string): Cursor {
  if (!text.startsWith('>')) return { fed: '', place: text };
  const at = text.indexOf(':') + 1;
  const end = at + Number(text.slice(1, at - 1));
  return { fed: text.slice(at, end), place: text.slice(end) };
}
