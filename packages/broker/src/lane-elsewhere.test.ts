import { ReasonCode } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import { acquireOf, memberOf, messageOn, subscriptionTo, textOf } from './contract/samples.ts';
import { SeededRandom } from './contract/seeded-random.ts';
import { unfenced } from './contract/trial.ts';
import { Distribution } from './distribution.ts';
import { Lane } from './lane.ts';
import { defaultLimits } from './limits.ts';
import type { Membership } from './membership.ts';
import { memoryStore } from './memory/store.ts';
import type { Message } from './message.ts';
import type { PeerMessage, Peers } from './peer-ports.ts';
import { type MemberRoute, mark, type Store } from './ports.ts';
import { Router } from './router.ts';
import { Chooser } from './shared/choose.ts';
import { Surroundings } from './testing/surroundings.ts';

/** A lane among other nodes that are only a record of what they were given. */
class Trial {
  readonly around = new Surroundings();
  readonly router = new Router('here:1');
  readonly store: Store = memoryStore(this.around.clock, new SeededRandom(1), defaultLimits);
  readonly known = new Set(['east:1', 'west:1']);
  /** Called when the register is read. */
  refresh: () => void = () => {};
  readonly told: string[] = [];
  readonly deliveries: { readonly node: string; answer(isDelivered: boolean): void }[] = [];
  isNarrow = false;
  readonly lane: Lane;

  constructor() {
    const { clock, counters, drops, persistence } = this.around;
    const peers: Partial<Peers> = {
      publish: (node, { message, uid }) => {
        if (!this.isNarrow) this.told.push(`${node} publish ${textOf(message)}${uid === undefined ? '' : ` ${uid}`}`);
        return !this.isNarrow;
      },
      deliver: (node, messages) => {
        const inWords = ({ message, uid }: PeerMessage): string =>
          `${textOf(message)}${uid === undefined ? '' : ` ${uid}`}`;
        this.told.push(`${node} deliver ${messages.map(inWords).join(', ')}`);
        return new Promise((resolve) => this.deliveries.push({ node, answer: resolve }));
      },
      push: (node, { clientId, entry, sentSeq }) => {
        this.told.push(
          `${node} push ${clientId} ${entry === undefined ? 'look' : `#${entry.seq} q${entry.qos} st ${sentSeq}`}`,
        );
      },
    };
    const membership: Partial<Membership> = {
      knows: (node) => this.known.has(node),
      refresh: async () => this.refresh(),
    };
    const chooser = new Chooser({ strategy: 'round-robin', node: 'here:1', knows: (node) => this.known.has(node) });
    const distribution = new Distribution({
      routes: this.store.routes,
      drops,
      counters,
      persistence,
      refuseWhenFull: false,
      nodeId: 'here:1',
      peers: peers as Peers,
      chooser,
      sessionOf: () => undefined,
    });
    this.lane = new Lane({
      store: this.store,
      clock,
      router: this.router,
      distribution,
      drops,
      counters,
      persistence,
      chooser,
      queueFull: 'drop-new',
      gatherMs: 0,
      uidPrefix: 'u',
      elsewhere: { peers: peers as Peers, membership: membership as Membership },
    });
  }

  static async open(): Promise<Trial> {
    const trial = new Trial();
    await trial.store.routes.follow((changes, version) => trial.router.apply(changes, version));
    return trial;
  }

  async route(node: string, topicFilter: string, marks: number): Promise<void> {
    await this.store.routes.put([{ topicFilter, node, marks }]);
  }

  /** Publishes, and lets happen what happens by itself. */
  async publish(message: Message, uid?: string): Promise<{ reasonCode: ReasonCode | undefined }> {
    const answer: { reasonCode: ReasonCode | undefined } = { reasonCode: undefined };
    const finish = (reasonCode: ReasonCode): void => {
      answer.reasonCode = reasonCode;
    };
    this.lane.push({ message, ingress: undefined, uid, isRefusable: true, finish, fenced: () => {} });
    await this.around.clock.settle();
    return answer;
  }
}

