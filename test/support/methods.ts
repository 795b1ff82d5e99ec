// Authentication Methods for tests: one whose answers depend on what it is told, and a Client's part in SCRAM.

import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import type { AuthenticationMethod, AuthenticationStep } from '@skein/edge';
import { type Auth, type Connack, ReasonCode } from '@skein/protocol';
import type { RawClient } from './client.ts';
import { bytes, text } from './payload.ts';

/** The name of {@link obedient}. */
export const obedience = 'OBEDIENCE';

/** What an obedient method has been told, and whom it took itself to be talking to. */
export interface Told {
  readonly data: string | undefined;
  readonly clientId: string;
  readonly username: string | undefined;
  readonly connectedAs: string | undefined;
}

/** A method that does what its Client says. */
export class ObedientMethod implements AuthenticationMethod {
  readonly name: string = obedience;
  readonly told: Told[] = [];
  /** The Client Identifiers of exchanges that were given up. */
  readonly abandoned: string[] = [];

  begin({ clientId, username }: { clientId: string; username: string | undefined }, connectedAs: string | undefined) {
    return {
      next: (data: Uint8Array | undefined): Promise<AuthenticationStep> => {
        const said = data === undefined ? undefined : text(data);
        this.told.push({ data: said, clientId, username, connectedAs });
        return said === 'hang' ? new Promise(() => {}) : Promise.resolve(stepFor(said));
      },
      abandon: () => {
        this.abandoned.push(clientId);
      },
    };
  }
}

/** `ask …`: it asks for more. `accept`, `accept NAME`: it is content. `refuse CODE`, `refuse CODE REFERENCE`. */
function stepFor(said: string | undefined): AuthenticationStep {
  const [word, value, reference] = (said ?? 'ask').split(' ');
  if (word === 'ask') return { is: 'continue', data: said === undefined ? undefined : bytes('what?') };
  const data = bytes('farewell');
  if (word === 'accept') return { is: 'done', answer: { accepted: true, ...(value && { username: value }) }, data };
  const refusal = { accepted: false, reasonCode: Number(value) as ReasonCode, why: 'as you say' } as const;
  return { is: 'done', answer: { ...refusal, ...(reference && { serverReference: reference }) }, data };
}

/** An AUTH of a Client's. */
export function auth(
  reasonCode: ReasonCode,
  data: string | undefined,
  authenticationMethod: string | undefined = obedience,
): Auth {
  const properties = authenticationMethod === undefined ? {} : { authenticationMethod };
  const authenticationData = data === undefined ? {} : { authenticationData: bytes(data) };
  return { type: 'auth', reasonCode, properties: { ...properties, ...authenticationData } } as Auth;
}

/** The properties of a CONNECT that begins an exchange. */
export function authenticating(data: string | undefined, authenticationMethod: string = obedience) {
  return data === undefined ? { authenticationMethod } : { authenticationMethod, authenticationData: bytes(data) };
}

/** What a packet brings along for the method's other end. */
export function dataIn({ properties }: Auth | Connack): string | undefined {
  const data = properties?.authenticationData;
  return data === undefined ? undefined : text(data);
}

/** How a Client begins in SCRAM-SHA-256. */
export function scramFirst(username: string, nonce = 'fyko+d2lbbFgONRv9qkxdawL'): string {
  return `n,,n=${username},r=${nonce}`;
}

/**
 * How it goes on.
 *
 * @param first what it began with
 * @param asked what the server answered to that
 * @returns its last message, and what a server says to it that knows something of the password
 */
function scramFinal(first: string, asked: string, password: string): { final: string; verifier: string } {
  const [, nonce = '', salt = '', iterations = ''] = /^r=(.*),s=(.*),i=(\d+)$/.exec(asked) ?? [];
  const hmac = (key: Uint8Array, said: string): Buffer => createHmac('sha256', key).update(said).digest();
  const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), Number(iterations), 32, 'sha256');
  const clientKey = hmac(salted, 'Client Key');
  const withoutProof = `c=biws,r=${nonce}`;
  const said = `${first.slice('n,,'.length)},${asked},${withoutProof}`;
  const signature = hmac(createHash('sha256').update(clientKey).digest(), said);
  const proof = Buffer.from(clientKey.map((byte, at) => byte ^ (signature[at] ?? 0)));
  return {
    final: `${withoutProof},p=${proof.toString('base64')}`,
    verifier: `v=${hmac(hmac(salted, 'Server Key'), said).toString('base64')}`,
  };
}

/** Goes through SCRAM-SHA-256 with AUTH packets, once the first has been sent. @returns the server's proof that is due */
export async function scramOn(client: RawClient, first: string, password: string): Promise<string> {
  const asked = await client.nextOf('auth');
  const { final, verifier } = scramFinal(first, dataIn(asked) ?? '', password);
  client.send(auth(ReasonCode.continueAuthentication, final, 'SCRAM-SHA-256'));
  return verifier;
}
