// SCRAM-SHA-256 against the specification's own conversation, and against Clients that do not keep to it.

import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import type { AuthenticationExchange, AuthenticationStep } from '@skein/broker';
import { ReasonCode } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import { saslPrep } from './sasl-prep.ts';
import { deriveScram, type ScramCredentials, type ScramOptions, scramSha256 } from './scram.ts';

const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
const origin = { listener: 'test', remoteAddress: '' };
const who = { clientId: 'lamp', username: undefined, password: undefined, origin, properties: undefined };

const users = new Map<string, ScramCredentials>([
  ['user', await deriveScram('pencil', salt)],
  ['a,b=c', await deriveScram('IX', salt)],
]);

function begin(options: Partial<ScramOptions> = {}): AuthenticationExchange {
  const lookup = async (username: string): Promise<ScramCredentials | undefined> => users.get(username);
  return scramSha256({ lookup, nonce: () => '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0', ...options }).begin(who, undefined);
}

async function say(exchange: AuthenticationExchange, message: string | undefined): Promise<AuthenticationStep> {
  return await exchange.next(message === undefined ? undefined : Buffer.from(message));
}

function told(step: AuthenticationStep): string {
  return Buffer.from(step.data ?? []).toString();
}

const clientFirst = 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO';

/** What a Client that knows a password answers, and what it expects to be told in the end. */
function answerTo(serverFirst: string, password: string, bare = clientFirst.slice(3), header = 'n,,') {
  const [, nonce, base64 = '', iterations] = /^r=(.*),s=(.*),i=(\d+)$/.exec(serverFirst) ?? [];
  const salted = pbkdf2Sync(password, Buffer.from(base64, 'base64'), Number(iterations), 32, 'sha256');
  const hmac = (key: Uint8Array, text: string): Buffer => createHmac('sha256', key).update(text).digest();
  const clientKey = hmac(salted, 'Client Key');
  const withoutProof = `c=${Buffer.from(header).toString('base64')},r=${nonce}`;
  const said = `${bare},${serverFirst},${withoutProof}`;
  const signature = hmac(createHash('sha256').update(clientKey).digest(), said);
  const proof = clientKey.map((byte, at) => byte ^ (signature[at] ?? 0));
  return {
    final: `${withoutProof},p=${Buffer.from(proof).toString('base64')}`,
    verifier: `v=${hmac(hmac(salted, 'Server Key'), said).toString('base64')}`,
  };
}

/** Expects a refusal. @returns what the Client is told of it */
function refusal(step: AuthenticationStep): string {
  expect(step).toMatchObject({ is: 'done', answer: { accepted: false, reasonCode: ReasonCode.notAuthorized } });
  return told(step);
}

describe('the conversation of RFC 7677', () => {
  it('goes word by word as it stands there', async () => {
    const exchange = begin();
    const first = await say(exchange, clientFirst);
    expect(first.is).toBe('continue');
    expect(told(first)).toBe('r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096');
    const last = await say(
      exchange,
      'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
    );
    expect(last).toMatchObject({ is: 'done', answer: { accepted: true, username: 'user' } });
    expect(told(last)).toBe('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=');
  });

  it('begins with an empty question where the Client has not begun to speak', async () => {
    const exchange = begin();
    expect(await say(exchange, undefined)).toEqual({ is: 'continue', data: undefined });
    expect((await say(exchange, clientFirst)).is).toBe('continue');
  });
});

