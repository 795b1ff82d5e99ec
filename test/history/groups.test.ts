// For groups that share a Topic Filter: histories that keep what was promised to them, and histories that break it.

import { describe, expect, it } from 'vitest';
import { broken, Story } from './story.ts';

const filter = '$share/readers/news';

/** Two Clients with Sessions that stay, both members. */
function pair(): Story {
  const story = new Story();
  for (const client of ['ann', 'bob']) story.connect(client, { sessionExpirySeconds: 3600 }).subscribe(client, filter);
  return story;
}

function expectOk(story: Story): void {
  expect(story.verdict()).toMatchObject({ is: 'ok' });
}

describe('a message that was acknowledged', () => {
  it('comes to one member, whoever that is', () => {
    expectOk(pair().publish('writer', 1).deliver('bob', 'writer', 1));
    expectOk(pair().publish('writer', 1, { qos: 2 }).deliver('ann', 'writer', 1));
  });

  it('is lost if it comes to none', () => {
    expect(broken(pair().publish('writer', 1).verdict())).toEqual({ lost: 1 });
    expect(broken(pair().publish('writer', 1, { qos: 2 }).verdict())).toEqual({ lost: 1 });
  });

  it('may come to two at QoS 1, and not at QoS 2 or QoS 0', () => {
    const twice = (qos: 0 | 1 | 2): Story =>
      pair().publish('writer', 1, { qos }).deliver('ann', 'writer', 1).deliver('bob', 'writer', 1);
    expectOk(twice(1));
    expect(broken(twice(2).verdict())).toEqual({ duplicated: 1 });
    expect(broken(twice(0).verdict())).toEqual({ duplicated: 1 });
  });

  it('comes to each group, and may come out of order', () => {
    const story = pair().connect('cyd', { sessionExpirySeconds: 3600 }).subscribe('cyd', '$share/others/+');
    story.publish('writer', 1, { qos: 2 }).publish('writer', 2, { qos: 2 });
    story.deliver('ann', 'writer', 2).deliver('ann', 'writer', 1).deliver('cyd', 'writer', 1);
    expect(broken(story.verdict())).toEqual({ lost: 1 });
    expectOk(story.deliver('cyd', 'writer', 2));
  });

  it('is owed as long as one who was a member from before it stays', () => {
    const left = (): Story => pair().publish('writer', 1).unsubscribe('ann', filter);
    expect(broken(left().verdict())).toEqual({ lost: 1 });
    expectOk(left().unsubscribe('bob', filter));
  });

  it('may be gone with a Session that ends, at QoS 2; at QoS 1 another one gets it', () => {
    const ended = (qos: 1 | 2): Story => pair().publish('writer', 1, { qos }).cut('ann').connect('ann');
    expectOk(ended(2));
    expect(broken(ended(1).verdict())).toEqual({ lost: 1 });
  });

  it('may be gone with a member whose Session ends with its Network Connection', () => {
    expectOk(pair().connect('cyd').subscribe('cyd', filter).publish('writer', 1));
  });
});

it('what comes to somebody who is no member is a phantom', () => {
  const story = pair().connect('cyd').publish('writer', 1).deliver('ann', 'writer', 1).deliver('cyd', 'writer', 1);
  expect(broken(story.verdict())).toEqual({ phantom: 1 });
});