describe('rule: One path per session, over nodes', () => {
  it('QoS 0 goes to nodes with any connected Client, QoS 1 and 2 to nodes with volatile Sessions', async () => {
    const trial = await Trial.open();
    await trial.route('east:1', 'a', mark.any);
    await trial.route('west:1', '+', mark.any | mark.volatile);
    await trial.publish(messageOn('a', 'zero', { qos: 0 }));
    await trial.publish(messageOn('a', 'one', { qos: 1 }));
    await trial.publish(messageOn('a', 'two', { qos: 2 }), 'u2');
    expect(trial.told).toEqual([
      'east:1 publish zero',
      'west:1 publish zero',
      'west:1 deliver one',
      'west:1 deliver two u2',
    ]);
  });

  it('a node whose filters all match gets one copy', async () => {
    const trial = await Trial.open();
    for (const filter of ['a/b', 'a/+', '#']) await trial.route('east:1', filter, mark.any | mark.volatile);
    await trial.publish(messageOn('a/b', 'once'));
    expect(trial.told).toEqual(['east:1 deliver once']);
  });

  it('what a peer does not take is counted', async () => {
    const trial = await Trial.open();
    await trial.route('east:1', 'a', mark.any);
    trial.isNarrow = true;
    await trial.publish(messageOn('a', 'zero', { qos: 0 }));
    expect(trial.around.dropped).toEqual({ peer_slow: 1 });
  });

  it('what was stored is pushed to the owner as it was stored, at QoS 0 too', async () => {
    const trial = await Trial.open();
    const far = await trial.store.sessions.acquire(acquireOf('far', { owner: 'east:1' }));
    const { clientId, generation } = far.claim;
    const subscriptions = [subscriptionTo('a'), subscriptionTo('b', { qos: 0 })];
    unfenced(await trial.store.sessions.subscribe(far.claim, subscriptions));
    await trial.store.routes.put(['a', 'b'].map((topicFilter) => ({ topicFilter, clientId, generation })));
    expect(await trial.publish(messageOn('a', '1', { qos: 2 }), 'u1')).toEqual({ reasonCode: ReasonCode.success });
    await trial.publish(messageOn('a', '1', { qos: 2 }), 'u1');
    await trial.publish(messageOn('b', '2'));
    expect(trial.told).toEqual([
      expect.stringMatching(/^east:1 push far #1 q[12] st \d+$/),
      'east:1 push far look',
      'east:1 push far #0 q0 st 0',
    ]);
  });
});

describe('an acknowledgement that waits for another node', () => {
  it('comes when all of them have the message [design: PUBACK means]', async () => {
    const trial = await Trial.open();
    await trial.route('east:1', 'a', mark.volatile);
    await trial.route('west:1', 'a', mark.volatile);
    const answer = await trial.publish(messageOn('a'));
    expect(answer.reasonCode).toBeUndefined();
    trial.deliveries[1]?.answer(true);
    await trial.around.clock.settle();
    expect(answer.reasonCode).toBeUndefined();
    trial.deliveries[0]?.answer(true);
    await trial.around.clock.settle();
    expect(answer.reasonCode).toBe(ReasonCode.success);
    expect(trial.around.counters.peerDelivered).toBe(2);
  });

  it('holds up nothing that does not go there', async () => {
    const trial = await Trial.open();
    await trial.route('east:1', 'a', mark.volatile);
    await trial.route('west:1', 'b', mark.volatile);
    const slow = await trial.publish(messageOn('a'));
    const quick = await trial.publish(messageOn('b'));
    trial.deliveries[1]?.answer(true);
    await trial.around.clock.settle();
    expect([slow.reasonCode, quick.reasonCode]).toEqual([undefined, ReasonCode.success]);
    expect(trial.deliveries.map(({ node }) => node)).toEqual(['east:1', 'west:1']);
  });

  it('comes after a node that is alive was told through the store that it missed the message', async () => {
    const trial = await Trial.open();
    await trial.store.members.join(memberOf('east', '1'));
    await trial.route('east:1', 'a', mark.volatile);
    const answer = await trial.publish(messageOn('a'));
    expect(answer.reasonCode).toBeUndefined();
    trial.deliveries[0]?.answer(false);
    await trial.around.clock.settle();
    expect(answer.reasonCode).toBe(ReasonCode.success);
    expect(await trial.store.members.renew('east:1')).toMatchObject({ missed: true });
  });

  it('comes when the node is gone, since what it held has ended; the message is counted', async () => {
    const trial = await Trial.open();
    await trial.route('east:1', 'a', mark.volatile);
    const answer = await trial.publish(messageOn('a'));
    trial.known.delete('east:1');
    trial.deliveries[0]?.answer(false);
    await trial.around.clock.settle();
    expect(answer.reasonCode).toBe(ReasonCode.success);
    expect(trial.around.dropped).toEqual({ peer_unreachable: 1 });
  });

  it('never comes from a node that is fenced: it cannot know who has the message', async () => {
    const trial = await Trial.open();
    await trial.route('east:1', 'a', mark.volatile);
    const answer = await trial.publish(messageOn('a', 'x', { qos: 2 }), 'u1');
    trial.around.persistence.stop();
    trial.deliveries[0]?.answer(false);
    await trial.around.clock.settle();
    expect(answer.reasonCode).toBeUndefined();
  });

  it('is waited for when the lane is flushed', async () => {
    const trial = await Trial.open();
    await trial.route('east:1', 'a', mark.volatile);
    await trial.publish(messageOn('a'));
    let isFlushed = false;
    const flushed = trial.lane.flush().then(() => {
      isFlushed = true;
    });
    await trial.around.clock.settle();
    expect(isFlushed).toBe(false);
    trial.deliveries[0]?.answer(true);
    await flushed;
  });
});

describe('a message for a member of a shared group', () => {
  const sharedFilter = '$share/g/a';
  const memberAt = (heldBy: string): MemberRoute => ({
    ...{ topicFilter: sharedFilter, clientId: `at ${heldBy}`, generation: `g-${heldBy}`, isStored: false, heldBy },
  });

  it('that goes to another one, because its node is gone, is waited for when the lane is flushed', async () => {
    const trial = await Trial.open();
    await trial.store.routes.put([memberAt('east:1'), memberAt('west:1')]);
    const answer = await trial.publish(messageOn('a'));
    let isFlushed = false;
    const flushed = trial.lane.flush().then(() => {
      isFlushed = true;
    });
    trial.deliveries[0]?.answer(false);
    await trial.around.clock.settle();
    expect([trial.told.length, isFlushed, answer.reasonCode]).toEqual([2, false, undefined]);
    trial.deliveries[1]?.answer(true);
    await flushed;
    expect(answer.reasonCode).toBe(ReasonCode.success);
  });

  it('that another one has left finds members of a node that is not known yet', async () => {
    const trial = await Trial.open();
    await trial.store.routes.put([memberAt('new:1')]);
    trial.refresh = () => {
      trial.known.add('new:1');
    };
    const again = { sharedFilter, except: 'another' };
    const rest = { ingress: undefined, uid: undefined, isRefusable: false, finish: () => {}, fenced: () => {} };
    trial.lane.push({ message: messageOn('a', 'left'), again, ...rest });
    await trial.around.clock.settle();
    expect([trial.told, trial.around.dropped]).toEqual([['new:1 deliver left'], {}]);
  });
});

describe('rule: Marks, a node that is not known', () => {
  it('has the register read before anything is handed to it: it may have come just now', async () => {
    const trial = await Trial.open();
    await trial.route('new:1', 'a', mark.volatile);
    const seen: string[][] = [];
    trial.refresh = () => {
      seen.push([...trial.told]);
      trial.known.add('new:1');
    };
    await trial.publish(messageOn('a', 'hello'));
    expect(seen).toEqual([[]]);
    expect(trial.told).toEqual(['new:1 deliver hello']);
    await trial.publish(messageOn('a', 'again'));
    expect(seen).toHaveLength(1);
  });
});
