// The names of messages of a Shared Subscription that must not arrive twice.
//
// A message may go to one Session by a plain Subscription and by several groups, each a copy of its own: so the copy for a
// group bears a name of its own. So does the try with a Session that may be away: that it was away when it was to get the
// message only if it was there, the store remembers as a refusal, and that refusal is not to stand in the way.

/** Of the copy for a group, wherever the member is connected. */
export function sharedUid(uid: string, sharedFilter: string): string {
  return `${uid}~${sharedFilter}`;
}

/** Of the copy for a group, for a member that may be away. */
export function awayUid(uid: string, sharedFilter: string): string {
  return `${uid}=${sharedFilter}`;
}

/** The message's own name again. */
export function ownUid(uid: string, sharedFilter: string): string {
  return uid.slice(0, -sharedFilter.length - 1);
}
