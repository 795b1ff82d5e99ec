// SCRAM-SHA-256 [RFC 5802, RFC 7677]: a Client shows that it knows a password without saying it, and the server that it
// knows something of it too.
//
//   Client  n,,n=user,r=NONCE                     CONNECT
//   server  r=NONCEnonce,s=SALT,i=ITERATIONS      AUTH 0x18
//   Client  c=biws,r=NONCEnonce,p=PROOF           AUTH 0x18
//   server  v=SIGNATURE                           CONNACK, or AUTH 0x00 when it was not the first time
//
// Kept of a password are two keys from which it cannot be had. Who they belong to must not be found out either: a user
// whom nobody knows gets a salt like everybody else, the same each time, and fails at the same place, at the same cost
// and with the same words. Channel binding is not offered, nor acting for somebody else.

import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { AuthenticationExchange, AuthenticationMethod, AuthenticationStep } from '@skein/broker';
import { ReasonCode } from '@skein/protocol';
import { saslPrep } from './sasl-prep.ts';
import { type ClientFinal, type ClientFirst, readClientFinal, readClientFirst, ScramError } from './scram-message.ts';

/** The fewest iterations that the specification takes for safe [RFC 7677 §4]. */
const iterationsMin = 4096;
const keyBytes = 32;
const saltBytes = 16;
const nonceBytes = 18;

/** What is kept of a password. */
export interface ScramCredentials {
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

/** What the method needs to know. */
export interface ScramOptions {
  /**
   * What is kept of a user's password; undefined if there is no such user. The name has been prepared by SASLprep. A salt
   * of another length than 16 bytes, and an answer that takes longer for some, tell strangers which users there are.
   */
  readonly lookup: (username: string) => Promise<ScramCredentials | undefined>;
  /**
   * From it come the salts of users that there are not. Where several nodes know the same users it must be the same, or
   * whoever asks two of them sees the difference; the same holds for two starts of one. Default a random one.
   */
  readonly decoySecret?: Uint8Array;
  /** The iterations of users that there are not; those of all others, best. Default 4096. */
  readonly decoyIterations?: number;
  /** What the server adds to a Client's nonce: printable ASCII without commas, never the same twice. */
  readonly nonce?: () => string;
}

/**
 * Derives what is to be kept of a password.
 *
 * @throws RangeError if the password has signs that no password may have, or the iterations are fewer than 4096
 */
export async function deriveScram(
  password: string,
  salt: Uint8Array = randomBytes(saltBytes),
  iterations: number = iterationsMin,
): Promise<ScramCredentials> {
  const prepared = saslPrep(password);
  if (prepared === undefined) throw new RangeError('the password has signs in it that SASLprep forbids');
  if (iterations < iterationsMin) throw new RangeError(`${iterations} iterations are fewer than ${iterationsMin}`);
  const salted = await promisify(pbkdf2)(prepared, salt, iterations, keyBytes, 'sha256');
  const storedKey = hash(hmac(salted, 'Client Key'));
  return { salt, iterations, storedKey, serverKey: hmac(salted, 'Server Key') };
}

/** SCRAM-SHA-256 for the users that a function knows. */
export function scramSha256(options: ScramOptions): AuthenticationMethod {
  const decoySecret = options.decoySecret ?? randomBytes(keyBytes);
  const users: Users = {
    find: async (username) => {
      const decoy = decoyOf(username, decoySecret, options.decoyIterations ?? iterationsMin);
      return { credentials: (await options.lookup(username)) ?? decoy, decoy };
    },
    nonce: options.nonce ?? (() => randomBytes(nonceBytes).toString('base64')),
  };
  return { name: 'SCRAM-SHA-256', begin: () => new ScramExchange(users) };
}

interface Users {
  /** What a proof is held against: of a user that there is not, the decoy, against which none is good. */
  readonly find: (username: string) => Promise<{ credentials: ScramCredentials; decoy: ScramCredentials }>;
  readonly nonce: () => string;
}

/** Keys of nobody's, which no password leads to: like those of a user in all that a Client is shown. */
function decoyOf(username: string, secret: Uint8Array, iterations: number): ScramCredentials {
  const derived = (purpose: string): Buffer => hmac(secret, `${purpose} ${username}`);
  return {
    salt: derived('salt').subarray(0, saltBytes),
    iterations,
    storedKey: derived('stored key'),
    serverKey: derived('server key'),
  };
}

type State =
  | { readonly is: 'awaiting-first' }
  | {
      readonly is: 'awaiting-final';
      readonly first: ClientFirst;
      readonly serverFirst: string;
      readonly nonce: string;
      readonly credentials: ScramCredentials;
      /** Whether there is no such user. */
      readonly isDecoy: boolean;
    }
  | { readonly is: 'over' };

/** One Client's attempt. */
class ScramExchange implements AuthenticationExchange {
  readonly #users: Users;
  #state: State = { is: 'awaiting-first' };

