// What Peers must do when ways break, are too narrow, or end.

import { deliveryOf, type OpenPeers, PeersTrial, pushOf } from './peers-trial.ts';
import type { TestWords } from './trial.ts';

/** The part of the suite in which ways are cut, and nodes come and go. */
export function describePeerBreaks({ describe, it, expect }: TestWords, open: OpenPeers): void {
  describe('a way that is cut and healed', () => {
    it('what waited meanwhile arrives, in order, and once', async () => {
      await using trial = await PeersTrial.open(open);
      const [a, b] = await trial.pair();
      trial.place.cut('a', 'b');
      const outcomes = [0, 1, 2].map((i) => a.peers.deliver('b', [deliveryOf(`${i}`), deliveryOf(`${i}b`)]));
      await trial.until(() => a.peers.unreachableMs('b') > 0);
      trial.place.heal('a', 'b');
      expect(await trial.settled(Promise.all(outcomes))).toEqual([true, true, true]);
      await a.marker('b');
      expect(b.words().filter((word) => word !== 'deliver marker')).toEqual(
        ['0', '0b', '1', '1b', '2', '2b'].map((text) => `deliver ${text}`),
      );
    });

    it('nothing is lost and nothing comes twice, however often it is cut', async () => {
      await using trial = await PeersTrial.open(open);
      const [a, b] = await trial.pair();
      const outcomes: Promise<boolean>[] = [];
      let sent = 0;
      const sendSome = (): void => {
        for (let i = 0; i < 50; i++) {
          outcomes.push(a.peers.deliver('b', [deliveryOf(`${sent}`)]));
          sent += 1;
        }
      };
      for (let round = 0; round < 5; round++) {
        const heard = b.heard.length;
        sendSome();
        await trial.until(() => b.heard.length > heard);
        sendSome();
        trial.place.cut('a', 'b');
        sendSome();
        await trial.until(() => a.peers.unreachableMs('b') > 0);
        trial.place.heal('a', 'b');
      }
      expect(await trial.settled(Promise.all(outcomes))).toEqual(outcomes.map(() => true));
      expect(b.words()).toEqual(Array.from({ length: sent }, (_, i) => `deliver ${i}`));
    });

    it('what waits for it keeps its order, whatever it is', async () => {
      await using trial = await PeersTrial.open(open);
      const [a, b] = await trial.pair();
      trial.place.cut('a', 'b');
      const first = a.peers.deliver('b', [deliveryOf('1')]);
      await trial.until(() => a.peers.unreachableMs('b') > 0);
      expect(a.peers.publish('b', deliveryOf('2', { qos: 0 }))).toBe(true);
      const third = a.peers.deliver('b', [deliveryOf('3')]);
      a.peers.push('b', pushOf(4));
      a.peers.kick('b', 'lamp', 5);
      trial.place.heal('a', 'b');
      expect(await trial.settled(Promise.all([first, third]))).toEqual([true, true]);
      await a.marker('b');
      expect(b.words()).toEqual(['deliver 1', 'publish 2', 'deliver 3', 'push 4', 'kick 5', 'deliver marker']);
    });

    it('the other way is not affected', async () => {
      await using trial = await PeersTrial.open(open);
      const [a, b] = await trial.pair();
      trial.place.cut('a', 'b');
      b.peers.kick('a', 'lamp', 1);
      await b.marker('a');
      expect(a.words()).toEqual(['kick 1', 'deliver marker']);
    });

    it('the receiver has a look when it opens, breaks, and opens again', async () => {
      await using trial = await PeersTrial.open(open);
      const a = await trial.node('a');
      const b = await trial.node('b');
      expect(b.looks).toBe(0);
      a.peers.meet([trial.member('a', 'b')]);
      await trial.until(() => b.looks === 1);
      await a.marker('b');
      expect(b.looks).toBe(1);
      trial.place.cut('a', 'b');
      await trial.until(() => b.looks === 2);
      trial.place.heal('a', 'b');
      await trial.until(() => b.looks === 3);
      await a.marker('b');
      expect(b.looks).toBe(3);
      expect(a.looks).toBe(0);
    });

    it('the receiver has a look whenever the members are named while it is broken [rule: Push]', async () => {
      await using trial = await PeersTrial.open(open);
      const a = await trial.node('a');
      const b = await trial.node('b');
      a.peers.meet([trial.member('a', 'b')]);
      b.peers.meet([trial.member('b', 'a')]);
      await a.marker('b');
      const heard = b.looks;
      b.peers.meet([trial.member('b', 'a')]);
      await a.marker('b');
      expect(b.looks).toBe(heard);
      trial.place.cut('a', 'b');
      await trial.until(() => b.looks === heard + 1);
      for (const more of [2, 3]) {
        b.peers.meet([trial.member('b', 'a')]);
        await trial.until(() => b.looks === heard + more);
      }
    });
  });

  describe('a node that does not keep up', () => {
    const unsentMaxBytes = 65_536;
    const kilobyte = 'x'.repeat(1024);

    it('QoS 0 messages are dropped beyond the bound, and their publishers told', async () => {
      await using trial = await PeersTrial.open(open, { unsentMaxBytes });
      const [a, b] = await trial.pair();
      trial.place.cut('a', 'b');
      const outcome = a.peers.deliver('b', [deliveryOf('first')]);
      await trial.until(() => a.peers.unreachableMs('b') > 0);
      let taken = 0;
      while (a.peers.publish('b', deliveryOf(`${taken} ${kilobyte}`, { qos: 0 }))) taken += 1;
      expect(taken).toBeGreaterThan(30);
      expect(taken).toBeLessThan(66);
      trial.place.heal('a', 'b');
      expect(await trial.settled(outcome)).toBe(true);
      await a.marker('b');
      expect(b.heard.filter(({ is }) => is === 'publish')).toHaveLength(taken);
      expect(a.peers.publish('b', deliveryOf('again', { qos: 0 }))).toBe(true);
    });

    it('pushes are dropped, and it is told to look', async () => {
      await using trial = await PeersTrial.open(open, { unsentMaxBytes });
      const [a, b] = await trial.pair();
      // In one turn, so that nothing can leave meanwhile.
      while (a.peers.publish('b', deliveryOf(kilobyte, { qos: 0 })));
      const { looks } = b;
      a.peers.push('b', pushOf(1));
      a.peers.kick('b', 'lamp', 1);
      await a.marker('b');
      expect(b.words().filter((word) => word.startsWith('push') || word.startsWith('kick'))).toEqual([]);
      expect(b.looks).toBe(looks + 1);
    });

    it('deliveries are kept: their publishers wait for them', async () => {
      await using trial = await PeersTrial.open(open, { unsentMaxBytes });
      const [a, b] = await trial.pair();
      const outcomes = Array.from({ length: 300 }, (_, i) => a.peers.deliver('b', [deliveryOf(`${i} ${kilobyte}`)]));
      expect(await trial.settled(Promise.all(outcomes))).toEqual(outcomes.map(() => true));
      expect(b.heard).toHaveLength(300);
    });
  });

  describe('a node that cannot be reached', () => {
    it('is said to be so while deliveries wait for it, and not before', async () => {
      await using trial = await PeersTrial.open(open);
      const [a] = await trial.pair();
      expect(a.peers.unreachableMs('b')).toBe(0);
      trial.place.cut('a', 'b');
      const outcome = a.peers.deliver('b', [deliveryOf('late')]);
      await trial.until(() => a.peers.unreachableMs('b') >= 100);
      trial.place.heal('a', 'b');
      expect(await trial.settled(outcome)).toBe(true);
      expect(a.peers.unreachableMs('b')).toBe(0);
    });

    it('what is given up does not arrive later, and what comes after it does', async () => {
      await using trial = await PeersTrial.open(open);
      const [a, b] = await trial.pair();
      trial.place.cut('a', 'b');
      // Whatever the cut does to what is on its way, what comes after it has been noticed cannot arrive.
      const unlucky = a.peers.deliver('b', [deliveryOf('unlucky')]);
      await trial.until(() => a.peers.unreachableMs('b') > 0);
      const late = a.peers.deliver('b', [deliveryOf('late'), deliveryOf('later')]);
      a.peers.giveUp('b');
      expect(await trial.settled(Promise.all([unlucky, late]))).toEqual([false, false]);
      expect(a.peers.unreachableMs('b')).toBe(0);
      const next = a.peers.deliver('b', [deliveryOf('next')]);
      trial.place.heal('a', 'b');
      expect(await trial.settled(next)).toBe(true);
      await a.marker('b');
      expect(b.words().filter((word) => word.includes('late'))).toEqual([]);
      expect(b.words().slice(-2)).toEqual(['deliver next', 'deliver marker']);
    });

    it('giving up an open way leaves no gap in it', async () => {
      await using trial = await PeersTrial.open(open);
      const [a, b] = await trial.pair();
      const outcomes = [1, 2, 3].map((i) => a.peers.deliver('b', [deliveryOf(`${i}`)]));
      a.peers.giveUp('b');
      expect(await trial.settled(Promise.all(outcomes))).toEqual([false, false, false]);
      expect(await trial.settled(a.peers.deliver('b', [deliveryOf('4')]))).toBe(true);
      expect(b.words().slice(-1)).toEqual(['deliver 4']);
    });
  });

  describe('a node that is no longer named', () => {
    it('nobody waits for it, and it gets nothing', async () => {
      await using trial = await PeersTrial.open(open);
      const [a, b] = await trial.pair();
      trial.place.cut('a', 'b');
      const outcome = a.peers.deliver('b', [deliveryOf('late')]);
      await trial.until(() => a.peers.unreachableMs('b') > 0);
      a.peers.meet([trial.member('a', 'a')]);
      expect(await trial.settled(outcome)).toBe(false);
      expect(a.peers.publish('b', deliveryOf('later', { qos: 0 }))).toBe(false);
      expect(a.peers.unreachableMs('b')).toBe(0);
      expect(b.words()).toEqual([]);
    });

    it('is not heard any more', async () => {
      await using trial = await PeersTrial.open(open);
      const [a, b] = await trial.pair();
      b.peers.meet([trial.member('b', 'b')]);
      const outcome = a.peers.deliver('b', [deliveryOf('from the dead')]);
      await trial.until(() => a.peers.unreachableMs('b') > 0);
      a.peers.giveUp('b');
      expect(await trial.settled(outcome)).toBe(false);
      expect(b.words()).toEqual([]);
    });

    it('and is named again: what is new arrives, what is old does not come twice', async () => {
      await using trial = await PeersTrial.open(open);
      const [a, b] = await trial.pair();
      expect(await trial.settled(a.peers.deliver('b', [deliveryOf('before')]))).toBe(true);
      a.peers.meet([]);
      b.peers.meet([]);
      trial.meetAll();
      expect(await trial.settled(a.peers.deliver('b', [deliveryOf('after')]))).toBe(true);
      expect(b.words()).toEqual(['deliver before', 'deliver after']);
    });
  });
}
