// What every store must do while a Session's queue is drained: reserve what may be sent, page over holes, say how far
// it goes, forget what was acknowledged, remember what PUBREL is owed [MQTT 4.3.2, 4.3.3, 4.4].

import { messageOn, subscriptionTo, textOf } from './samples.ts';
import { type OpenTrial, type TestWords, targetOf, unfenced } from './trial.ts';

/** The suite of {@link Queues.read}, {@link Queues.ends}, {@link Queues.ack}, {@link Queues.rec} and of what is reserved. */
export function describeDeliveries(words: TestWords, open: OpenTrial): void {
  describeReservation(words, open);
  describeRead(words, open);
  describeEnds(words, open);
  describeSettlement(words, open);
}

function describeReservation({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('rule: st is a reservation', () => {
    it('is made by an enqueue for a Session that is owned and nearly empty, some ahead', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('a')], { receiveMaximum: 4 });
      for (let seq = 1; seq <= 4; seq++) {
        const { entry, sentSeq } = await trial.queue(claim, messageOn('a'));
        expect(entry.seq).toBe(seq);
        expect(sentSeq).toBeGreaterThanOrEqual(seq);
      }
    });

    it('is made for no more than the Client may have in flight, roughly, if it does not acknowledge', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('a')], { receiveMaximum: 4 });
      let last = { seq: 0, sentSeq: 0 };
      for (let i = 0; i < 50; i++) {
        const { entry, sentSeq } = await trial.queue(claim, messageOn('a'));
        last = { seq: entry.seq, sentSeq };
      }
      expect(last.seq).toBe(50);
      expect(last.sentSeq).toBeLessThan(16);
    });

    it('is not made for a Session without an owner', async () => {
      await using trial = await open();
      const lamp = await trial.subscribed('lamp', [subscriptionTo('a')]);
      await trial.release(lamp);
      expect(await trial.queue(lamp.claim, messageOn('a'))).toMatchObject({ owner: undefined, sentSeq: 0 });
      expect(await trial.acquire('lamp')).toMatchObject({ headSeq: 1, sentSeq: 0 });
    });

    it('is made by a read of what it returns, and of nothing else', async () => {
      await using trial = await open();
      const lamp = await trial.subscribed('lamp', [subscriptionTo('a')]);
      await trial.release(lamp);
      for (let i = 0; i < 5; i++) await trial.queue(lamp.claim, messageOn('a'));
      const { claim } = await trial.acquire('lamp');
      unfenced(await trial.store.queues.read(claim, 1, 3));
      expect(await trial.acquire('lamp')).toMatchObject({ sentSeq: 3 });
    });

    it('is cut to what exists when a Session is acquired from an owner that said nothing', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('a')]);
      const { sentSeq } = await trial.queue(claim, messageOn('a'));
      expect(sentSeq).toBeGreaterThan(1);
      expect(await trial.acquire('lamp')).toMatchObject({ headSeq: 1, sentSeq: 1 });
    });

    it('is cut to what was really sent when its owner releases it, but never raised', async () => {
      await using trial = await open();
      const lamp = await trial.subscribed('lamp', [subscriptionTo('a')]);
      for (let i = 0; i < 3; i++) await trial.queue(lamp.claim, messageOn('a'));
      await trial.release(lamp, { sentSeq: 2 });
      const second = await trial.acquire('lamp');
      expect(second.sentSeq).toBe(2);
      await trial.release(second, { sentSeq: 99 });
      expect((await trial.acquire('lamp')).sentSeq).toBe(2);
    });

    it('keeps what it covers from expiry; what lies above it expires when it is read [MQTT-3.3.2-5]', async () => {
      await using trial = await open();
      const lamp = await trial.subscribed('lamp', [subscriptionTo('a')]);
      const expiresAtMs = trial.clock.nowMs() + 1000;
      for (const text of ['1', '2', '3']) await trial.queue(lamp.claim, messageOn('a', text, { expiresAtMs }));
      await trial.release(lamp, { sentSeq: 1 });
      await trial.queue(lamp.claim, messageOn('a', '4'));
      await trial.clock.advance(1000);
      const { claim } = await trial.acquire('lamp');
      const { entries, ...read } = unfenced(await trial.store.queues.read(claim, 1, 10));
      expect(entries.map(({ message }) => textOf(message))).toEqual(['1', '4']);
      expect(read).toEqual({ nextSeq: 5, endSeq: 5, expired: 2, releases: [] });
      expect(unfenced(await trial.store.queues.read(claim, 1, 10))).toMatchObject({ expired: 0 });
    });
  });
}

