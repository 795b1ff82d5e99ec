import { ReasonCode } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import { acquireOf, messageOn, subscriptionTo, textOf } from './contract/samples.ts';
import { SeededRandom } from './contract/seeded-random.ts';
import { unfenced } from './contract/trial.ts';
import type { Message } from './message.ts';
import type { Enqueue, QueueEntry } from './ports.ts';
import type { Session } from './session/session.ts';
import { LaneTrial } from './testing/lane-trial.ts';
import { forEachSeed } from './testing/seeds.ts';
import type { PendingCall } from './testing/unreliable-store.ts';

describe('the way of a message through the lane', () => {
  it('is stored before it is acknowledged, and goes to volatile Sessions here', async () => {
    const trial = await LaneTrial.open();
    const claim = await trial.stored('lamp', subscriptionTo('a'));
    const door = trial.volatile('door', subscriptionTo('+'));
    const calls: PendingCall[] = [];
    trial.meet = (call) => calls.push(call);
    const pushed = trial.push(messageOn('a', 'hello'));
    for (const name of ['routes.version', 'queues.enqueue']) {
      await trial.around.clock.settle();
      expect(calls.map((call) => call.name)).toEqual([name]);
      expect(pushed.reasonCode).toBeUndefined();
      calls.shift()?.answer();
    }
    await trial.around.clock.settle();
    expect(pushed.reasonCode).toBe(ReasonCode.success);
    expect(await trial.queueOf(claim)).toEqual(['hello']);
    expect(door).toEqual(['hello']);
    expect(trial.queued).toBe(2);
  });

  it('answers No matching subscribers where there are none [§3.4.2.1]', async () => {
    const trial = await LaneTrial.open();
    const own = trial.volatile('publisher', subscriptionTo('own', { noLocal: true }));
    await trial.stored('lamp', subscriptionTo('b'));
    const pushed = [trial.push(messageOn('a')), trial.push(messageOn('own')), trial.push(messageOn('b'))];
    await trial.around.clock.settle();
    expect(pushed.map(({ reasonCode }) => reasonCode)).toEqual([
      ReasonCode.noMatchingSubscribers,
      ReasonCode.noMatchingSubscribers,
      ReasonCode.success,
    ]);
    expect(own).toEqual([]);
    expect(trial.around.dropped).toEqual({ no_subscriber: 2 });
  });

  it('notes QoS 2 identifiers first, then stores what is retained, then reads the version, then enqueues', async () => {
    const trial = await LaneTrial.open();
    const claim = await trial.stored('lamp', subscriptionTo('a'));
    const publisher = await trial.stored('publisher');
    trial.log.length = 0;
    trial.push(messageOn('a', '1', { qos: 2, retain: true }), {
      ingress: { claim: publisher, packetId: 7, uid: 'u7' },
    });
    trial.push(messageOn('a', '2', { qos: 0, retain: true }));
    await trial.around.clock.settle();
    expect(trial.log).toEqual(['inbound.ingress', 'retained.set', 'routes.version', 'queues.enqueue']);
    expect(await trial.queueOf(claim)).toEqual(['1']);
    expect((await trial.behind.sessions.acquire(acquireOf('publisher'))).inbound).toMatchObject([{ packetId: 7 }]);
    expect((await trial.behind.retained.page('a', '')).messages.map(textOf)).toEqual(['2']);
    expect(await trial.behind.retained.count()).toBe(1);
  });

  it('keeps the place of what is not published again', async () => {
    const trial = await LaneTrial.open();
    const finished: string[] = [];
    const finish = (name: string) => (): number => finished.push(name);
    for (const name of ['1', '2', '3']) {
      const message = name === '2' ? undefined : messageOn('a', name);
      const rest = { ingress: undefined, uid: undefined, isRefusable: true, fenced: () => {} };
      trial.lane.push({ message, ...rest, finish: finish(name) });
    }
    await trial.around.clock.settle();
    expect(finished).toEqual(['1', '2', '3']);
  });

  it('does not put an old retained message back that another node has published under its uid [rule: QoS 2]', async () => {
    const trial = await LaneTrial.open();
    const offline = messageOn('lamp', 'offline', { retain: true });
    await trial.behind.retained.set([{ message: offline, uid: 'will', order: undefined }]);
    trial.push(messageOn('lamp', 'online', { retain: true }));
    trial.push(offline, { uid: 'will' });
    await trial.around.clock.settle();
    expect((await trial.behind.retained.page('lamp', '')).messages.map(textOf)).toEqual(['online']);
    expect(await trial.behind.retained.count()).toBe(1);
  });

  it('leaves the last of several retained messages in place when nobody knows whether they were stored', async () => {
    const trial = await LaneTrial.open();
    let lost = 0;
    trial.meet = (call) => {
      call.do();
      if (call.name === 'retained.set' && lost++ === 0) call.fail();
      else call.answer();
    };
    trial.push(messageOn('lamp', 'online', { retain: true }));
    trial.push(messageOn('lamp', 'offline', { retain: true }), { uid: 'will' });
    await trial.around.clock.advance(10_000);
    expect(lost).toBe(2);
    expect((await trial.behind.retained.page('lamp', '')).messages.map(textOf)).toEqual(['offline']);
    expect(await trial.behind.retained.count()).toBe(1);
  });

  it('counts a QoS 0 message that could not be retained, and delivers it', async () => {
    const trial = await LaneTrial.open({ retainedMaxMessages: 0 });
    const got = trial.volatile('door', subscriptionTo('a'));
    trial.push(messageOn('a', 'hello', { qos: 0, retain: true }));
    await trial.around.clock.settle();
    expect(got).toEqual(['hello']);
    expect(trial.notRetained).toBe(1);
  });
});

