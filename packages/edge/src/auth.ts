// Who may connect, while there are no identities: everybody, or nobody.

import type { Authentication, Authenticator, Authorizer } from '@skein/broker';
import { ReasonCode } from '@skein/protocol';

const accepted: Authentication = { accepted: true };
const refused: Authentication = {
  accepted: false,
  reasonCode: ReasonCode.notAuthorized,
  why: 'anonymous access is off, and no identities are configured',
};

/** Accepts every Client unseen, whatever user name and password it shows; nothing knows them. */
export const anonymousAuthenticator: Authenticator = { authenticate: () => Promise.resolve(accepted) };

/** Refuses every Client with Not authorized (0x87). */
export const refusingAuthenticator: Authenticator = { authenticate: () => Promise.resolve(refused) };

/** Lets every Client publish and subscribe to everything. */
export const openAuthorizer: Authorizer = { mayPublish: () => true, maySubscribe: () => true };
