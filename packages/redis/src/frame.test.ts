import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Frame } from './frame.ts';
import { Keys } from './keys.ts';
import { SessionKeys } from './session-keys.ts';

const seed = Number(process.env.SKEIN_SEED ?? Math.trunc(Math.random() * 0x7fffffff));

/** A command as Redis wants it: a count, and each word behind its length. */
function command(words: readonly (string | number | Uint8Array)[]): Buffer {
  const parts: Uint8Array[] = [Buffer.from(`*${words.length}\r\n`)];
  for (const word of words) {
    const bytes = typeof word === 'object' ? word : Buffer.from(`${word}`);
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}

describe(`a frame (SKEIN_SEED=${seed})`, () => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ minLength: 95, maxLength: 200 }));
  const word = fc.oneof(text, fc.maxSafeInteger(), fc.uint8Array({ maxLength: 2000 }));

  it('is what Redis reads as the words that were added, whatever they are and however many', () => {
    fc.assert(
      fc.property(fc.array(word), (words) => {
        const frame = new Frame('FCALL', 0);
        for (const each of words) {
          if (typeof each === 'string') frame.text(each);
          else if (typeof each === 'number') frame.number(each);
          else frame.data(each);
        }
        expect(frame.finished()).toEqual(command(['FCALL', ...words]));
      }),
      { seed },
    );
  });

  it('takes a name in parts as the one word it is', () => {
    fc.assert(
      fc.property(fc.array(text, { minLength: 1 }), (names) => {
        const frame = new Frame('FCALL', 0);
        for (const name of names) frame.joined('stem:{', 'tag}:', name, ':end');
        const words = names.map((name) => `stem:{tag}:${name}:end`);
        expect(frame.finished()).toEqual(command(['FCALL', ...words]));
      }),
      { seed },
    );
  });

  it('leaves room for a word that is written later', () => {
    const frame = new Frame('FCALL', 0);
    const at = frame.reserve(3);
    frame.bytes.write('abc', at);
    frame.text('behind');
    expect(frame.finished()).toEqual(command(['FCALL', 'abc', 'behind']));
  });
});

describe('the keys of a Session in a frame', () => {
  it('are called as the schema calls them', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.base64String({ maxLength: 16 }), (clientId, generation) => {
        const keys = new Keys('home');
        const frame = new Frame('FCALL');
        new SessionKeys(keys, ['u', 'q', 'r', 't', 'd']).write(frame, clientId, generation);
        const named = [
          keys.session(clientId),
          keys.subscriptions(clientId, generation),
          keys.queue(clientId, generation),
          keys.releases(clientId, generation),
          keys.times(clientId, generation),
          keys.seen(clientId, generation),
        ];
        expect(frame.finished()).toEqual(command(['FCALL', ...named]));
      }),
      { seed },
    );
  });
});
