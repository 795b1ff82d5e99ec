// For every invariant: histories that keep it, however close they come, and histories that break it.

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

describe('what was acknowledged', () => {
  it('arrives', () => {
    const verdict = reader().publish('writer', 1).deliver('reader', 'writer', 1).verdict();
    expect(verdict).toMatchObject({ is: 'ok', counts: { published: 1, acknowledged: 1, owed: 1, delivered: 1 } });
  });

  it('may arrive before the acknowledgement', () => {
    expectOk(reader().say('writer', 1).deliver('reader', 'writer', 1).acknowledge('writer', 1));
  });

  it('is lost if it never comes', () => {
    const verdict = reader().publish('writer', 1).publish('writer', 2).deliver('reader', 'writer', 1).verdict();
    expect(verdict).toMatchObject({
      is: 'violation',
      violations: [{ invariant: 'lost', client: 'reader', publisher: 'writer', n: 2 }],
    });
  });

  it('is lost for the one of two Clients to which it does not come', () => {
    const story = reader().connect('other').subscribe('other', '+').publish('writer', 1).deliver('other', 'writer', 1);
    expect(broken(story.verdict())).toEqual({ lost: 1 });
  });

  it('waits for a Client that is away', () => {
    expectOk(reader().cut('reader').publish('writer', 1).connect('reader', back).deliver('reader', 'writer', 1));
    expect(broken(reader().cut('reader').publish('writer', 1).connect('reader', back).verdict())).toEqual({ lost: 1 });
  });

  it('proves nothing while the Client for whom it waits has not come back', () => {
    const verdict = reader().cut('reader').publish('writer', 1).verdict();
    expect(verdict).toMatchObject({
      is: 'invalid',
      reasons: ['reader did not come back for the 1 messages owed to it'],
    });
  });

  it('is owed from the SUBACK on, and not before', () => {
    const subscribing = new Story().connect('reader').subscribing('reader', 'news').say('writer', 1);
    expectOk(
      subscribing.tell({ is: 'subscribed', client: 'reader', topicFilter: 'news', qos: 2 }).acknowledge('writer', 1),
    );
  });

  it('is owed until the UNSUBSCRIBE, and not after', () => {
    expectOk(reader().say('writer', 1).unsubscribe('reader', 'news').acknowledge('writer', 1));
    expectOk(reader().unsubscribe('reader', 'news').publish('writer', 1));
    expect(broken(reader().publish('writer', 1).unsubscribe('reader', 'news').verdict())).toEqual({ lost: 1 });
  });

  it('is owed to any other Topic Filter that still matches', () => {
    const story = reader().subscribe('reader', '#').unsubscribe('reader', 'news').publish('writer', 1);
    expect(broken(story.verdict())).toEqual({ lost: 1 });
  });

  it('is owed while a SUBSCRIBE replaces the Subscription [MQTT-3.8.4-3]', () => {
    const story = reader().say('writer', 1).subscribe('reader', 'news', { qos: 1 }).acknowledge('writer', 1);
    expect(broken(story.verdict())).toEqual({ lost: 1 });
  });

  it('is not owed to a Client with No Local that sent it', () => {
    expectOk(new Story().connect('writer').subscribe('writer', 'news', { noLocal: true }).publish('writer', 1));
    expect(broken(new Story().connect('writer').subscribe('writer', 'news').publish('writer', 1).verdict())).toEqual({
      lost: 1,
    });
  });

  it('is not owed once it has expired', () => {
    expectOk(
      reader().publish('writer', 1, { expirySeconds: 2 }).wait(3).publish('writer', 2).deliver('reader', 'writer', 2),
    );
    const early = reader().publish('writer', 1, { expirySeconds: 9 }).wait(3).publish('writer', 2);
    expect(broken(early.deliver('reader', 'writer', 2).verdict())).toEqual({ lost: 1 });
  });

  it('is forgiven with a Session that ends', () => {
    expectOk(visitor().publish('writer', 1).cut('reader'));
    expectOk(reader().publish('writer', 1).connect('reader'));
    expectOk(reader().publish('writer', 1).leave('reader', { sessionExpirySeconds: 0 }));
    expectOk(reader().cut('reader').publish('writer', 1).wait(4000).connect('reader', { cleanStart: false }));
  });

  it('is not forgiven if later messages of its stream had come before', () => {
    const story = visitor().publish('writer', 1).publish('writer', 2).deliver('reader', 'writer', 2).cut('reader');
    expect(broken(story.verdict())).toEqual({ lost: 1 });
  });

  it('is not made up for by a copy of the retained message', () => {
    const story = reader().publish('writer', 1, { retain: true }).deliver('reader', 'writer', 1, { retain: true });
    expect(broken(story.verdict())).toEqual({ lost: 1 });
  });
});

