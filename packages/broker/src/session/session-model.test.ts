// The engine of Sessions against a model of it: whatever Client and publishers do, and in whatever order, both say the
// same, packet by packet, and drop the same.
//
// A run is a list of commands drawn by fast-check, which makes a failing one short; SEED=… draws the same again.

import { type Packet, ReasonCode } from '@skein/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BrokerTrial, connectPacket, publishPacket, type TestConnection } from '../testing/broker-trial.ts';
import { type ModelTerms, SessionModel } from './session.model.ts';

const seed = Number(process.env.SEED ?? Math.trunc(Math.random() * 0x7fff_ffff));

/** The broker, the Client of the model, one who publishes to it, and one who sees what it publishes. */
class Scene {
  readonly trial: BrokerTrial;
  readonly door: TestConnection;
  readonly eye: TestConnection;
  lamp: TestConnection | undefined;
  #texts = 0;

  private constructor(trial: BrokerTrial, door: TestConnection, eye: TestConnection) {
    this.trial = trial;
    this.door = door;
    this.eye = eye;
  }

  static async open({ queueMax, queueFull, receiveMaximum }: ModelTerms): Promise<Scene> {
    const trial = await BrokerTrial.start({ queueMaxMessages: queueMax, queueFull, receiveMaximum });
    const eye = await trial.connect('eye', { sessionExpirySeconds: 0 });
    await eye.subscribe('x', 0);
    return new Scene(trial, await trial.connect('door'), eye);
  }

  text(): string {
    return `${++this.#texts}`;
  }

  /** What the Client was sent since the last time. */
  async heard(): Promise<string[]> {
    await this.trial.clock.settle();
    return this.lamp?.outlet.said() ?? [];
  }
}

/** Something that happens, to the model and to the engine. */
interface Step {
  readonly says: string;
  readonly isPossible?: (model: SessionModel) => boolean;
  run(model: SessionModel, scene: Scene): Promise<void>;
}

/** A step for fast-check, after each of which the books are compared. */
class Command implements fc.AsyncCommand<SessionModel, Scene> {
  readonly #step: Step;

  constructor(step: Step) {
    this.#step = step;
  }

  check(model: SessionModel): boolean {
    return this.#step.isPossible?.(model) ?? true;
  }

  async run(model: SessionModel, scene: Scene): Promise<void> {
    await this.#step.run(model, scene);
    const { expired, queue_full, slow_consumer } = scene.trial.broker.counters.dropped;
    expect({ expired, queue_full, slow_consumer }).toEqual(model.dropped);
    expect(scene.trial.observer.of('internal_error')).toEqual([]);
    const isOpen = scene.lamp !== undefined && scene.lamp.outlet.closedFor === undefined;
    expect(isOpen).toBe(model.isConnected);
    if (isOpen) expect(scene.lamp?.client.session?.outbound.inflight).toBe(model.inFlight.length);
  }

  toString(): string {
    return this.#step.says;
  }
}

const connected = ({ isConnected }: SessionModel): boolean => isConnected;

/** A packet of the Client, and what the model makes of it. */
function fromClient(
  says: string,
  packetOf: (model: SessionModel) => Packet,
  expected: (model: SessionModel, packet: Packet) => string[],
): Step {
  return {
    says,
    isPossible: connected,
    run: async (model, scene) => {
      const packet = packetOf(model);
      scene.lamp?.client.receive(packet);
      expect(await scene.heard()).toEqual(expected(model, packet));
    },
  };
}

function acknowledgement(
  type: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp',
  packetId: number,
  reasonCode: ReasonCode,
): Packet {
  return { type, packetId, reasonCode, properties: undefined };
}

const reconnect = (window: number, cleanStart: boolean): Step => ({
  says: `connect(${window}${cleanStart ? ', anew' : ''})`,
  run: async (model, scene) => {
    const { isPresent, lines } = model.connect(window, cleanStart);
    const sessionExpirySeconds = model.terms.isStored ? 3600 : 0;
    const lamp = scene.trial.open();
    scene.lamp = lamp;
    const heard = await lamp.send(connectPacket('lamp', { cleanStart, sessionExpirySeconds, receiveMaximum: window }));
    expect(heard).toEqual([isPresent ? 'connack present' : 'connack', ...lines]);
    if (!isPresent) expect(await lamp.subscribe('a')).toEqual(['suback #1 0x02']);
  },
});

const lose: Step = {
  says: 'lose()',
  isPossible: connected,
  run: async (model, scene) => {
    model.lose();
    await scene.lamp?.lose();
    expect(await scene.heard()).toEqual([]);
  },
};

const pass = (seconds: number): Step => ({
  says: `pass(${seconds} s)`,
  run: async (model, scene) => {
    model.nowMs += seconds * 1000;
    await scene.trial.clock.advance(seconds * 1000);
    expect(await scene.heard()).toEqual([]);
  },
});

const deliver = (qos: 0 | 1 | 2, expirySeconds: number): Step => ({
  says: `deliver(q${qos}${expirySeconds > 0 ? `, for ${expirySeconds} s` : ''})`,
  run: async (model, scene) => {
    const text = scene.text();
    const properties = expirySeconds === 0 ? undefined : { messageExpiryInterval: expirySeconds };
    await scene.door.send({ ...publishPacket('a', text, qos, qos === 0 ? 0 : 1), properties } as Packet);
    if (qos === 2) await scene.door.send(acknowledgement('pubrel', 1, ReasonCode.success));
    const expiresAtMs = expirySeconds === 0 ? 0 : model.nowMs + expirySeconds * 1000;
    expect(await scene.heard()).toEqual(model.deliver(text, qos, expiresAtMs));
  },
});

