// Who may speak to whom: what a call carries, and how it is judged (peer.proto).
//
// The register of nodes is in the store, so whoever knows a node's secret may read the store, and belongs to the cluster.

import { createHash, timingSafeEqual } from 'node:crypto';
import { Metadata, status } from '@grpc/grpc-js';
import type { Member } from '@skein/broker';

/** The number of the protocol between nodes. */
const protocolVersion = '2';

const versionKey = 'skein-version';
const fromKey = 'skein-from-bin';
const toKey = 'skein-to-bin';
const secretKey = 'skein-secret-bin';

/** Why a call is refused. */
export interface Refusal {
  readonly code: status;
  readonly details: string;
}

/** What a node's call to a peer carries. */
export function credentialsFor(from: string, to: Member): Metadata {
  const metadata = new Metadata();
  metadata.set(versionKey, protocolVersion);
  metadata.set(fromKey, Buffer.from(from));
  metadata.set(toKey, Buffer.from(to.node));
  metadata.set(secretKey, Buffer.from(to.secret));
  return metadata;
}

/** The node that says that it calls; empty if none does. */
export function callerOf(metadata: Metadata): string {
  return textOf(metadata, fromKey);
}

/** Judges a call. @returns undefined if it is let in */
export function judge(metadata: Metadata, self: Member): Refusal | undefined {
  const version = textOf(metadata, versionKey);
  if (version !== protocolVersion) {
    return {
      code: status.FAILED_PRECONDITION,
      details: `version ${version === '' ? 'none' : version} of the protocol is not spoken here, but ${protocolVersion}`,
    };
  }
  // It knows the secret of the node it means, which is another one's if that was here before us.
  if (textOf(metadata, toKey) !== self.node) {
    return { code: status.FAILED_PRECONDITION, details: 'another node is at this address' };
  }
  if (!isSame(textOf(metadata, secretKey), self.secret)) {
    return { code: status.UNAUTHENTICATED, details: 'the secret is wrong' };
  }
  if (callerOf(metadata) === '') return { code: status.UNAUTHENTICATED, details: 'no node says that it calls' };
  return undefined;
}

function textOf(metadata: Metadata, key: string): string {
  return String(metadata.get(key)[0] ?? '');
}

/** Takes as long whatever the texts are. */
function isSame(one: string, other: string): boolean {
  return timingSafeEqual(digest(one), digest(other));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
