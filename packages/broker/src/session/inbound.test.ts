import { MqttError, ReasonCode } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import { messageOn, textOf } from '../contract/samples.ts';
import type { Incoming, Lane } from '../lane.ts';
import type { InboundMessage, Ingress } from '../ports.ts';
import { DeferredCalls } from '../testing/deferred-calls.ts';
import { RecordingOutlet } from '../testing/recording-outlet.ts';
import { Surroundings } from '../testing/surroundings.ts';
import { Inbound } from './inbound.ts';
import { Settlements } from './settlements.ts';

const claim = { clientId: 'lamp', generation: 'g1', epoch: 1 };

/** What one Client sends, a lane that finishes when the test says so, a store that answers when the test says so. */
class Trial {
  readonly around = new Surroundings();
  readonly outlet = new RecordingOutlet();
  readonly calls = new DeferredCalls();
  readonly lane: Incoming[] = [];
  fenced = 0;
  readonly inbound: Inbound;

  constructor({ isStored = true, received = [] as InboundMessage[], receiveMaximum = 4, isAnnounced = true } = {}) {
    const store = { queues: this.calls.port<never>('queues'), inbound: this.calls.port<never>('inbound') };
    const { clock, persistence } = this.around;
    // A Lane has private fields, so a double is one only by name.
    let uids = 0;
    const lane = {
      push: (incoming: Incoming) => this.lane.push(incoming),
      newUid: () => `new-${++uids}`,
    } as unknown as Lane;
    this.inbound = new Inbound({
      claim,
      isStored,
      received,
      outlet: this.outlet,
      lane,
      settlements: new Settlements(store, clock, persistence),
      terms: { receiveMaximum, isAnnounced },
      hold: (wanted) => {
        if (wanted !== this.outlet.held) wanted ? this.outlet.hold() : this.outlet.proceed();
      },
      fenced: () => {
        this.fenced++;
      },
    });
  }

  readonly publish = (qos: 1 | 2, packetId: number, text = `${packetId}`): void =>
    this.inbound.publish(packetId, qos, messageOn('a', text, { qos }));

  /** Answers the release that the store has been asked for. */
  async storeReleases(...packetIds: number[]): Promise<void> {
    await this.around.clock.settle();
    while (this.calls.open[0] === 'inbound.done') this.calls.next('inbound.done').answer(undefined);
    await this.around.clock.settle();
    const call = this.calls.next('inbound.release');
    expect((call.args[0] as Ingress[]).map(({ packetId }) => packetId)).toEqual(packetIds);
    call.answer(undefined);
    await this.around.clock.settle();
  }

  /** What is published of what came, `undefined` for what only keeps its place. */
  readonly texts = (): (string | undefined)[] =>
    this.lane.map(({ message }) => (message === undefined ? undefined : textOf(message)));
}

function finish(incoming: Incoming | undefined, reasonCode: ReasonCode = ReasonCode.success): void {
  if (incoming === undefined) throw new Error('nothing came into the lane');
  incoming.finish(reasonCode);
}

describe('[MQTT-4.6.0-2, MQTT-4.6.0-3] acknowledgements', () => {
  it('leave in the order of receipt, in whatever order the messages arrive where they belong', () => {
    const { outlet, lane, publish } = new Trial({ receiveMaximum: 10 });
    publish(1, 1);
    publish(2, 2);
    publish(1, 3);
    publish(2, 4);
    finish(lane[3]);
    finish(lane[1]);
    expect(outlet.said()).toEqual([]);
    finish(lane[0], ReasonCode.noMatchingSubscribers);
    expect(outlet.said()).toEqual(['puback #1 0x10', 'pubrec #2']);
    finish(lane[2]);
    expect(outlet.said()).toEqual(['puback #3', 'pubrec #4']);
  });

  it('of a message that was refused at once wait their turn too', () => {
    const { inbound, outlet, lane, publish } = new Trial();
    publish(1, 1);
    inbound.publish(2, 1, undefined, ReasonCode.notAuthorized);
    inbound.publish(3, 2, undefined, ReasonCode.quotaExceeded);
    expect(outlet.said()).toEqual([]);
    finish(lane[0]);
    expect(outlet.said()).toEqual(['puback #1', 'puback #2 0x87', 'pubrec #3 0x97']);
  });

  it('of a connection that is gone are not sent, and what is under way goes on', () => {
    const { inbound, outlet, lane, publish } = new Trial();
    publish(1, 1);
    publish(2, 2);
    inbound.close();
    finish(lane[0]);
    finish(lane[1]);
    expect(outlet.said()).toEqual([]);
    expect(inbound.waiting).toBe(0);
  });
});