function describeRead({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('read', () => {
    it('answers in order of seq, page after page, from any seq on', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('a')]);
      for (let seq = 1; seq <= 7; seq++) await trial.queue(claim, messageOn('a', `${seq}`));
      const page = async (fromSeq: number): Promise<unknown> => {
        const { entries, nextSeq, endSeq } = unfenced(await trial.store.queues.read(claim, fromSeq, 3));
        return { seqs: entries.map(({ seq }) => seq), nextSeq, endSeq };
      };
      expect(await page(1)).toEqual({ seqs: [1, 2, 3], nextSeq: 4, endSeq: 8 });
      expect(await page(4)).toEqual({ seqs: [4, 5, 6], nextSeq: 7, endSeq: 8 });
      expect(await page(7)).toEqual({ seqs: [7], nextSeq: 8, endSeq: 8 });
      expect(await page(8)).toEqual({ seqs: [], nextSeq: 8, endSeq: 8 });
      expect(await page(2)).toEqual({ seqs: [2, 3, 4], nextSeq: 5, endSeq: 8 });
    });

    it('passes over holes, however wide, in a bounded number of pages', async () => {
      await using trial = await open({ queueMaxMessages: 20_000 });
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('a')]);
      const count = 10_000;
      const one = { message: messageOn('a'), targets: [targetOf(claim, ['a'])], isRefusable: false, uid: undefined };
      await trial.store.queues.enqueue(Array.from({ length: count }, () => one));
      const live = new Set([1, 2, 5000, 9999, 10_000]);
      const seqs = Array.from({ length: count }, (_, i) => i + 1).filter((seq) => !live.has(seq));
      await trial.store.queues.ack([{ ...claim, seqs }]);

      const found: number[] = [];
      let pages = 0;
      for (let seq = 1; ; pages++) {
        const read = unfenced(await trial.store.queues.read(claim, seq, 2));
        found.push(...read.entries.map((entry) => entry.seq));
        expect(read.nextSeq).toBeGreaterThan(seq);
        seq = read.nextSeq;
        if (seq >= read.endSeq) break;
      }
      expect(found).toEqual([...live]);
      expect(pages).toBeLessThan(100);
    });

    it('begins at the first live entry, whatever is asked for', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('a')]);
      for (let i = 0; i < 4; i++) await trial.queue(claim, messageOn('a'));
      await trial.store.queues.ack([{ ...claim, seqs: [1, 2] }]);
      const read = unfenced(await trial.store.queues.read(claim, 0, 10));
      expect(read.entries.map(({ seq }) => seq)).toEqual([3, 4]);
    });

    it('returns at least one entry, however large, and few if they are', async () => {
      await using trial = await open({ queueMaxBytes: 64 * 1024 * 1024 });
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('a')]);
      const large = messageOn('a', '', { payload: new Uint8Array(3 * 1024 * 1024) });
      for (let i = 0; i < 3; i++) await trial.queue(claim, large);
      const read = unfenced(await trial.store.queues.read(claim, 1, 100));
      expect(read.entries.length).toBeGreaterThan(0);
      expect(read.entries.length).toBeLessThan(3);
      expect(await trial.readAll(claim)).toHaveLength(3);
    });

    it('leaves out entries whose PUBREL is owed, and names them', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('a')]);
      for (let i = 0; i < 5; i++) await trial.queue(claim, messageOn('a', 'x', { qos: 2 }));
      await trial.store.queues.rec([{ ...claim, seqs: [4, 2] }]);
      const { entries, releases } = unfenced(await trial.store.queues.read(claim, 1, 2));
      expect(entries.map(({ seq }) => seq)).toEqual([1, 3]);
      expect(releases).toEqual([2]);
      expect(unfenced(await trial.store.queues.read(claim, 4, 10))).toMatchObject({ releases: [4], nextSeq: 6 });
    });

    it('names PUBRELs whose PUBREC an earlier connection brought to the store after the acquire [MQTT-4.4.0-1]', async () => {
      await using trial = await open();
      const first = await trial.subscribed('lamp', [subscriptionTo('a')]);
      await trial.queue(first.claim, messageOn('a', '1', { qos: 2 }));
      await trial.queue(first.claim, messageOn('a', '2', { qos: 2 }));
      const second = await trial.acquire('lamp');
      expect(second.releases).toEqual([]);
      await trial.store.queues.rec([{ ...first.claim, seqs: [1] }]);
      const { entries, releases } = unfenced(await trial.store.queues.read(second.claim, second.headSeq, 10));
      expect(releases).toEqual([1]);
      expect(entries.map(({ seq }) => seq)).toEqual([2]);
    });
  });
}

