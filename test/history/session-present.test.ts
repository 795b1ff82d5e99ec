// Session Present must tell the truth wherever it can be known, and a history must not contradict itself.

import { describe, expect, it } from 'vitest';
import { broken, Story } from './story.ts';

/** A Client that is connected and has `news` at QoS 2, and a Session that stays. */
function reader(): Story {
  return new Story().connect('reader', { sessionExpirySeconds: 3600 }).subscribe('reader', 'news');
}

/** The same with a Session that ends with its Network Connection. */
function visitor(): Story {
  return new Story().connect('reader').subscribe('reader', 'news');
}

/** The reader comes back to its Session. */
const back = { cleanStart: false, sessionExpirySeconds: 3600, sessionPresent: true };

function expectOk(story: Story): void {
  const verdict = story.verdict();
  expect(verdict).toMatchObject({ is: 'ok' });
}

describe('Session Present', () => {
  it('is 1 for a Client that comes back in time', () => {
    expectOk(reader().cut('reader').wait(3000).connect('reader', back));
    expectOk(reader().connect('reader', back)); // taken over
    const lost = reader()
      .cut('reader')
      .connect('reader', { ...back, sessionPresent: false });
    expect(broken(lost.verdict())).toEqual({ 'session-present': 1 });
  });

  it('is 0 for a Client that comes too late, and open about the moment itself', () => {
    const away = (seconds: number, sessionPresent: boolean): Story =>
      reader()
        .cut('reader')
        .wait(seconds)
        .connect('reader', { ...back, sessionPresent });
    expectOk(away(3610, false));
    expectOk(away(3600, false));
    expectOk(away(3600, true));
    expect(broken(away(3610, true).verdict())).toEqual({ 'session-present': 1 });
  });

  it('is 0 after a Session that ended with its Network Connection', () => {
    expectOk(visitor().cut('reader').connect('reader', { cleanStart: false }));
    expectOk(visitor().connect('reader', { cleanStart: false })); // taken over
    const kept = visitor().cut('reader').connect('reader', { cleanStart: false, sessionPresent: true });
    expect(broken(kept.verdict())).toEqual({ 'session-present': 1 });
  });

  it('is 0 after Clean Start', () => {
    expectOk(reader().connect('reader', { sessionExpirySeconds: 60 }));
    expect(broken(reader().connect('reader', { sessionPresent: true }).verdict())).toEqual({ 'session-present': 1 });
  });

  it('is open after a CONNECT without an answer', () => {
    const attempted = (): Story => reader().cut('reader').tryToConnect('reader', { cleanStart: false }).cut('reader');
    expectOk(attempted().connect('reader', back));
    expectOk(attempted().connect('reader', { ...back, sessionPresent: false }));
  });

  it('is not said in MQTT 3.1: what must be is taken to be', () => {
    const returned = { is: 'connected', client: 'reader', sessionPresent: undefined } as const;
    const away = reader().cut('reader').publish('writer', 1);
    const again = away.tryToConnect('reader', { cleanStart: false, sessionExpirySeconds: 3600 }).tell(returned);
    expect(broken(again.verdict())).toEqual({ lost: 1 });
    expectOk(again.deliver('reader', 'writer', 1));
  });

  it('follows the expiry that DISCONNECT names', () => {
    const left = (sessionPresent: boolean): Story =>
      reader()
        .leave('reader', { sessionExpirySeconds: 0 })
        .connect('reader', { ...back, sessionPresent });
    expectOk(left(false));
    expect(broken(left(true).verdict())).toEqual({ 'session-present': 1 });
  });

  it('that is wrong loses what waited', () => {
    const story = reader()
      .cut('reader')
      .publish('writer', 1)
      .connect('reader', { ...back, sessionPresent: false });
    expect(broken(story.verdict())).toEqual({ 'session-present': 1, lost: 1 });
  });

  it('1 keeps the Subscriptions, 0 leaves none', () => {
    const renewed = reader().connect('reader').publish('writer', 1);
    expectOk(renewed);
    expect(broken(renewed.deliver('reader', 'writer', 1).verdict())).toEqual({ phantom: 1 });
  });

  it('0 leaves no message of the Session before', () => {
    const story = reader().cut('reader').publish('writer', 1).connect('reader').subscribe('reader', 'news');
    expect(broken(story.deliver('reader', 'writer', 1).verdict())).toEqual({ 'session-present': 1 });
  });
});

describe('a history that contradicts itself', () => {
  it.each([
    ['answers what was not sent', reader().acknowledge('writer', 1)],
    ['counts wrongly', reader().publish('writer', 2)],
    ['has a CONNACK without CONNECT', new Story().tell({ is: 'connected', client: 'reader', sessionPresent: false })],
    ['delivers to a Client that is away', reader().publish('writer', 1).cut('reader').deliver('reader', 'writer', 1)],
    ['acknowledges no SUBSCRIBE', reader().tell({ is: 'subscribed', client: 'reader', topicFilter: 'news', qos: 1 })],
    ['resumes what its Client forgot', reader().tryToConnect('reader').cut('reader').connect('reader', back)],
  ])('%s, and is invalid', (_, story) => {
    expect(story.verdict()).toMatchObject({ is: 'invalid' });
  });
});
