// From CONNECT to the Session: who the Client is, whether its Will may be published, and its Session acquired.
//
// Each of these takes time, and the Client may be gone after any: what was acquired for nobody is let go again.

import { type Connect, ReasonCode } from '@skein/protocol';
import type { Dialogue } from './authenticate.ts';
import type { Broker } from './broker.ts';
import { acquisition, type Refusal, type Terms } from './connect.ts';
import type { Outcome } from './exchange.ts';
import type { Origin } from './outlet.ts';
import { type Acquired, StoreUnavailable } from './ports.ts';

/** A Client that has sent its CONNECT. */
export interface Applicant {
  /** Whether it still waits for CONNACK. */
  readonly isWaiting: boolean;
  /** Undefined if CONNECT named no Authentication Method. */
  readonly dialogue: Dialogue | undefined;
  readonly origin: Origin;
  refuse(refusal: Refusal): void;
  accept(admission: Admission): void;
  /** The Session that it was just given is another connection's. */
  takenOver(): void;
}

/** A Client that has been let in. */
export interface Admission {
  /** With the name of whom the Client turned out to be as its User Name. */
  readonly connect: Connect;
  readonly terms: Terms;
  readonly acquired: Acquired;
  /** The last word of an Authentication Method. */
  readonly authenticationData: Uint8Array | undefined;
}

/** Lets a Client in, or refuses it. @param asked its CONNECT, which owns its bytes */
export async function admit(broker: Broker, applicant: Applicant, asked: Connect, terms: Terms): Promise<void> {
  const { ports, ownership, limits } = broker;
  const { clientId } = terms;
  const { dialogue, origin } = applicant;
  const { username, password, properties } = asked;
  const credentials = { clientId, username, password, origin, properties };
  // By its User Name and password, or in an exchange of AUTH packets, which may be given up.
  const outcome: Outcome | undefined =
    dialogue === undefined
      ? { answer: await ports.authenticator.authenticate(credentials), data: undefined }
      : await dialogue.begin(credentials);
  if (outcome === undefined || !applicant.isWaiting) return;
  const { answer, data } = outcome;
  if (!answer.accepted) {
    applicant.refuse({ ...answer, authenticationData: data });
    return;
  }
  const connect = answer.username === undefined ? asked : { ...asked, username: answer.username };
  if (connect.will !== undefined && !ports.authorizer.mayPublish(clientId, connect.username, connect.will.topic)) {
    applicant.refuse({ reasonCode: ReasonCode.notAuthorized, why: 'not authorized to publish the Will' });
    return;
  }
  const work = (): Promise<void> => acquire(broker, applicant, connect, terms, data);
  if (!ownership.isBusy(clientId)) {
    await ownership.inTurn(clientId, work);
    return;
  }
  const cancel = ports.clock.after(limits.storeDeadlineMs, () => refuseUnavailable(applicant));
  await ownership.inTurn(clientId, work).finally(cancel);
}

/** Acquires the Session; an attempt that comes to nothing is undone before the next one begins. */
async function acquire(
  broker: Broker,
  applicant: Applicant,
  connect: Connect,
  terms: Terms,
  data: Uint8Array | undefined,
): Promise<void> {
  const { ports, ownership } = broker;
  if (!applicant.isWaiting) return;
  const request = acquisition(connect, terms, { owner: ports.nodeId, nonce: broker.lane.newUid() });
  let acquired: Acquired;
  try {
    acquired = await ports.sessions.acquire(request);
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    broker.persistence.failed('acquire', error);
    refuseUnavailable(applicant);
    await ownership.abandonNow(terms.clientId, request.nonce);
    return;
  }
  broker.kick(acquired);
  broker.publishWills(acquired.wills);
  const isLost = broker.isLost(acquired.claim);
  if (applicant.isWaiting) {
    applicant.accept({ connect, terms, acquired, authenticationData: data });
    if (isLost) applicant.takenOver();
    return;
  }
  // The connection went away meanwhile. It was never accepted, so its Will does not count; but whoever had the
  // Session before it has lost it.
  const { claim, sentSeq } = acquired;
  broker.supersede(claim);
  await ownership.releaseNow({ claim, sessionExpirySeconds: terms.sessionExpirySeconds, will: 'drop', sentSeq });
}

function refuseUnavailable(applicant: Applicant): void {
  if (applicant.isWaiting) applicant.refuse({ reasonCode: ReasonCode.serverUnavailable, why: 'the store is away' });
}