describe('[MQTT-4.3.3-10] a QoS 2 message whose Session another connection has taken meanwhile', () => {
  it('is neither published nor retained nor answered, for its Client sends it again there', async () => {
    const trial = await LaneTrial.open();
    const claim = await trial.stored('lamp', subscriptionTo('a'));
    const old = await trial.stored('publisher');
    await trial.stored('publisher');
    const ingress = { claim: old, packetId: 1, uid: 'u1' };
    const pushed = trial.push(messageOn('a', 'twice', { qos: 2, retain: true }), { ingress, uid: 'u1' });
    trial.push(messageOn('a', 'other', { qos: 1 }));
    await trial.around.clock.settle();
    expect(pushed).toEqual({ reasonCode: undefined, isFenced: true });
    expect(await trial.queueOf(claim)).toEqual(['other']);
    expect(await trial.behind.retained.count()).toBe(0);
  });
});

describe('rule: QoS 2, a message with a uid that is published again', () => {
  it('reaches nobody twice, stored or volatile, at QoS 2 or 0', async () => {
    const trial = await LaneTrial.open();
    const lamp = await trial.stored('lamp', subscriptionTo('a'));
    const door = trial.volatile('door', subscriptionTo('a'));
    const zero = trial.volatile('zero', subscriptionTo('a', { qos: 0 }));
    const codes: (ReasonCode | undefined)[] = [];
    for (let i = 0; i < 3; i++) {
      const pushed = [
        trial.push(messageOn('a', 'once', { qos: 2 }), { uid: 'u1' }),
        trial.push(messageOn('a', 'other', { qos: 2 }), { uid: i === 0 ? 'u2' : 'u1' }),
        trial.push(messageOn('a', 'none', { qos: 0 }), { uid: 'u3' }),
      ];
      await trial.around.clock.settle();
      codes.push(...pushed.map(({ reasonCode }) => reasonCode));
    }
    expect(await trial.queueOf(lamp)).toEqual(['once', 'other']);
    expect(door).toEqual(['once', 'other', 'none']);
    expect(zero).toEqual(['once', 'other', 'none']);
    expect(new Set(codes)).toEqual(new Set([ReasonCode.success]));
  });

  it('has a name that no other has, of this start of the node or another', () => {
    const { lane } = new LaneTrial();
    const uids = Array.from({ length: 1000 }, () => lane.newUid());
    expect(new Set(uids).size).toBe(1000);
    expect(uids.every((uid) => uid.startsWith('u'))).toBe(true);
  });

  it('is sent to a subscriber here, though the answer that would have said so was lost', async () => {
    const trial = await LaneTrial.open();
    const claim = await trial.stored('lamp', subscriptionTo('a'));
    const told: string[] = [];
    const session = new Proxy({ claim } as Session, {
      get: (target, name) => (name in target ? Reflect.get(target, name) : () => told.push(String(name))),
    });
    trial.sessions.set('lamp', session);
    let failures = 1;
    trial.meet = (call) => {
      call.do();
      if (call.name === 'queues.enqueue' && failures-- > 0) call.fail();
      else call.answer();
    };
    trial.push(messageOn('a', 'once', { qos: 2 }), { uid: 'u1' });
    await trial.around.clock.advance(1000);
    // The owner is pushed the message, or told to look for it.
    expect(told).toHaveLength(1);
  });
});

