// A Will Message comes once if its Client left without taking it back, and never if it did.

import { describe, expect, it } from 'vitest';
import { broken, type Connecting, Story } from './story.ts';

/** A Client that hears of Will Messages, and one that has one. */
function watched(lamp: Connecting = {}, qos: 0 | 1 | 2 = 2): Story {
  return new Story()
    .connect('watcher')
    .subscribe('watcher', 'gone', { qos })
    .connect('lamp', { will: {}, ...lamp });
}

const delayed: Connecting = { sessionExpirySeconds: 3600, will: { delaySeconds: 60 } };
const back: Connecting = { cleanStart: false, sessionExpirySeconds: 3600, sessionPresent: true };

function expectOk(story: Story): void {
  expect(story.verdict()).toMatchObject({ is: 'ok' });
}

describe('[MQTT-3.1.2-8] a Will Message', () => {
  it('comes when its Client was cut off', () => {
    const verdict = watched().cut('lamp').deliver('watcher', 'lamp', 1).verdict();
    expect(verdict).toMatchObject({ is: 'ok', counts: { wills: 1 } });
    expect(broken(watched().cut('lamp').verdict())).toEqual({ will: 1 });
  });

  it('comes when its Client was taken over', () => {
    const other = { will: { n: 2 } };
    expectOk(watched().connect('lamp', other).deliver('watcher', 'lamp', 1));
    expect(broken(watched().connect('lamp', other).verdict())).toEqual({ will: 1 });
  });

  it('comes when its Client says so', () => {
    const left = (): Story => watched().leave('lamp', { dropsWill: false });
    expectOk(left().deliver('watcher', 'lamp', 1));
    expect(broken(left().verdict())).toEqual({ will: 1 });
  });

  it('comes in time, where that is asked for', () => {
    const options = { willLateMs: 8000 };
    const come = (seconds: number): Story => watched().cut('lamp').wait(seconds).deliver('watcher', 'lamp', 1);
    expect(come(7).verdict(options)).toMatchObject({ is: 'ok' });
    expect(broken(come(9).verdict(options))).toEqual({ will: 1 });
    // Whoever hears of it later does not count.
    const twoWatchers = watched()
      .connect('other')
      .subscribe('other', 'gone')
      .connect('lamp', { will: { n: 2 } });
    twoWatchers.deliver('watcher', 'lamp', 1).wait(20).deliver('other', 'lamp', 1);
    expect(twoWatchers.verdict(options)).toMatchObject({ is: 'ok' });
  });

  it('comes once', () => {
    const twice = watched().cut('lamp').deliver('watcher', 'lamp', 1).deliver('watcher', 'lamp', 1, { packetId: 7 });
    expect(broken(twice.verdict())).toEqual({ duplicated: 1 });
  });

  it('is owed to those who had subscribed before its Client left', () => {
    expectOk(new Story().connect('lamp', { will: {} }).cut('lamp').connect('watcher').subscribe('watcher', 'gone'));
    expectOk(watched().unsubscribe('watcher', 'gone').cut('lamp'));
    expectOk(watched({}, 0).cut('lamp'));
  });

  it('proves nothing while the one who must get it is away', () => {
    const stored = new Story().connect('watcher', { sessionExpirySeconds: 60 }).subscribe('watcher', 'gone');
    const story = stored.connect('lamp', { will: {} }).cut('watcher').cut('lamp');
    expect(story.verdict()).toMatchObject({ is: 'invalid' });
    expect(broken(story.connect('watcher', back).verdict())).toEqual({ will: 1 });
    expectOk(story.deliver('watcher', 'lamp', 1));
  });
});

describe('[MQTT-3.1.2-10] a Will Message', () => {
  it('does not come when its Client took it back', () => {
    expectOk(watched().leave('lamp'));
    expect(broken(watched().leave('lamp').deliver('watcher', 'lamp', 1).verdict())).toEqual({ will: 1 });
  });

  it('does not come while its Client is connected', () => {
    expect(broken(watched().deliver('watcher', 'lamp', 1).verdict())).toEqual({ will: 1 });
  });

  it('may come or not if the DISCONNECT may not have arrived, but not twice', () => {
    const leaving = { is: 'disconnecting', client: 'lamp', dropsWill: true } as const;
    expectOk(watched().tell(leaving).cut('lamp'));
    expectOk(watched().tell(leaving).cut('lamp').deliver('watcher', 'lamp', 1));
    const twice = watched().tell(leaving).cut('lamp').deliver('watcher', 'lamp', 1);
    expect(broken(twice.deliver('watcher', 'lamp', 1, { packetId: 7 }).verdict())).toEqual({ duplicated: 1 });
  });

  it('may come or not if the CONNECT was not answered', () => {
    const attempt = (): Story =>
      new Story().connect('watcher').subscribe('watcher', 'gone').tryToConnect('lamp', { will: {} }).cut('lamp');
    expectOk(attempt());
    expectOk(attempt().deliver('watcher', 'lamp', 1));
  });
});

describe('[MQTT-3.1.3-9] a Will Message with a delay', () => {
  it('comes when the delay is over', () => {
    const left = (): Story => watched(delayed).cut('lamp').wait(70);
    expectOk(left().deliver('watcher', 'lamp', 1));
    expect(broken(left().publish('writer', 1).verdict())).toEqual({ will: 1 });
  });

  it('is not due before', () => {
    expectOk(watched(delayed).cut('lamp').wait(30).publish('writer', 1));
  });

  it('does not come if the Session is resumed before', () => {
    const resumed = (): Story => watched(delayed).cut('lamp').wait(30).connect('lamp', back).wait(60);
    expectOk(resumed().publish('writer', 1));
    expect(broken(resumed().deliver('watcher', 'lamp', 1).verdict())).toEqual({ will: 1 });
  });

  it('comes at once if the Session ends before', () => {
    const ended = (): Story => watched(delayed).cut('lamp').wait(30).connect('lamp');
    expectOk(ended().deliver('watcher', 'lamp', 1));
    expect(broken(ended().verdict())).toEqual({ will: 1 });
    const brief = { sessionExpirySeconds: 5, will: { delaySeconds: 60 } };
    expect(broken(watched(brief).cut('lamp').wait(20).publish('writer', 1).verdict())).toEqual({ will: 1 });
  });

  it('may come or not if the Client came back when it was just due', () => {
    const resumed = (): Story => watched(delayed).cut('lamp').wait(60).connect('lamp', back);
    expectOk(resumed());
    expectOk(resumed().deliver('watcher', 'lamp', 1));
  });
});