  constructor(users: Users) {
    this.#users = users;
  }

  /** @inheritdoc */
  async next(data: Uint8Array | undefined): Promise<AuthenticationStep> {
    const state = this.#state;
    try {
      if (state.is === 'awaiting-first') {
        // A Client that has not begun to speak is asked to.
        return data === undefined ? { is: 'continue', data } : await this.#receiveFirst(readClientFirst(data));
      }
      this.#state = { is: 'over' };
      if (state.is === 'over') throw new ScramError('other-error', 'the exchange is over');
      return receiveFinal(state, readClientFinal(data));
    } catch (error) {
      if (!(error instanceof ScramError)) throw error;
      this.#state = { is: 'over' };
      return refused(error);
    }
  }

  /** @inheritdoc */
  abandon(): void {
    this.#state = { is: 'over' };
  }

  async #receiveFirst(first: ClientFirst): Promise<AuthenticationStep> {
    const { credentials, decoy } = await this.#users.find(first.username);
    const { salt, iterations } = credentials;
    const nonce = first.nonce + this.#users.nonce();
    const serverFirst = `r=${nonce},s=${Buffer.from(salt).toString('base64')},i=${iterations}`;
    if (this.#state.is === 'awaiting-first') {
      this.#state = { is: 'awaiting-final', first, serverFirst, nonce, credentials, isDecoy: credentials === decoy };
    }
    return { is: 'continue', data: Buffer.from(serverFirst) };
  }
}

/** Judges the Client's proof. */
function receiveFinal(state: Extract<State, { is: 'awaiting-final' }>, final: ClientFinal): AuthenticationStep {
  const { first, serverFirst, nonce, credentials, isDecoy } = state;
  if (final.nonce !== nonce) throw new ScramError('other-error', 'the nonce is another one');
  if (final.channelBinding !== first.header) {
    throw new ScramError('channel-bindings-dont-match', 'the header of the first message is not repeated');
  }
  const { storedKey, serverKey } = credentials;
  const said = `${first.bare},${serverFirst},${final.withoutProof}`;
  const clientSignature = hmac(storedKey, said);
  // Proof = Client key xor Client signature; and what is kept is the hash of the Client key.
  const clientKey = clientSignature.map((byte, at) => byte ^ (final.proof[at] ?? 0));
  const isRight = timingSafeEqual(hash(clientKey), storedKey);
  const signature = hmac(serverKey, said);
  if (!isRight || isDecoy) throw new ScramError('invalid-proof', 'user name and password do not match');
  const data = Buffer.from(`v=${signature.toString('base64')}`);
  return { is: 'done', answer: { accepted: true, username: first.username }, data };
}

function refused({ code, message }: ScramError): AuthenticationStep {
  const answer = { accepted: false, reasonCode: ReasonCode.notAuthorized, why: `SCRAM-SHA-256: ${message}` } as const;
  return { is: 'done', answer, data: Buffer.from(`e=${code}`) };
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text, 'utf8').digest();
}

function hash(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