describe('what was not acknowledged', () => {
  it('may come or not', () => {
    const start = (): Story => reader().publish('writer', 1).publish('writer', 2).publish('writer', 3);
    const read = (story: Story): Story => [1, 2, 3].reduce((told, n) => told.deliver('reader', 'writer', n), story);
    expectOk(read(start()).say('writer', 4));
    expectOk(read(start()).say('writer', 4).deliver('reader', 'writer', 4));
    const refused = { is: 'refused', publisher: 'writer', n: 4, reasonCode: 0x97 } as const;
    expectOk(read(start()).say('writer', 4).tell(refused));
    expectOk(read(start()).say('writer', 4).tell(refused).deliver('reader', 'writer', 4));
  });

  it('proves nothing if it is the most of all', () => {
    const verdict = reader()
      .say('writer', 1)
      .say('writer', 2)
      .publish('writer', 3)
      .deliver('reader', 'writer', 3)
      .verdict();
    expect(verdict).toMatchObject({
      is: 'invalid',
      reasons: ['only 1 of 3 messages at QoS 1 and 2 were acknowledged'],
    });
  });
});

describe('QoS 0', () => {
  it('may be missing, and is counted', () => {
    const verdict = reader()
      .publish('writer', 1, { qos: 0 })
      .publish('writer', 2, { qos: 0 })
      .deliver('reader', 'writer', 2);
    expect(verdict.verdict()).toMatchObject({ is: 'ok', counts: { owedQos0: 2, missingQos0: 1 } });
  });

  it('is not missed by a Client that was away', () => {
    const verdict = reader().cut('reader').publish('writer', 1, { qos: 0 }).connect('reader', back).verdict();
    expect(verdict).toMatchObject({ is: 'ok', counts: { owedQos0: 0, missingQos0: 0 } });
  });

  it('may come again to a Client that has moved meanwhile, where that is allowed', () => {
    const moved = (): Story => {
      const story = reader().say('writer', 1, { qos: 0 }).deliver('reader', 'writer', 1).connect('reader', back);
      return story.deliver('reader', 'writer', 1);
    };
    expect(moved().verdict({ qos0MayFollow: true })).toMatchObject({ is: 'ok', counts: { repeated: 1 } });
    expect(broken(moved().verdict())).toEqual({ duplicated: 1 });
    const stayed = reader().say('writer', 1, { qos: 0 }).deliver('reader', 'writer', 1).deliver('reader', 'writer', 1);
    expect(broken(stayed.verdict({ qos0MayFollow: true }))).toEqual({ duplicated: 1 });
  });

  it('does not come twice', () => {
    const once = (): Story => reader().publish('writer', 1, { qos: 0 }).deliver('reader', 'writer', 1);
    expectOk(once());
    expect(broken(once().deliver('reader', 'writer', 1).verdict())).toEqual({ duplicated: 1 });
  });
});