describe('[MQTT-4.3.3-10] a QoS 2 PUBLISH that comes again', () => {
  it('is not published again, and gets PUBREC in its turn', () => {
    const { outlet, lane, publish, texts } = new Trial();
    publish(2, 7);
    publish(2, 7);
    expect(texts()).toEqual(['7', undefined]);
    finish(lane[0]);
    finish(lane[1]);
    publish(2, 7);
    finish(lane[2]);
    expect(outlet.said()).toEqual(['pubrec #7', 'pubrec #7', 'pubrec #7']);
  });

  it('on a later connection is known by what the store remembers', async () => {
    const trial = new Trial({ received: [{ packetId: 7, uid: 'old-7', isDone: true }] });
    trial.publish(2, 7);
    expect(trial.texts()).toEqual([undefined]);
    finish(trial.lane[0]);
    trial.inbound.pubrel(7);
    await trial.storeReleases(7);
    expect(trial.outlet.said()).toEqual(['pubrec #7', 'pubcomp #7']);
  });

  it('on a later connection is published again under its uid, if the store does not know that it was', async () => {
    const trial = new Trial({ received: [{ packetId: 7, uid: 'old-7', isDone: false }] });
    trial.publish(2, 7);
    trial.publish(2, 7);
    expect(trial.texts()).toEqual(['7', undefined]);
    expect(trial.lane[0]).toMatchObject({ uid: 'old-7', ingress: { claim, packetId: 7, uid: 'old-7' } });
    for (const incoming of trial.lane) finish(incoming);
    expect(trial.outlet.said()).toEqual(['pubrec #7', 'pubrec #7']);
  });

  it('on a later connection may begin with PUBREL: its PUBREC had been sent', async () => {
    const trial = new Trial({ received: [{ packetId: 7, uid: 'old-7', isDone: false }] });
    trial.inbound.pubrel(7);
    await trial.storeReleases(7);
    expect(trial.outlet.said()).toEqual(['pubcomp #7']);
    trial.publish(2, 7, 'next');
    expect(trial.lane[0]).toMatchObject({ uid: 'new-1' });
  });

  it('is a new message once it was released', async () => {
    const trial = new Trial();
    trial.publish(2, 7, 'first');
    finish(trial.lane[0]);
    trial.inbound.pubrel(7);
    await trial.storeReleases(7);
    trial.publish(2, 7, 'second');
    expect(trial.texts()).toEqual(['first', 'second']);
  });

  it('does not free the identifier if the answer to the repeat comes after PUBREL', async () => {
    const trial = new Trial();
    trial.publish(2, 7);
    finish(trial.lane[0]);
    trial.publish(2, 7);
    trial.inbound.pubrel(7);
    await trial.storeReleases(7);
    finish(trial.lane[1]);
    expect(trial.outlet.said()).toEqual(['pubrec #7', 'pubcomp #7', 'pubrec #7']);
    trial.publish(2, 7, 'next');
    expect(trial.texts()).toEqual(['7', undefined, 'next']);
  });

  it('is noted in the store before it is published, if the Session is stored', () => {
    const stored = new Trial();
    stored.publish(2, 7);
    stored.publish(1, 8);
    expect(stored.lane.map(({ ingress, uid }) => [ingress, uid])).toEqual([
      [{ claim, packetId: 7, uid: 'new-1' }, 'new-1'],
      [undefined, undefined],
    ]);
    const volatile = new Trial({ isStored: false });
    volatile.publish(2, 7);
    expect(volatile.lane.map(({ ingress, uid }) => [ingress, uid])).toEqual([[undefined, 'new-1']]);
  });

  it('whose Session is another connection’s by now is not answered, and ends this one', () => {
    const trial = new Trial();
    trial.publish(1, 6);
    trial.publish(2, 7);
    finish(trial.lane[0]);
    trial.lane[1]?.fenced();
    expect(trial.outlet.said()).toEqual(['puback #6']);
    expect(trial.fenced).toBe(1);
    trial.inbound.close();
    trial.lane[1]?.fenced();
    expect(trial.fenced).toBe(1);
  });

  it('is known to the store as published once it is', async () => {
    const trial = new Trial();
    trial.publish(2, 7);
    finish(trial.lane[0]);
    await trial.around.clock.settle();
    expect(trial.outlet.said()).toEqual(['pubrec #7']);
    expect(trial.calls.next('inbound.done').args).toEqual([[{ claim, packetId: 7, uid: 'new-1' }]]);
  });
});