describe('a Client that knows its password', () => {
  it.each([
    ['with a name that has signs of the format in it', 'n,,', 'n=a=2Cb=3Dc,r=x', 'IX', 'a,b=c'],
    ['that could bind a channel, and sees that the server cannot', 'y,,', 'n=user,r=x', 'pencil', 'user'],
    ['that says whom it acts for, and it is itself', 'n,a=user,', 'n=user,r=x', 'pencil', 'user'],
    ['with an extension that nobody has to know', 'n,,', 'n=user,r=x,z=1', 'pencil', 'user'],
    ['with a name of another form of the same letters', 'n,,', 'n=us\u00ader,r=x', 'pencil', 'user'],
  ])('%s is let in', async (_, header, bare, password, username) => {
    const exchange = begin();
    const { final, verifier } = answerTo(told(await say(exchange, header + bare)), password, bare, header);
    const last = await say(exchange, final);
    expect(last).toMatchObject({ is: 'done', answer: { accepted: true, username } });
    expect(told(last)).toBe(verifier);
  });

  it('gets another nonce each time', async () => {
    const method = scramSha256({ lookup: async (name) => users.get(name) });
    const nonces = await Promise.all(
      Array.from({ length: 50 }, async () => told(await say(method.begin(who, undefined), clientFirst)).split(',')[0]),
    );
    expect(new Set(nonces).size).toBe(50);
    for (const nonce of nonces) expect(nonce).toMatch(/^r=rOprNGfwEbeRWgbNEkqO[\x21-\x2b\x2d-\x7e]{24}$/);
  });
});

describe('a user whom nobody knows', () => {
  const decoySecret = Buffer.from('the same on all nodes');

  it('cannot be told from one with another password', async () => {
    const wrong = begin({ decoySecret });
    const unknown = begin({ decoySecret });
    const asked = [told(await say(wrong, clientFirst)), told(await say(unknown, 'n,,n=nobody,r=rOprNGfwEbeRWgbNEkqO'))];
    const form = /^r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj\)hNlF\$k0,s=[A-Za-z0-9+/]{22}==,i=4096$/;
    for (const question of asked) expect(question).toMatch(form);
    const steps = [
      await say(wrong, answerTo(asked[0] ?? '', 'crayon').final),
      await say(unknown, answerTo(asked[1] ?? '', 'crayon', 'n=nobody,r=rOprNGfwEbeRWgbNEkqO').final),
    ];
    expect(steps.map(refusal)).toEqual(['e=invalid-proof', 'e=invalid-proof']);
    expect(steps[0]).toEqual(steps[1]);
  });

  it('has the same salt each time, on each node, and another one than others', async () => {
    const saltOf = async (name: string, secret: Uint8Array): Promise<string | undefined> =>
      told(await say(begin({ decoySecret: secret }), `n,,n=${name},r=x`)).split(',')[1];
    const once = await saltOf('nobody', decoySecret);
    expect(await saltOf('nobody', decoySecret)).toBe(once);
    expect(await saltOf('somebody', decoySecret)).not.toBe(once);
    expect(await saltOf('nobody', Buffer.from('another'))).not.toBe(once);
  });
});