describe('QoS 2', () => {
  const once = (): Story => reader().publish('writer', 1, { qos: 2 }).deliver('reader', 'writer', 1, { packetId: 5 });

  it('is the same message again while its Packet Identifier is not released [MQTT-4.3.3-10]', () => {
    const again = { packetId: 5, dup: true };
    expectOk(once().cut('reader').connect('reader', back).deliver('reader', 'writer', 1, again).release('reader', 5));
  });

  it('is duplicated if it comes under the same Packet Identifier after PUBREL', () => {
    const story = once().release('reader', 5).deliver('reader', 'writer', 1, { packetId: 5, dup: true });
    expect(broken(story.verdict())).toEqual({ duplicated: 1 });
  });

  it('is duplicated if it comes under another Packet Identifier', () => {
    expect(broken(once().deliver('reader', 'writer', 1, { packetId: 6 }).verdict())).toEqual({ duplicated: 1 });
  });

  it('is wrong, and lost, if it comes under the Packet Identifier of another that is not released', () => {
    const story = once().publish('writer', 2, { qos: 2 }).deliver('reader', 'writer', 2, { packetId: 5 });
    expect(broken(story.verdict())).toEqual({ corrupt: 1, lost: 1 });
  });

  it('granted QoS 1 is repeated only with DUP', () => {
    const start = (): Story =>
      new Story()
        .connect('reader', { sessionExpirySeconds: 60 })
        .subscribe('reader', 'news', { qos: 1 })
        .publish('writer', 1, { qos: 2 })
        .deliver('reader', 'writer', 1, { qos: 1, packetId: 5 })
        .cut('reader')
        .connect('reader', back);
    expectOk(start().deliver('reader', 'writer', 1, { qos: 1, packetId: 5, dup: true }));
    expect(broken(start().deliver('reader', 'writer', 1, { qos: 1, packetId: 6 }).verdict())).toEqual({
      duplicated: 1,
    });
  });
});

describe('QoS 1', () => {
  it('may come again, and is counted', () => {
    const verdict = reader()
      .publish('writer', 1)
      .deliver('reader', 'writer', 1)
      .deliver('reader', 'writer', 1)
      .verdict();
    expect(verdict).toMatchObject({ is: 'ok', counts: { repeated: 1 } });
  });
});

describe('what comes', () => {
  it('was sent', () => {
    expect(broken(reader().deliver('reader', 'writer', 1).verdict())).toEqual({ phantom: 1 });
  });

  it('was asked for', () => {
    const story = reader().publish('writer', 1, { topic: 'weather' }).deliver('reader', 'writer', 1);
    expect(broken(story.verdict())).toEqual({ phantom: 1 });
  });

  it('may be asked for while it is under way', () => {
    const late = new Story().connect('reader').say('writer', 1).subscribing('reader', 'news').acknowledge('writer', 1);
    expectOk(late.deliver('reader', 'writer', 1));
  });

  it('was asked for before it was answered', () => {
    const story = new Story().connect('reader').publish('writer', 1).subscribe('reader', 'news');
    expect(broken(story.deliver('reader', 'writer', 1).verdict())).toEqual({ phantom: 1 });
  });

  it('was sent before the UNSUBACK', () => {
    expectOk(reader().publish('writer', 1).unsubscribe('reader', 'news').deliver('reader', 'writer', 1));
    const story = reader().unsubscribe('reader', 'news').publish('writer', 1).deliver('reader', 'writer', 1);
    expect(broken(story.verdict())).toEqual({ phantom: 1 });
  });

  it('is not from the Client itself, with No Local', () => {
    const story = new Story().connect('writer').subscribe('writer', 'news', { noLocal: true }).publish('writer', 1);
    expect(broken(story.deliver('writer', 'writer', 1).verdict())).toEqual({ phantom: 1 });
  });

  it('is as it was sent', () => {
    const sent = (): Story => reader().publish('writer', 1, { qos: 0 });
    expectOk(sent().deliver('reader', 'writer', 1));
    expect(broken(sent().deliver('reader', 'writer', 1, { content: undefined }).verdict())).toEqual({ corrupt: 1 });
    expect(broken(sent().deliver('reader', 'writer', 1, { topic: 'mews' }).verdict())).toEqual({ corrupt: 1 });
    const other = { publisher: 'writer', n: 1, qos: 2, topic: 'news' } as const;
    expect(broken(sent().deliver('reader', 'writer', 1, { content: other }).verdict())).toEqual({ corrupt: 1 });
    expect(broken(sent().deliver('reader', 'writer', 1, { dup: true }).verdict())).toEqual({ corrupt: 1 });
  });

  it('has the lower QoS of the two [MQTT-3.8.4-8]', () => {
    const granted = (): Story => new Story().connect('reader').subscribe('reader', 'news', { qos: 1 });
    expectOk(granted().publish('writer', 1, { qos: 2 }).deliver('reader', 'writer', 1, { qos: 1 }));
    expectOk(granted().publish('writer', 1, { qos: 0 }).deliver('reader', 'writer', 1));
    for (const qos of [0, 2] as const) {
      const story = granted().publish('writer', 1, { qos: 2 }).deliver('reader', 'writer', 1, { qos });
      expect(broken(story.verdict())).toEqual({ corrupt: 1 });
    }
  });

  it('has the highest QoS of overlapping Subscriptions [MQTT-3.3.4-2]', () => {
    const both = (): Story => reader().subscribe('reader', '#', { qos: 0 }).publish('writer', 1, { qos: 2 });
    expectOk(both().deliver('reader', 'writer', 1));
    expect(broken(both().deliver('reader', 'writer', 1, { qos: 0 }).verdict())).toEqual({ corrupt: 1 });
  });

  it('has either QoS while a SUBSCRIBE replaces another', () => {
    const replaced = (): Story => reader().say('writer', 1, { qos: 2 }).subscribe('reader', 'news', { qos: 1 });
    expectOk(replaced().acknowledge('writer', 1).deliver('reader', 'writer', 1, { qos: 2 }));
    expectOk(replaced().acknowledge('writer', 1).deliver('reader', 'writer', 1, { qos: 1 }));
    const later = replaced().acknowledge('writer', 1).deliver('reader', 'writer', 1).publish('writer', 2, { qos: 2 });
    expect(broken(later.deliver('reader', 'writer', 2).verdict())).toEqual({ corrupt: 1 });
  });

  it('has the Retain flag as Retain As Published says [MQTT-3.3.1-12, MQTT-3.3.1-13]', () => {
    const asPublished = (): Story =>
      new Story().connect('reader').subscribe('reader', 'news', { retainAsPublished: true });
    const sent = { retain: true };
    expectOk(asPublished().publish('writer', 1, sent).deliver('reader', 'writer', 1, { retain: true }));
    expectOk(reader().publish('writer', 1, sent).deliver('reader', 'writer', 1));
    expect(broken(asPublished().publish('writer', 1, sent).deliver('reader', 'writer', 1).verdict())).toEqual({
      corrupt: 1,
    });
    const never = reader().publish('writer', 1).deliver('reader', 'writer', 1, { retain: true });
    expect(broken(never.verdict())).toEqual({ corrupt: 1, lost: 1 });
  });

  it('may be a copy of what was retained, besides the live one and as often as the Client subscribes', () => {
    const story = new Story().publish('writer', 1, { retain: true }).connect('reader');
    const copy = { retain: true };
    const twice = story.subscribe('reader', 'news').deliver('reader', 'writer', 1, copy).subscribe('reader', 'news');
    expect(twice.deliver('reader', 'writer', 1, copy).verdict()).toMatchObject({ is: 'ok', counts: { retained: 2 } });
  });
});