describe('[MQTT-2.2.1-3] a QoS 1 PUBLISH under an identifier that a QoS 2 message has', () => {
  it('is refused to a Client that can be told', () => {
    const { outlet, lane, publish } = new Trial();
    publish(2, 7);
    finish(lane[0]);
    publish(1, 7);
    expect(lane).toHaveLength(1);
    expect(outlet.said()).toEqual(['pubrec #7', 'puback #7 0x91']);
  });
});

describe('[MQTT-4.3.3-11] PUBREL', () => {
  it('is answered once the store has released the identifier, and not before', async () => {
    const trial = new Trial();
    trial.publish(2, 7);
    finish(trial.lane[0]);
    trial.outlet.take();
    trial.inbound.pubrel(7);
    await trial.around.clock.settle();
    expect(trial.calls.open).toContain('inbound.release');
    expect(trial.outlet.said()).toEqual([]);
    await trial.storeReleases(7);
    expect(trial.outlet.said()).toEqual(['pubcomp #7']);
  });

  it('is answered at once in a volatile Session', () => {
    const { inbound, outlet, lane, publish } = new Trial({ isStored: false });
    publish(2, 7);
    finish(lane[0]);
    inbound.pubrel(7);
    expect(outlet.said()).toEqual(['pubrec #7', 'pubcomp #7']);
  });

  it('for an identifier that is not in use is told so', () => {
    const { inbound, outlet } = new Trial();
    inbound.pubrel(9);
    expect(outlet.said()).toEqual(['pubcomp #9 0x92']);
  });

  it('before PUBREC was sent does not release the message', () => {
    const { inbound, outlet, lane, publish, texts } = new Trial();
    publish(2, 7);
    inbound.pubrel(7);
    publish(2, 7);
    expect(texts()).toEqual(['7', undefined]);
    finish(lane[0]);
    finish(lane[1]);
    expect(outlet.said()).toEqual(['pubcomp #7 0x92', 'pubrec #7', 'pubrec #7']);
  });

  it('is not answered on a connection that is gone, though the store has it', async () => {
    const trial = new Trial();
    trial.publish(2, 7);
    finish(trial.lane[0]);
    trial.outlet.take();
    trial.inbound.pubrel(7);
    trial.inbound.close();
    await trial.storeReleases(7);
    expect(trial.outlet.said()).toEqual([]);
  });
});

describe('a QoS 2 message that was refused after it was noted', () => {
  it('is forgotten by the store before the Client hears of it, and its identifier is free', async () => {
    const trial = new Trial();
    trial.publish(2, 7, 'refused');
    trial.publish(1, 8);
    finish(trial.lane[0], ReasonCode.quotaExceeded);
    finish(trial.lane[1]);
    await trial.around.clock.settle();
    expect(trial.outlet.said()).toEqual([]);
    await trial.storeReleases(7);
    expect(trial.outlet.said()).toEqual(['pubrec #7 0x97', 'puback #8']);
    trial.publish(2, 7, 'another');
    expect(trial.texts()).toEqual(['refused', '8', 'another']);
  });

  it('is forgotten too if its connection is gone', async () => {
    const trial = new Trial();
    trial.publish(2, 7);
    trial.inbound.close();
    finish(trial.lane[0], ReasonCode.quotaExceeded);
    await trial.storeReleases(7);
    expect(trial.outlet.said()).toEqual([]);
  });
});