describe('rule: Read-index', () => {
  it('reads the version after the messages came, and waits for the table to be that new', async () => {
    const trial = await LaneTrial.open();
    trial.store.holdsRoutes = true;
    const first = trial.push(messageOn('a', '1'));
    const claim = await trial.stored('lamp', subscriptionTo('a'));
    await trial.around.clock.settle();
    expect(first.reasonCode).toBeUndefined();
    expect(trial.log).not.toContain('queues.enqueue');
    trial.store.tellRoutes();
    await trial.around.clock.settle();
    expect(first.reasonCode).toBe(ReasonCode.success);
    expect(await trial.queueOf(claim)).toEqual(['1']);
  });

  it('removes a route that leads nowhere any more, unless it was put anew', async () => {
    const trial = await LaneTrial.open();
    const gone = { topicFilter: 'a', clientId: 'gone', generation: 'of-long-ago' };
    await trial.behind.routes.put([gone]);
    const claim = await trial.stored('lamp', subscriptionTo('a'), subscriptionTo('b'));
    await trial.behind.sessions.unsubscribe(claim, ['a']);
    const removals: PendingCall[] = [];
    trial.meet = (call) => (call.name === 'routes.removeIf' ? removals.push(call) : call.answer());
    const pushed = trial.push(messageOn('a'));
    await trial.around.clock.settle();
    expect(pushed.reasonCode).toBe(ReasonCode.noMatchingSubscribers);
    expect(removals).toHaveLength(1);
    await trial.behind.routes.put([{ topicFilter: 'a', clientId: 'lamp', generation: claim.generation }]);
    for (const removal of removals) removal.answer();
    await trial.around.clock.settle();
    expect(trial.router.match('a').stored.map(({ clientId }) => clientId)).toEqual(['lamp']);
    expect(trial.router.match('b').stored).toHaveLength(1);
  });
});

describe('a batch that follows another', () => {
  it('waits a moment for more, the first one does not', async () => {
    const trial = await LaneTrial.open({ gatherMs: 5 });
    await trial.stored('lamp', subscriptionTo('a'));
    const held: PendingCall[] = [];
    trial.meet = (call) => (call.name === 'queues.enqueue' ? held.push(call) : call.answer());
    const pushed = [trial.push(messageOn('a', '1'))];
    await trial.around.clock.settle();
    expect(held).toHaveLength(1);
    pushed.push(trial.push(messageOn('a', '2')));
    held[0]?.answer();
    await trial.around.clock.settle();
    expect(held).toHaveLength(1);
    pushed.push(trial.push(messageOn('a', '3')));
    await trial.around.clock.advance(5);
    expect(held).toHaveLength(2);
    held[1]?.answer();
    await trial.around.clock.settle();
    expect(pushed.map(({ reasonCode }) => reasonCode)).toEqual([0, 0, 0]);
    pushed.push(trial.push(messageOn('a', '4')));
    await trial.around.clock.settle();
    expect(held).toHaveLength(3);
  });
});