describe('messages of one publisher, topic and QoS', () => {
  it('come in the order in which they were sent', () => {
    const sent = (): Story => reader().publish('writer', 1).publish('writer', 2);
    expectOk(sent().deliver('reader', 'writer', 1).deliver('reader', 'writer', 2));
    expect(broken(sent().deliver('reader', 'writer', 2).deliver('reader', 'writer', 1).verdict())).toEqual({
      order: 1,
    });
  });

  it('may come again in any order', () => {
    expectOk(
      reader()
        .publish('writer', 1)
        .publish('writer', 2)
        .deliver('reader', 'writer', 1)
        .deliver('reader', 'writer', 2)
        .deliver('reader', 'writer', 1, { dup: true }),
    );
  });

  it('may come out of order to a Client that subscribed before the publisher sent them again', () => {
    const between = new Story().connect('reader').say('writer', 1).subscribe('reader', 'news').say('writer', 2);
    // The first time only the second one found a Subscription; then the publisher was cut, and sends both again.
    const again = between.deliver('reader', 'writer', 2).deliver('reader', 'writer', 1).deliver('reader', 'writer', 2);
    expectOk(again.acknowledge('writer', 1).acknowledge('writer', 2));
  });

  it('are not ordered with those of another topic, QoS or publisher', () => {
    expectOk(
      reader()
        .subscribe('reader', 'weather')
        .publish('writer', 1, { topic: 'weather' })
        .publish('writer', 2)
        .publish('writer', 3, { qos: 2 })
        .publish('editor', 1)
        .deliver('reader', 'editor', 1)
        .deliver('reader', 'writer', 3)
        .deliver('reader', 'writer', 2)
        .deliver('reader', 'writer', 1),
    );
  });
});