describe('[MQTT-3.3.4-7] the Receive Maximum', () => {
  it('exceeded by a Client that was told ends its connection with 0x93', () => {
    const { publish } = new Trial({ receiveMaximum: 2 });
    publish(1, 1);
    publish(2, 2);
    expect(() => publish(1, 3)).toThrow(
      expect.objectContaining({ constructor: MqttError, reasonCode: ReasonCode.receiveMaximumExceeded }),
    );
  });

  it('counts a QoS 1 message until PUBACK, a QoS 2 message until PUBCOMP or a refusal', () => {
    const { inbound, lane, publish } = new Trial({ receiveMaximum: 2, isStored: false });
    publish(1, 1);
    publish(2, 2);
    finish(lane[0]);
    publish(2, 3);
    finish(lane[1]);
    expect(() => publish(1, 9)).toThrow(MqttError);
    finish(lane[2], ReasonCode.quotaExceeded);
    inbound.pubrel(2);
    // The failed attempt counted as well; who is closed sends no more.
    publish(1, 4);
    expect(() => publish(1, 5)).toThrow(MqttError);
  });

  it('does not count repeats, for they are the same exchange', () => {
    const { lane, publish } = new Trial({ receiveMaximum: 1 });
    publish(2, 1);
    publish(2, 1);
    finish(lane[0]);
    finish(lane[1]);
    publish(2, 1);
    expect(lane).toHaveLength(3);
  });

  it('does not go below nothing for exchanges begun on an earlier connection', async () => {
    const trial = new Trial({
      receiveMaximum: 1,
      received: [1, 2].map((packetId) => ({ packetId, uid: `old-${packetId}`, isDone: true })),
    });
    trial.inbound.pubrel(1);
    trial.inbound.pubrel(2);
    await trial.storeReleases(1, 2);
    trial.publish(1, 3);
    expect(() => trial.publish(1, 4)).toThrow(MqttError);
  });
});

describe('reading stops for unsent acknowledgements', () => {
  it('of a 3.x Client at its limit, and goes on when half of them are sent', () => {
    const { outlet, lane, publish } = new Trial({ receiveMaximum: 4, isAnnounced: false });
    for (const packetId of [1, 2, 3]) publish(1, packetId);
    expect(outlet.held).toBe(false);
    publish(1, 4);
    expect(outlet.held).toBe(true);
    finish(lane[0]);
    finish(lane[1]);
    expect(outlet.held).toBe(true);
    finish(lane[2]);
    expect(outlet.held).toBe(false);
  });

  it('of repeats as well, which nothing else bounds', () => {
    const { outlet, lane, publish } = new Trial({ receiveMaximum: 4 });
    for (let i = 0; i < 100 && !outlet.held; i++) publish(2, 1);
    expect(outlet.held).toBe(true);
    expect(lane.length).toBeLessThan(20);
    for (const receipt of lane) finish(receipt);
    expect(outlet.held).toBe(false);
  });

  it('of QoS 0 messages that wait behind a retained one, which are bounded and in order', () => {
    const { inbound, outlet, lane } = new Trial();
    inbound.publishQos0(messageOn('a', 'retained', { qos: 0, retain: true }));
    expect(inbound.qos0Waits).toBe(true);
    for (let i = 0; i < 10_000 && !outlet.held; i++) inbound.publishQos0(messageOn('a', `${i}`, { qos: 0 }));
    expect(outlet.held).toBe(true);
    expect(lane.length).toBeLessThan(2000);
    for (const incoming of lane) finish(incoming);
    expect(outlet.held).toBe(false);
    expect(inbound.qos0Waits).toBe(false);
    expect(outlet.said()).toEqual([]);
  });
});
