// What everything that connects nodes must do: the contract of Peers.
//
// Nodes here do not think: each keeps what its inbox is told. A suite waits for facts, since on a real network they take
// their time; that nothing came is told by what was sent after it, for what goes one way arrives in order.

import { describePeerBreaks } from './peer-breaks.ts';
import { deliveryOf, type OpenPeers, PeersTrial, pushOf } from './peers-trial.ts';
import { messageOn } from './samples.ts';
import type { TestWords } from './trial.ts';

/**
 * Describes what Peers must do.
 *
 * @param words of the test runner: `{ describe, it, expect }` of vitest will do
 * @param name of what connects the nodes, as the report will show it
 * @param open a place without nodes, made anew for each test
 */
export function describePeers(words: TestWords, name: string, open: OpenPeers): void {
  const { describe, it, expect } = words;
  describe(name, () => {
    describe('what a node sends', () => {
      it('arrives as it was, whatever becomes of its bytes after the call', async () => {
        await using trial = await PeersTrial.open(open);
        const [a, b] = await trial.pair();
        const payload = Uint8Array.of(1, 2, 3);
        const correlationData = Uint8Array.of(4, 5);
        const message = messageOn('lamp/ü', '', {
          payload,
          qos: 0,
          retain: true,
          properties: {
            payloadFormatIndicator: 1,
            messageExpiryInterval: 60,
            contentType: 'text/plain',
            responseTopic: 'answers',
            correlationData,
            userProperties: [
              ['a', '1'],
              ['a', '2'],
            ],
          },
          publisherId: 'lamp',
          expiresAtMs: 1_750_000_000_123,
        });
        expect(a.peers.publish('b', { message, uid: 'will-7' })).toBe(true);
        payload.fill(0);
        correlationData.fill(0);
        await trial.until(() => b.heard.length > 0);
        const expected = {
          ...message,
          payload: Uint8Array.of(1, 2, 3),
          properties: { ...message.properties, correlationData: Uint8Array.of(4, 5) },
        };
        expect(b.heard).toEqual([{ is: 'publish', message: { message: expected, uid: 'will-7' } }]);
      });

      it('arrives in order, whatever it is, and once', async () => {
        await using trial = await PeersTrial.open(open);
        const [a, b] = await trial.pair();
        const sent: string[] = [];
        const outcomes: Promise<boolean>[] = [];
        for (let i = 0; i < 200; i++) {
          sent.push(`publish ${i}`, `deliver ${i}`, `deliver ${i}b`, `push ${i}`, `kick ${i}`);
          a.peers.publish('b', deliveryOf(`${i}`, { qos: 0 }));
          outcomes.push(a.peers.deliver('b', [deliveryOf(`${i}`), deliveryOf(`${i}b`, { qos: 2 })]));
          a.peers.push('b', pushOf(i));
          a.peers.kick('b', 'lamp', i);
          if (i % 50 === 0) await trial.until(() => b.heard.length > 0);
        }
        expect(await trial.settled(Promise.all(outcomes))).toEqual(outcomes.map(() => true));
        await a.marker('b');
        expect(b.words().slice(0, -1)).toEqual(sent);
      });

      it('says which member of a shared group it is for, and of no other that it is for one', async () => {
        await using trial = await PeersTrial.open(open);
        const [a, b] = await trial.pair();
        const member = { sharedFilter: '$share/wörk/lamp/+', generation: 'g7' };
        const other = { sharedFilter: '$queue/lamp/#', generation: 'g8' };
        const qos0 = deliveryOf('one', { qos: 0 });
        const qos1 = deliveryOf('two');
        const qos2 = { ...deliveryOf('three', { qos: 2, expiresAtMs: 1_750_000_000_123 }), uid: 'uid-3' };
        // Together, so that one could be taken for the other's.
        a.peers.publish('b', { ...qos0, member });
        a.peers.publish('b', qos0);
        a.peers.publish('b', { ...qos0, member: other });
        const taken = a.peers.deliver('b', [{ ...qos1, member }, qos1, { ...qos2, member: other }, qos2]);
        expect(await trial.settled(taken)).toBe(true);
        expect(b.heard).toEqual([
          { is: 'publish', message: { ...qos0, member } },
          { is: 'publish', message: qos0 },
          { is: 'publish', message: { ...qos0, member: other } },
          { is: 'deliver', message: { ...qos1, member } },
          { is: 'deliver', message: qos1 },
          { is: 'deliver', message: { ...qos2, member: other } },
          { is: 'deliver', message: qos2 },
        ]);
      });

      it('pushes tell what was stored, or that something may have been', async () => {
        await using trial = await PeersTrial.open(open);
        const [a, b] = await trial.pair();
        const subscriptionIdentifiers = [7, 300];
        const push = { ...pushOf(5), epoch: 9, generation: 'g2', sentSeq: 37 };
        const entry = { ...push.entry, qos: 1 as const, retain: true, subscriptionIdentifiers };
        a.peers.push('b', { ...push, entry });
        a.peers.push('b', { ...push, entry: undefined });
        // How it came into the queue is the store's to know.
        a.peers.push('b', { ...push, entry: { ...entry, sharedFilter: '$share/group/lamp' } });
        await a.marker('b');
        expect(b.heard.slice(0, 3)).toEqual([
          { is: 'push', push: { ...push, entry } },
          { is: 'push', push: { ...push, entry: undefined } },
          { is: 'push', push: { ...push, entry } },
        ]);
      });

      it('goes to the node that is named, and to no other', async () => {
        await using trial = await PeersTrial.open(open);
        const [a, b] = await trial.pair();
        const c = await trial.node('c');
        trial.meetAll();
        a.peers.kick('c', 'lamp', 1);
        c.peers.kick('b', 'lamp', 2);
        await a.marker('c');
        await c.marker('b');
        expect(c.words()).toEqual(['kick 1', 'deliver marker']);
        expect(b.words()).toEqual(['kick 2', 'deliver marker']);
      });
    });

    describe('deliveries', () => {
      it('none are taken at once', async () => {
        await using trial = await PeersTrial.open(open);
        const [a] = await trial.pair();
        expect(await a.peers.deliver('b', [])).toBe(true);
      });

      it('are settled when the other node has taken charge of them, not before', async () => {
        await using trial = await PeersTrial.open(open);
        const [a, b] = await trial.pair();
        let hadArrived: boolean | undefined;
        const outcome = a.peers.deliver('b', [deliveryOf('one'), deliveryOf('two')]).then((taken) => {
          hadArrived = b.words().includes('deliver two');
          return taken;
        });
        await trial.until(() => hadArrived !== undefined);
        expect(await outcome).toBe(true);
        expect(hadArrived).toBe(true);
      });

      it('large ones and many arrive like any other', async () => {
        await using trial = await PeersTrial.open(open);
        const [a, b] = await trial.pair();
        const large = 'x'.repeat(700_000);
        const many = Array.from({ length: 3000 }, (_, i) => deliveryOf(`${i} ${'y'.repeat(200)}`));
        const outcomes = Promise.all([a.peers.deliver('b', [deliveryOf(large)]), a.peers.deliver('b', many)]);
        await trial.until(() => b.heard.length > 3000);
        expect(await trial.settled(outcomes)).toEqual([true, true]);
        expect(b.words().map((word) => Number(word.split(' ')[1]))).toEqual([Number.NaN, ...many.keys()]);
      });

      it('a node that we do not name yet is heard: it has read the register before us', async () => {
        await using trial = await PeersTrial.open(open);
        const a = await trial.node('a');
        const b = await trial.node('b');
        a.peers.meet([trial.member('a', 'b')]);
        expect(await trial.settled(a.peers.deliver('b', [deliveryOf('early')]))).toBe(true);
        expect(b.words()).toEqual(['deliver early']);
      });
    });

    describe('a node that there is not', () => {
      it('gets nothing, and nobody waits for it', async () => {
        await using trial = await PeersTrial.open(open);
        const [a] = await trial.pair();
        expect(a.peers.publish('nobody', deliveryOf('lost', { qos: 0 }))).toBe(false);
        expect(await a.peers.deliver('nobody', [deliveryOf('lost')])).toBe(false);
        expect(await a.peers.asksStore('nobody')).toBe(undefined);
        expect(a.peers.unreachableMs('nobody')).toBe(0);
        a.peers.push('nobody', pushOf(1));
        a.peers.kick('nobody', 'lamp', 1);
        a.peers.giveUp('nobody');
      });

      it('we are not our own peer', async () => {
        await using trial = await PeersTrial.open(open);
        const [a] = await trial.pair();
        expect(a.peers.publish('a', deliveryOf('to myself', { qos: 0 }))).toBe(false);
        expect(await a.peers.deliver('a', [deliveryOf('to myself')])).toBe(false);
      });
    });

    describe('the question whether the store answers', () => {
      it('is answered by the node that is asked', async () => {
        await using trial = await PeersTrial.open(open);
        const [a, b] = await trial.pair();
        expect(await trial.settled(a.peers.asksStore('b'))).toBe(true);
        b.hasStore = false;
        expect(await trial.settled(a.peers.asksStore('b'))).toBe(false);
      });

      it('is not answered by a node that cannot be reached', async () => {
        await using trial = await PeersTrial.open(open);
        const [a] = await trial.pair();
        trial.place.cut('a', 'b');
        expect(await trial.settled(a.peers.asksStore('b'))).toBe(undefined);
      });
    });

    describe('closing', () => {
      it('ends what waits, and is not heard any more', async () => {
        await using trial = await PeersTrial.open(open);
        const [a, b] = await trial.pair();
        trial.place.cut('a', 'b');
        const waits = a.peers.deliver('b', [deliveryOf('late')]);
        await trial.settled(a.peers.close());
        expect(await trial.settled(waits)).toBe(false);
        expect(a.peers.publish('b', deliveryOf('later', { qos: 0 }))).toBe(false);
        expect(await trial.settled(b.peers.asksStore('a'))).toBe(undefined);
        await trial.settled(a.peers.close());
        expect(b.words()).toEqual([]);
      });

      it('a node that has closed hears nothing', async () => {
        await using trial = await PeersTrial.open(open);
        const [a, b] = await trial.pair();
        await trial.settled(b.peers.close());
        const waits = a.peers.deliver('b', [deliveryOf('late')]);
        await trial.until(() => a.peers.unreachableMs('b') > 0);
        const looks = b.looks;
        a.peers.meet([]);
        expect(await trial.settled(waits)).toBe(false);
        expect(b.words()).toEqual([]);
        expect(b.looks).toBe(looks);
      });
    });

    describePeerBreaks(words, open);
  });
}
