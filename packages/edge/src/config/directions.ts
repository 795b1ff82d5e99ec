// Where Clients are directed to: the topic that responses to them go to, and the servers to use instead of this one.
//
// What is wrong here would be found out by Clients, much later and far away, so it is looked at closely.

import { parseHostPort } from '../listen/address.ts';

/** What may be written as Response Information, in a sentence that completes "allowed:". */
export const allowedResponses =
  'a Topic Name or the beginning of one, of up to 256 bytes, such as answers/%c; no + or #, no $ first, % only as %c';

/** What may be written as Server Reference, in a sentence that completes "allowed:". */
export const allowedReferences =
  'HOST or HOST:PORT, with an IPv6 address in brackets; several of them with a blank between, 256 bytes in all';

const bytesMax = 256;

/** What is wrong with Response Information, in a sentence; undefined if nothing is. */
export function responseProblem(value: unknown): string | undefined {
  if (typeof value !== 'string') return 'a topic is text';
  const problem = textProblem(value);
  if (problem !== undefined) return problem;
  if (/[+#]/.test(value)) return 'Clients would subscribe to what is for others';
  if (value.startsWith('$')) return 'what begins with $ belongs to the server';
  // A Client Identifier is a name in it, and not the whole of it: it might be the topic of something else.
  if (value === '%c') return 'a Client Identifier alone might be any topic';
  return /%(?!c)/.test(value) ? 'after % comes c' : undefined;
}

/** What is wrong with a Server Reference, in a sentence; undefined if nothing is. */
export function referenceProblem(value: unknown): string | undefined {
  if (typeof value !== 'string') return 'a host is text';
  const problem = textProblem(value);
  if (problem !== undefined) return problem;
  const wrong = value.split(' ').find((reference) => !isReference(reference));
  return wrong === undefined ? undefined : `${wrong === '' ? 'a blank too many' : wrong} is no host`;
}

function textProblem(text: string): string | undefined {
  if (text === '') return 'it is empty';
  if (Buffer.byteLength(text) > bytesMax) return `it is longer than ${bytesMax} bytes`;
  return /\p{C}/u.test(text) ? 'it has signs that cannot be seen' : undefined;
}

/** A host, or a host and a port that can be connected to. */
function isReference(text: string): boolean {
  if (/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(text)) return true;
  if (/^\[[0-9A-Fa-f:.]+\]$/.test(text)) return parseHostPort(`${text}:1`) !== undefined;
  const parsed = parseHostPort(text);
  return parsed !== undefined && parsed.port !== 0;
}
