// The functions that run in Redis, as one library: read from functions/*.lua, loaded at start.
//
// A library, not scripts: it is stored and replicated with the data, so that no call is ever sent twice because the
// server had forgotten its text. Its version is in its name and in the names of its functions, so that nodes of two
// versions run side by side, each calling its own. A change that such neighbours would notice makes a new version.

import { readFileSync } from 'node:fs';

/** What the functions that we call are called; nodes know by it what they can read. */
export const libraryVersion = 3;

/** Begins the name of every library of ours, of any version. */
export const libraryStem = 'skein_v';

/** The files in the order in which the later ones use the earlier. */
const files = [
  'time',
  'session',
  'will',
  'held',
  'acquire',
  'release',
  'reap',
  'subscribe',
  'ended',
  'wills',
  'inbound',
  'room',
  'enqueue',
  'append',
  'read',
  'settle',
  'shared',
  'retained',
  'retained-page',
  'route',
  'members',
  'import',
] as const;

/** Marks a library as ours, whatever else may be called so. */
export const libraryMark = '-- Skein, an MQTT broker: the functions of its store.';

/** Every function, as the files register it. */
export type FunctionName =
  | 'acquire'
  | 'release'
  | 'abandon'
  | 'reap_look'
  | 'reap'
  | 'subscribe'
  | 'unsubscribe'
  | 'ended_look'
  | 'ended_expire'
  | 'ended_read'
  | 'ended_forget'
  | 'session_count'
  | 'wills_claim'
  | 'wills_done'
  | 'inbound_ingress'
  | 'inbound_done'
  | 'inbound_release'
  | 'enqueue'
  | 'append'
  | 'read'
  | 'ends'
  | 'ack'
  | 'rec'
  | 'shared_choose'
  | 'shared_due'
  | 'shared_look'
  | 'shared_take'
  | 'shared_done'
  | 'shared_pass'
  | 'retained_set'
  | 'retained_get'
  | 'retained_page'
  | 'route_put'
  | 'route_remove'
  | 'route_away'
  | 'member_join'
  | 'member_renew'
  | 'member_bury'
  | 'member_forget'
  | 'member_miss'
  | 'import_begin'
  | 'import_take'
  | 'import_note'
  | 'import_unlink'
  | 'import_session'
  | 'import_add'
  | 'import_entries'
  | 'import_wills'
  | 'import_retained'
  | 'import_routes'
  | 'import_epochs'
  | 'import_count'
  | 'import_total';

/** What a library of a version is called. */
export function libraryName(version: number): string {
  return `${libraryStem}${version}`;
}

/** What Redis calls a function of this version. */
export function calledName(name: FunctionName): string {
  return `${libraryName(libraryVersion)}_${name}`;
}

/** The version of a library of ours; undefined if its name is none that we give. */
export function versionOf(name: string): number | undefined {
  const digits = name.startsWith(libraryStem) ? name.slice(libraryStem.length) : '';
  return /^[1-9][0-9]*$/.test(digits) ? Number(digits) : undefined;
}

/** The text of the library, as FUNCTION LOAD takes it. */
export function librarySource(): string {
  const name = libraryName(libraryVersion);
  const parts = files.map((file) => `-- ${file}.lua\n${readFileSync(fileUrl(file), 'utf8')}`);
  return `#!lua name=${name}\n${libraryMark}\nlocal prefix = '${name}_'\n\n${parts.join('\n')}`;
}

/** The files stand beside `src` and `dist`, in the repository and in the package. */
function fileUrl(file: string): URL {
  return new URL(`../functions/${file}.lua`, import.meta.url);
}
