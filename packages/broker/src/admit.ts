// From CONNECT to the Session: who the Client is, whether its Will may be published, and its Session acquired.
//
// Each of these takes time, and the Client may be gone after any: what was acquired for nobody is let go again.

import { type Connect, ReasonCode } from '@skein/protocol';
import type { Broker } from './broker.ts';
import { acquisition, type Refusal, type Terms } from './connect.ts';
import type { Outcome } from './exchange.ts';
import { type Acquired, StoreUnavailable } from './ports.ts';

/** A Client that has sent its CONNECT. */
export interface Applicant {
  readonly broker: Broker;
  readonly connect: Connect;
  readonly terms: Terms;
  /** Whether it still waits for CONNACK. */
  readonly isWaiting: () => boolean;
  /** Finds out who it is; undefined if that was given up. */
  readonly authenticate: () => Promise<Outcome | undefined>;
  readonly refuse: (refusal: Refusal) => void;
  readonly accept: (admission: Admission) => void;
  /** The Session that it was just given is another connection's. */
  readonly takenOver: () => void;
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

/** Lets a Client in, or refuses it. */
export async function admit(applicant: Applicant): Promise<void> {
  const { broker, terms, isWaiting, refuse } = applicant;
  const { ports, ownership, limits } = broker;
  const { clientId } = terms;
  const outcome = await applicant.authenticate();
  if (outcome === undefined || !isWaiting()) return;
  const { answer, data } = outcome;
  if (!answer.accepted) {
    refuse({ ...answer, authenticationData: data });
    return;
  }
  const { connect: asked } = applicant;
  const connect = answer.username === undefined ? asked : { ...asked, username: answer.username };
  if (connect.will !== undefined && !ports.authorizer.mayPublish(clientId, connect.username, connect.will.topic)) {
    refuse({ reasonCode: ReasonCode.notAuthorized, why: 'not authorized to publish the Will' });
    return;
  }
  let cancel = (): void => {};
  if (ownership.isBusy(clientId))
    cancel = ports.clock.after(limits.storeDeadlineMs, () => refuseUnavailable(applicant));
  await ownership.inTurn(clientId, () => acquire(applicant, connect, data)).finally(cancel);
}

/** Acquires the Session; an attempt that comes to nothing is undone before the next one begins. */
async function acquire(applicant: Applicant, connect: Connect, data: Uint8Array | undefined): Promise<void> {
  const { broker, terms, isWaiting } = applicant;
  const { ports, ownership } = broker;
  if (!isWaiting()) return;
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
  if (isWaiting()) {
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

function refuseUnavailable({ isWaiting, refuse }: Applicant): void {
  if (isWaiting()) refuse({ reasonCode: ReasonCode.serverUnavailable, why: 'the store is away' });
}
