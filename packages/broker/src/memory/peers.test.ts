import { describe, expect, it } from 'vitest';
import { describePeers, ManualClock, type OpenPeers } from '../contract/index.ts';
import { deliveryOf, PeersTrial } from '../contract/peers-trial.ts';
import type { Member } from '../peer-ports.ts';
import { PeerHub } from './peers.ts';

/** How long a test may wait for a fact, in virtual milliseconds. */
const patienceMs = 60_000;

const memberOf = (name: string): Member => ({ node: name, nodeId: name, address: `${name}:1`, secret: `of ${name}` });

const openWith =
  (clock: ManualClock, setUp: (hub: PeerHub) => void = () => undefined): OpenPeers =>
  async ({ unsentMaxBytes }) => {
    const hub = new PeerHub(clock, { unsentMaxBytes });
    setUp(hub);
    return {
      peers: async (name) => hub.peers(memberOf(name)),
      member: (_, name) => memberOf(name),
      cut: (from, to) => hub.cut(from, to),
      heal: (from, to) => hub.heal(from, to),
      until: async (fact) => {
        const deadlineMs = clock.monotonicMs() + patienceMs;
        await clock.settle();
        while (!fact()) {
          if (clock.monotonicMs() > deadlineMs) throw new Error('waited in vain');
          await clock.advance(1);
        }
      },
      [Symbol.asyncDispose]: async () => undefined,
    };
  };

const words = { describe, it, expect };
describePeers(words, 'peers in one process', (options) => openWith(new ManualClock())(options));
describePeers(words, 'peers in one process, far from each other', (options) =>
  openWith(new ManualClock(), (hub) => {
    hub.delay('a', 'b', 30);
    hub.delay('b', 'a', 70);
  })(options),
);

describe('a way with a delay', () => {
  it('takes as long as that, and keeps the order when the delay shrinks', async () => {
    const clock = new ManualClock();
    const hubs: PeerHub[] = [];
    await using trial = await PeersTrial.open(openWith(clock, (hub) => hubs.push(hub)));
    const [a, b] = await trial.pair();
    const hub = hubs[0] as PeerHub;
    hub.delay('a', 'b', 100);
    a.peers.kick('b', 'lamp', 1);
    await clock.settle();
    hub.delay('a', 'b', 10);
    a.peers.kick('b', 'lamp', 2);
    await clock.advance(99);
    expect(b.words()).toEqual([]);
    await clock.advance(1);
    expect(b.words()).toEqual(['kick 1', 'kick 2']);
  });

  it('an acknowledgement that is lost brings the delivery again, which is passed over', async () => {
    const clock = new ManualClock();
    const hubs: PeerHub[] = [];
    await using trial = await PeersTrial.open(openWith(clock, (hub) => hubs.push(hub)));
    const [a, b] = await trial.pair();
    const hub = hubs[0] as PeerHub;
    hub.delay('b', 'a', 50);
    let taken: boolean | undefined;
    a.peers.deliver('b', [deliveryOf('once')]).then((outcome) => {
      taken = outcome;
    });
    await clock.advance(20);
    expect(b.words()).toEqual(['deliver once']);
    hub.cut('a', 'b');
    await clock.advance(100);
    expect(taken).toBe(undefined);
    hub.heal('a', 'b');
    await clock.advance(100);
    expect(taken).toBe(true);
    expect(b.words()).toEqual(['deliver once']);
  });
});