function describeEnds({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('ends', () => {
    it('names the seq that the next message will get, of each Session that is asked for, and reserves nothing', async () => {
      await using trial = await open();
      const { queues } = trial.store;
      const lamp = await trial.subscribed('lamp', [subscriptionTo('a')]);
      const door = await trial.subscribed('door', [subscriptionTo('a'), subscriptionTo('b', { qos: 0 })]);
      expect(await queues.ends([lamp.claim, door.claim])).toEqual([1, 1]);
      for (let i = 0; i < 3; i++) await trial.queue(door.claim, messageOn('a'));
      await trial.enqueue(door.claim, messageOn('b')); // granted QoS 0, it takes no seq
      expect(await queues.ends([door.claim, lamp.claim, door.claim])).toEqual([4, 1, 4]);
      expect(unfenced(await queues.read(door.claim, 1, 1)).endSeq).toBe(4);
      await queues.ack([{ ...door.claim, seqs: [1, 2, 3] }]);
      expect(await queues.ends([door.claim])).toEqual([4]);
      await trial.release(door);
      await trial.queue(door.claim, messageOn('a'));
      const back = await trial.acquire('door');
      expect(await queues.ends([back.claim])).toEqual([5]);
      expect(await trial.acquire('door')).toMatchObject({ sentSeq: 3 });
      expect(await queues.ends([])).toEqual([]);
    });

    it('tells whoever owned the Session before that somebody else does', async () => {
      await using trial = await open();
      const { queues } = trial.store;
      const first = await trial.subscribed('lamp', [subscriptionTo('a')], { owner: 'node-a' });
      await trial.queue(first.claim, messageOn('a'));
      const second = await trial.acquire('lamp', { owner: 'node-b' });
      expect(await queues.ends([first.claim, second.claim])).toEqual(['fenced', 2]);
      await trial.release(second);
      expect(await queues.ends([second.claim])).toEqual(['fenced']);
      const third = await trial.acquire('lamp', { cleanStart: true });
      const never = { clientId: 'nobody', generation: 'none', epoch: 1 };
      const old = { ...third.claim, generation: second.claim.generation };
      expect(await queues.ends([never, third.claim, old])).toEqual(['fenced', 1, 'fenced']);
    });

    it('answers for a Session that keeps no queue here as well, since it is owned', async () => {
      await using trial = await open();
      const lamp = await trial.acquire('lamp', { sessionExpirySeconds: 0 });
      const [end] = await trial.store.queues.ends([lamp.claim]);
      expect(typeof end).toBe('number');
      await trial.release(lamp, { sessionExpirySeconds: 0 });
      expect(await trial.store.queues.ends([lamp.claim])).toEqual(['fenced']);
    });
  });
}

function describeSettlement({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('ack and rec', () => {
    it('take acknowledgements out of order, and repeated', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('a')]);
      for (let i = 0; i < 5; i++) await trial.queue(claim, messageOn('a'));
      const { ack } = trial.store.queues;
      await ack([{ ...claim, seqs: [4, 2] }]);
      expect(await trial.acquire('lamp')).toMatchObject({ headSeq: 1 });
      await ack([{ ...claim, seqs: [1, 2] }]);
      expect(await trial.acquire('lamp')).toMatchObject({ headSeq: 3, sentSeq: 5 });
      await ack([{ ...claim, seqs: [3, 77] }]);
      const last = await trial.acquire('lamp');
      expect(last).toMatchObject({ headSeq: 5, sentSeq: 5 });
      expect((await trial.readAll(last.claim)).map(({ seq }) => seq)).toEqual([5]);
      await ack([{ ...claim, seqs: [5] }]);
      expect(await trial.acquire('lamp')).toMatchObject({ headSeq: 6, sentSeq: 5 });
    });

    it('let an acknowledgement of an earlier connection count, for it names the message for certain', async () => {
      await using trial = await open();
      const first = await trial.subscribed('lamp', [subscriptionTo('a')]);
      await trial.queue(first.claim, messageOn('a', '1'));
      await trial.queue(first.claim, messageOn('a', '2'));
      await trial.release(first, { sentSeq: 2 });
      const second = await trial.acquire('lamp');
      await trial.store.queues.ack([{ ...first.claim, seqs: [1] }]);
      expect((await trial.readAll(second.claim)).map(({ message }) => textOf(message))).toEqual(['2']);
    });

    it('ignore one of an earlier generation', async () => {
      await using trial = await open();
      const first = await trial.subscribed('lamp', [subscriptionTo('a')]);
      await trial.queue(first.claim, messageOn('a', 'old'));
      const second = await trial.subscribed('lamp', [subscriptionTo('a')]);
      await trial.queue(second.claim, messageOn('a', 'new', { qos: 2 }));
      await trial.store.queues.ack([{ ...first.claim, seqs: [1] }]);
      await trial.store.queues.rec([{ ...first.claim, seqs: [1] }]);
      await trial.store.queues.ack([{ clientId: 'nobody', generation: 'none', seqs: [1] }]);
      expect((await trial.readAll(second.claim)).map(({ message }) => textOf(message))).toEqual(['new']);
      expect((await trial.acquire('lamp')).releases).toEqual([]);
    });

    it('keep the duty to send PUBREL, in the order of the PUBRECs, until PUBCOMP [MQTT-4.3.3-5, MQTT-4.6.0-4]', async () => {
      await using trial = await open();
      const first = await trial.subscribed('lamp', [subscriptionTo('a')]);
      for (let i = 0; i < 4; i++) await trial.queue(first.claim, messageOn('a', `${i + 1}`, { qos: 2 }));
      await trial.store.queues.rec([{ ...first.claim, seqs: [3] }]);
      await trial.store.queues.rec([{ ...first.claim, seqs: [1] }]);
      await trial.store.queues.rec([{ ...first.claim, seqs: [3] }]);
      await trial.store.queues.rec([{ ...first.claim, seqs: [2] }]);
      await trial.release(first, { sentSeq: 4 });

      const second = await trial.acquire('lamp');
      expect(second.releases).toEqual([3, 1, 2]);
      expect((await trial.readAll(second.claim)).map(({ seq }) => seq)).toEqual([4]);
      await trial.store.queues.ack([{ ...second.claim, seqs: [1] }]);
      expect((await trial.acquire('lamp')).releases).toEqual([3, 2]);
    });

    it('free the room in the queue', async () => {
      await using trial = await open({ queueMaxMessages: 2 });
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('a')]);
      await trial.queue(claim, messageOn('a', '1', { qos: 2 }));
      await trial.queue(claim, messageOn('a', '2'));
      await trial.store.queues.rec([{ ...claim, seqs: [1] }]);
      await trial.queue(claim, messageOn('a', '3'));
      await trial.store.queues.ack([{ ...claim, seqs: [2] }]);
      await trial.queue(claim, messageOn('a', '4'));
      expect(await trial.enqueue(claim, messageOn('a', '5'))).toMatchObject({ is: 'full' });
    });

    it('settle many Sessions in one call', async () => {
      await using trial = await open();
      const claims = [];
      for (const clientId of ['x', 'y', 'z']) {
        const { claim } = await trial.subscribed(clientId, [subscriptionTo('a')]);
        await trial.queue(claim, messageOn('a'));
        claims.push(claim);
      }
      await trial.store.queues.ack(claims.map((claim) => ({ ...claim, seqs: [1] })));
      for (const claim of claims) expect(await trial.readAll(claim)).toEqual([]);
    });
  });

  describe('a seq is never given twice in a generation', () => {
    it('though the queue was emptied in between, and the Client was away', async () => {
      await using trial = await open();
      const lamp = await trial.subscribed('lamp', [subscriptionTo('a')]);
      await trial.queue(lamp.claim, messageOn('a'));
      await trial.store.queues.ack([{ ...lamp.claim, seqs: [1] }]);
      await trial.release(lamp, { sentSeq: 1 });
      expect((await trial.queue(lamp.claim, messageOn('a'))).entry.seq).toBe(2);
    });
  });
}
