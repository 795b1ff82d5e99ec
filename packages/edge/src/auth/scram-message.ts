// What a Client says in SCRAM [RFC 5802 §5.1, §7], read strictly: a message that could be read in two ways is refused.

import { saslPrep } from './sasl-prep.ts';

/** A longer message is refused unread: nobody has been let in yet. */
const messageBytesMax = 4096;
const proofBytes = 32;

/** Why an exchange fails, in the words that the specification has for it. */
type ErrorCode =
  | 'invalid-encoding'
  | 'extensions-not-supported'
  | 'invalid-proof'
  | 'channel-bindings-dont-match'
  | 'channel-binding-not-supported'
  | 'invalid-username-encoding'
  | 'other-error';

/** The Client fails. */
export class ScramError extends Error {
  override readonly name = 'ScramError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** How a Client begins. */
export interface ClientFirst {
  /** The part before the message proper, which says what channel it means; the Client repeats it later. */
  readonly header: string;
  /** The rest, as it was said. */
  readonly bare: string;
  /** Prepared by SASLprep. */
  readonly username: string;
  readonly nonce: string;
}

/** How it goes on. */
export interface ClientFinal {
  readonly channelBinding: string;
  /** Both nonces, the Client's first. */
  readonly nonce: string;
  readonly proof: Uint8Array;
  /** All of it but the proof, as it was said. */
  readonly withoutProof: string;
}

/**
 * Reads the first message of a Client.
 *
 * @throws ScramError
 */
export function readClientFirst(data: Uint8Array): ClientFirst {
  const message = textOf(data);
  const [, flag, acting, bare] = /^([^,]*),([^,]*),(.*)$/s.exec(message) ?? [];
  if (flag === undefined || acting === undefined || bare === undefined) throw malformed();
  if (flag.startsWith('p=')) {
    throw new ScramError('channel-binding-not-supported', 'channel binding is not offered');
  }
  if (flag !== 'n' && flag !== 'y') throw malformed();
  const attributes = bare.split(',');
  refuseMandatory(attributes);
  const [name, nonce, ...extensions] = attributes;
  if (name?.startsWith('n=') !== true || nonce?.startsWith('r=') !== true) throw malformed();
  if (!isNonce(nonce.slice(2)) || !extensions.every(isExtension)) throw malformed();
  const username = nameOf(name.slice(2));
  // Under whose name it would act; but nobody acts for another.
  if (acting !== '' && !(acting.startsWith('a=') && nameOf(acting.slice(2)) === username)) {
    throw new ScramError('other-error', 'nobody may act for somebody else');
  }
  return { header: `${flag},${acting},`, bare, username, nonce: nonce.slice(2) };
}

/**
 * Reads the last message of a Client.
 *
 * @throws ScramError
 */
export function readClientFinal(data: Uint8Array | undefined): ClientFinal {
  if (data === undefined) throw malformed();
  const message = textOf(data);
  const proofAt = message.lastIndexOf(',p=');
  if (proofAt < 0) throw malformed();
  const withoutProof = message.slice(0, proofAt);
  const attributes = withoutProof.split(',');
  refuseMandatory(attributes);
  const [binding, nonce, ...extensions] = attributes;
  if (binding?.startsWith('c=') !== true || nonce?.startsWith('r=') !== true) throw malformed();
  if (!extensions.every(isExtension)) throw malformed();
  const proof = fromBase64(message.slice(proofAt + 3));
  if (proof.length !== proofBytes) throw malformed();
  return { channelBinding: fromBase64(binding.slice(2)).toString('utf8'), nonce: nonce.slice(2), proof, withoutProof };
}

function textOf(data: Uint8Array): string {
  if (data.length > messageBytesMax) throw new ScramError('other-error', 'the message is too long');
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    throw new ScramError('invalid-encoding', 'the message is not UTF-8');
  }
}

/** A user name, in which a comma is =2C and an equals sign =3D. */
function nameOf(text: string): string {
  const name = /=(?!2C|3D)/.test(text) ? undefined : saslPrep(text.replaceAll('=2C', ',').replaceAll('=3D', '='));
  if (name === undefined || name === '') throw new ScramError('invalid-username-encoding', 'that is no user name');
  return name;
}

/** Printable ASCII; there are no commas left in it. */
function isNonce(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}

/** @throws ScramError if there is an extension that has to be understood, wherever it stands [RFC 5802 §5.1] */
function refuseMandatory(attributes: readonly string[]): void {
  if (!attributes.some((attribute) => attribute.startsWith('m='))) return;
  throw new ScramError('extensions-not-supported', 'a mandatory extension is not known');
}

/** An extension that may be passed over: none of the attributes that mean something elsewhere. */
function isExtension(text: string): boolean {
  return /^(?![aceimnprsv])[A-Za-z]=[^\0]+$/.test(text);
}

/** Base64 as it is written in one way only. */
function fromBase64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) throw new ScramError('invalid-encoding', 'that is not base64');
  return bytes;
}

function malformed(): ScramError {
  return new ScramError('other-error', 'the message is malformed');
}