describe('a Client that does not keep to the format', () => {
  it.each([
    ['nothing at all', '', 'other-error'],
    ['no header', 'n=user,r=x', 'other-error'],
    ['a flag that there is not', 'x,,n=user,r=x', 'other-error'],
    ['channel binding', 'p=tls-exporter,,n=user,r=x', 'channel-binding-not-supported'],
    ['a mandatory extension', 'n,,m=1,n=user,r=x', 'extensions-not-supported'],
    ['a mandatory extension where others may stand', 'n,,n=user,r=x,m=1', 'extensions-not-supported'],
    ['a second name', 'n,,n=user,r=x,n=admin', 'other-error'],
    ['somebody else as whom it acts', 'n,a=admin,n=user,r=x', 'other-error'],
    ['no name', 'n,,n=,r=x', 'invalid-username-encoding'],
    ['a name with a bare equals sign', 'n,,n=a=b,r=x', 'invalid-username-encoding'],
    ['a name with a control in it', 'n,,n=a\u0007,r=x', 'invalid-username-encoding'],
    ['no nonce', 'n,,n=user,r=', 'other-error'],
    ['a nonce with a blank', 'n,,n=user,r=a b', 'other-error'],
    ['no nonce where it belongs', 'n,,n=user,z=1,r=x', 'other-error'],
    ['too much of it', `n,,n=user,r=${'x'.repeat(5000)}`, 'other-error'],
  ])('in its first message is refused: %s', async (_, message, code) => {
    expect(refusal(await say(begin(), message))).toBe(`e=${code}`);
  });

  it('is refused for bytes that are no UTF-8', async () => {
    expect(refusal(await begin().next(Buffer.from('6e2c2c6e3dff2c723d78', 'hex')))).toBe('e=invalid-encoding');
  });

  it.each([
    ['no message', () => undefined, 'other-error'],
    ['no proof', (final: string) => final.replace(/,p=.*/, ''), 'other-error'],
    ['a short proof', (final: string) => final.replace(/,p=.*/, ',p=AAAA'), 'other-error'],
    ['an empty proof', (final: string) => final.replace(/,p=.*/, ',p='), 'other-error'],
    ['a proof with more behind it', (final: string) => `${final}AAAA`, 'invalid-encoding'],
    ['the nonce of another exchange', (final: string) => final.replace('r=rOpr', 'r=rOps'), 'other-error'],
    ['only its own nonce', (final: string) => final.replace(/r=[^,]*/, 'r=rOprNGfwEbeRWgbNEkqO'), 'other-error'],
    ['another header', (final: string) => final.replace('c=biws', 'c=eSws'), 'channel-bindings-dont-match'],
    ['an extension that the proof does not cover', (final: string) => final.replace(',p=', ',z=1,p='), 'invalid-proof'],
    ['a mandatory extension', (final: string) => final.replace(',p=', ',m=1,p='), 'extensions-not-supported'],
    ['a second proof', (final: string) => `${final}${final.slice(final.indexOf(',p='))}`, 'other-error'],
    ['another proof', (final: string) => final.replace(/p=.{4}/, 'p=AAAA'), 'invalid-proof'],
  ])('in its last message is refused: %s', async (_, spoil, code) => {
    const exchange = begin();
    const { final } = answerTo(told(await say(exchange, clientFirst)), 'pencil');
    expect(refusal(await say(exchange, spoil(final)))).toBe(`e=${code}`);
  });

  it('gets no second try in the same exchange', async () => {
    const exchange = begin();
    const { final } = answerTo(told(await say(exchange, clientFirst)), 'pencil');
    refusal(await say(exchange, final.replace(/p=.{4}/, 'p=AAAA')));
    refusal(await say(exchange, final));
  });

  it('finds no way in after it has gone', async () => {
    const exchange = begin();
    const { final } = answerTo(told(await say(exchange, clientFirst)), 'pencil');
    exchange.abandon();
    refusal(await say(exchange, final));
  });
});

describe('what is kept of a password', () => {
  it('is not the password, and needs enough iterations', async () => {
    const kept = await deriveScram('pencil');
    expect(Buffer.from(kept.storedKey).equals(Buffer.from(users.get('user')?.storedKey ?? []))).toBe(false);
    expect(JSON.stringify(kept)).not.toContain('pencil');
    await expect(deriveScram('pencil', salt, 4095)).rejects.toThrow(RangeError);
    await expect(deriveScram('pen\u0000cil', salt)).rejects.toThrow(RangeError);
  });
});

describe('SASLprep', () => {
  it.each([
    ['I\u00adX', 'IX'],
    ['user', 'user'],
    ['USER', 'USER'],
    ['\u00aa', 'a'],
    ['\u2168', 'IX'],
    ['a\u00a0b', 'a b'],
    ['a\u200bb', 'ab'],
    ['u\u0308', '\u00fc'],
    ['\u0627\u0644\u0641', '\u0627\u0644\u0641'],
    ['\u0007', undefined],
    ['\u0627\u0031', undefined],
    ['\u0627a\u0627', undefined],
    ['\ue000', undefined],
    ['\ud800', undefined],
    ['\u202eabc', undefined],
  ])('of %j is %j', (text, prepared) => {
    expect(saslPrep(text)).toBe(prepared);
  });
});
