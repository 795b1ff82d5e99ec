// Payloads as tests write and read them.

/** The UTF-8 of a text, as a payload is compared: a plain Uint8Array. */
export function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'utf8'));
}

/** What a payload says, if it is UTF-8. */
export function text(payload: Uint8Array): string {
  return Buffer.from(payload).toString('utf8');
}