describe('a store that refuses something for certain', () => {
  it('costs the message that it refuses, and no other, nor the process', async () => {
    const trial = await LaneTrial.open();
    const claim = await trial.stored('lamp', subscriptionTo('#'));
    const isPoisonous = ({ args: [sets] }: PendingCall): boolean => JSON.stringify(sets).includes('"poison"');
    trial.meet = (call) =>
      call.name === 'retained.set' && isPoisonous(call) ? call.fail(new TypeError('wrong')) : call.answer();
    const message = (topic: string, qos: 0 | 1 = 1): Message => messageOn(topic, topic, { retain: true, qos });
    const pushed = ['a', 'poison', 'b'].map((topic) => trial.push(message(topic)));
    const zero = trial.push(message('poison', 0));
    const last = trial.push(message('c'));
    for (let steps = 0; last.reasonCode === undefined && steps < 20; steps++) await trial.around.clock.settle();
    const { success, implementationSpecificError } = ReasonCode;
    expect([...pushed, last].map(({ reasonCode }) => reasonCode)).toEqual([
      success,
      implementationSpecificError,
      success,
      success,
    ]);
    expect(zero.reasonCode).toBeLessThan(0x80);
    expect(await trial.queueOf(claim)).toEqual(['a', 'b', 'c']);
    expect(trial.around.dropped).toMatchObject({ store_refused: 1 });
    expect(trial.around.counters.retainedNotStored).toBe(1);
    expect(trial.around.observer.of('internal_error')).toHaveLength(2);
  });
});

describe('a full queue under the policy refuse', () => {
  it('refuses the message as a whole, stored or volatile', async () => {
    const trial = await LaneTrial.open({ queueMaxMessages: 1, queueFull: 'refuse' });
    const full = await trial.stored('full', subscriptionTo('a'));
    const other = await trial.stored('other', subscriptionTo('+'));
    const door = trial.volatile('door', subscriptionTo('a'));
    const busy = trial.volatile('busy', subscriptionTo('v'), true);
    const pushed = ['1', '2'].map((text) => trial.push(messageOn('a', text)));
    const toBusy = trial.push(messageOn('v', '3'));
    const untold = trial.push(messageOn('v', '4'), { isRefusable: false });
    await trial.around.clock.settle();
    expect(pushed.map(({ reasonCode }) => reasonCode)).toEqual([ReasonCode.success, ReasonCode.quotaExceeded]);
    expect(toBusy.reasonCode).toBe(ReasonCode.quotaExceeded);
    expect(untold.reasonCode).toBe(ReasonCode.success);
    expect(await trial.queueOf(full)).toEqual(['1']);
    expect(await trial.queueOf(other)).toEqual(['1']);
    expect(door).toEqual(['1']);
    // Whether a full queue drops what nobody can refuse is the queue's affair.
    expect(busy).toEqual(['4']);
  });
});

describe('while the store is slow', () => {
  it('one batch is under way and the next one gathers', async () => {
    const trial = await LaneTrial.open();
    await trial.stored('lamp', subscriptionTo('a'));
    const calls: PendingCall[] = [];
    trial.meet = (call) => calls.push(call);
    for (let i = 0; i < 100; i++) {
      trial.push(messageOn('a', `${i}`));
      await trial.around.clock.settle();
      expect(calls).toHaveLength(1);
    }
    const batches: number[] = [];
    for (let call = calls.shift(); call !== undefined; call = calls.shift()) {
      if (call.name === 'queues.enqueue') batches.push((call.args[0] as Enqueue[]).length);
      call.answer();
      await trial.around.clock.settle();
    }
    expect(batches).toEqual([1, 99]);
  });

  it('flush waits until nothing is under way', async () => {
    const trial = await LaneTrial.open();
    await trial.lane.flush();
    const calls: PendingCall[] = [];
    trial.meet = (call) => calls.push(call);
    trial.push(messageOn('a'));
    let flushed = false;
    const flush = trial.lane.flush().then(() => {
      flushed = true;
    });
    await trial.around.clock.settle();
    trial.push(messageOn('a'));
    expect(flushed).toBe(false);
    trial.meet = (call) => call.answer();
    calls.shift()?.answer();
    await trial.around.clock.settle();
    await flush;
  });

  it('a broker that stops leaves what is under way unanswered, and nothing else happens', async () => {
    const trial = await LaneTrial.open();
    trial.meet = (call) => call.fail();
    const pushed = trial.push(messageOn('a'));
    await trial.around.clock.advance(100);
    trial.around.persistence.stop();
    await trial.around.clock.advance(60_000);
    expect(pushed.reasonCode).toBeUndefined();
    expect(trial.around.clock.timers).toBe(0);
  });
});