/** The Packet Identifier of something in flight, the oldest first; or one that nothing was sent under. */
function pick(model: SessionModel, which: number): number {
  return model.inFlight[which] ?? 60_000;
}

const puback = (which: number): Step =>
  fromClient(
    `puback(${which})`,
    (model) => acknowledgement('puback', pick(model, which), ReasonCode.success),
    (model) => model.puback(pick(model, which)),
  );

const pubrec = (which: number, isRefusal: boolean): Step =>
  fromClient(
    `pubrec(${which}${isRefusal ? ', refused' : ''})`,
    (model) => acknowledgement('pubrec', pick(model, which), isRefusal ? ReasonCode.quotaExceeded : ReasonCode.success),
    (model) => model.pubrec(pick(model, which), isRefusal),
  );

const pubcomp = (which: number): Step =>
  fromClient(
    `pubcomp(${which})`,
    (model) => acknowledgement('pubcomp', pick(model, which), ReasonCode.success),
    (model) => model.pubcomp(pick(model, which)),
  );

const pubrel = (packetId: number): Step =>
  fromClient(
    `pubrel(#${packetId})`,
    () => acknowledgement('pubrel', packetId, ReasonCode.success),
    (model) => model.pubrel(packetId),
  );

/** What the engine should make of what is in flight, so that exchanges come to their end as well. */
const answer: Step = {
  says: 'answer()',
  isPossible: ({ isConnected, inFlight }) => isConnected && inFlight.length > 0,
  run: async (model, scene) => {
    const packetId = pick(model, 0);
    const type = model.owedBy(packetId);
    scene.lamp?.client.receive(acknowledgement(type, packetId, ReasonCode.success));
    const expected = type === 'pubrec' ? model.pubrec(packetId, false) : model[type](packetId);
    expect(await scene.heard()).toEqual(expected);
  },
};

const publish = (packetId: number, qos: 1 | 2, dup: boolean): Step => ({
  says: `publish(#${packetId}, q${qos}${dup ? ', dup' : ''})`,
  isPossible: connected,
  run: async (model, scene) => {
    const text = scene.text();
    const { isPublished, lines } = model.publish(packetId, qos);
    scene.lamp?.client.receive(publishPacket('x', text, qos, packetId, dup));
    expect(await scene.heard()).toEqual(lines);
    expect(scene.eye.outlet.said()).toEqual(isPublished ? [`publish x=${text} q0`] : []);
  },
});

const congest: Step = {
  says: 'congest()',
  isPossible: connected,
  run: async (model, { lamp }) => {
    model.isCongested = true;
    if (lamp !== undefined) lamp.outlet.congested = true;
  },
};

const drain: Step = {
  says: 'drain()',
  isPossible: connected,
  run: async (model, scene) => {
    const lines = model.drained();
    if (scene.lamp !== undefined) scene.lamp.outlet.congested = false;
    scene.lamp?.client.drained();
    expect(await scene.heard()).toEqual(lines);
  },
};

const qos = fc.constantFrom(1 as const, 2 as const);
const which = fc.nat(3);
const packetId = fc.integer({ min: 1, max: 3 });
const delivery = fc
  .record({
    qos: fc.constantFrom(0 as const, 1 as const, 1 as const, 2 as const, 2 as const),
    expiry: fc.constantFrom(0, 0, 2, 5),
  })
  .map((of) => deliver(of.qos, of.expiry));
const connection = fc
  .record({ window: fc.constantFrom(1, 1, 2, 3, 40), isAnew: fc.nat(14) })
  .map((of) => reconnect(of.window, of.isAnew === 0));
const odd = fc.oneof(
  which.map(puback),
  fc.record({ which, isRefusal: fc.boolean() }).map((of) => pubrec(of.which, of.isRefusal)),
  which.map(pubcomp),
  fc.constant(congest),
);
const publication = fc.record({ packetId, qos, dup: fc.boolean() }).map((of) => publish(of.packetId, of.qos, of.dup));
/** As often as they stand here. */
const steps: readonly fc.Arbitrary<Step>[] = [
  ...[delivery, delivery, delivery, delivery, delivery],
  ...[fc.constant(answer), fc.constant(answer), fc.constant(answer)],
  ...[connection, connection, fc.constant(lose), fc.constantFrom(1, 3, 10).map(pass), odd, fc.constant(drain)],
  ...[publication, publication, publication, packetId.map(pubrel), packetId.map(pubrel)],
];

const kinds: readonly ModelTerms[] = [true, false].flatMap((isStored) =>
  (['drop-new', 'drop-old'] as const).map((queueFull) => ({ isStored, queueFull, queueMax: 4, receiveMaximum: 2 })),
);

describe.each(kinds)(`a Session (stored: $isStored, $queueFull), with SEED=${seed}`, (terms) => {
  it('says what its model says, whatever happens', { timeout: 120_000 }, async () => {
    const commands = fc.commands(
      steps.map((step) => step.map((each) => new Command(each))),
      { maxCommands: 200, size: 'max' },
    );
    let ran = 0;
    await fc.assert(
      fc.asyncProperty(commands, async (drawn) => {
        ran++;
        await fc.asyncModelRun(async () => ({ model: new SessionModel(terms), real: await Scene.open(terms) }), drawn);
      }),
      { seed, numRuns: 50 },
    );
    expect(ran).toBeGreaterThanOrEqual(50);
  });
});