describe('a store that fails any number of times', () => {
  it('loses nothing, stores nothing twice, keeps order, and nothing is acknowledged that it has not stored', async () => {
    await forEachSeed(60, async (seed) => {
      const random = new SeededRandom(seed);
      const trial = await LaneTrial.open();
      const lamp = await trial.stored('lamp', subscriptionTo('a/#'));
      const door = await trial.stored('door', subscriptionTo('a/+'), subscriptionTo('a/1', { qos: 1 }));
      const here = trial.volatile('here', subscriptionTo('#'));
      const stored = new Set<Message>();
      trial.meet = (call) => {
        const isDone = !random.oneIn(3);
        if (isDone) call.do();
        if (isDone && call.name === 'queues.enqueue') {
          for (const { message } of call.args[0] as Enqueue[]) stored.add(message);
        }
        if (isDone && !random.oneIn(3)) call.answer();
        else call.fail();
      };
      const finished: string[] = [];
      const texts = Array.from({ length: 40 }, (_, i) => `${i}`);
      for (const text of texts) {
        const message = messageOn(`a/${random.below(3)}`, text, { qos: random.oneIn(2) ? 1 : 2 });
        const finish = (reasonCode: ReasonCode): void => {
          if (!stored.has(message)) throw new Error(`${text} was acknowledged before it was stored`);
          finished.push(`${text} ${reasonCode}`);
        };
        const rest = { ingress: undefined, uid: `uid ${text}`, isRefusable: true, fenced: () => {} };
        trial.lane.push({ message, ...rest, finish });
        if (random.oneIn(3)) await trial.around.clock.advance(random.below(100));
      }
      await trial.around.clock.advance(600_000);
      expect(finished).toEqual(texts.map((text) => `${text} 0`));
      expect(here).toEqual(texts);
      for (const claim of [lamp, door]) expect(await trial.queueOf(claim)).toEqual(texts);
    });
  });

  it('pushes to the owner exactly what it stored', async () => {
    const trial = await LaneTrial.open();
    const claim = await trial.stored('lamp', subscriptionTo('a', { qos: 1, subscriptionIdentifier: 9 }));
    const pushes: { entry: QueueEntry; sentSeq: number }[] = [];
    const push = (entry: QueueEntry, sentSeq: number): number => pushes.push({ entry, sentSeq });
    trial.sessions.set('lamp', { claim, push } as unknown as Session);
    let failures = 4;
    trial.meet = (call) => (call.name === 'queues.enqueue' && failures-- > 0 ? call.fail() : call.answer());
    trial.push(messageOn('a', 'hello', { qos: 2 }));
    await trial.around.clock.advance(10_000);
    const [stored] = unfenced(await trial.behind.queues.read(claim, 1, 10)).entries;
    expect(pushes.map(({ entry }) => entry)).toEqual([stored]);
    expect(pushes[0]?.entry).toMatchObject({ seq: 1, qos: 1, subscriptionIdentifiers: [9] });
    expect(pushes[0]?.sentSeq).toBeGreaterThanOrEqual(1);

    trial.sessions.set('lamp', { claim: { ...claim, generation: 'another' }, push } as unknown as Session);
    trial.push(messageOn('a', 'not for that one'));
    await trial.around.clock.settle();
    expect(pushes).toHaveLength(1);
  });
});
