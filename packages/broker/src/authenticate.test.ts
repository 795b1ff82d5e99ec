// Enhanced authentication from the broker's side: what is bounded, what is let go, and who a Client is from then on
// [MQTT 4.12]. What a Client sees of it is in test/spec.

import { type Auth, type Connect, ReasonCode } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import { bytesOf, willOn } from './contract/samples.ts';
import type { AuthenticationMethod, AuthenticationStep } from './ports.ts';
import { BrokerTrial, type ConnectOptions, connectPacket, type TestConnection } from './testing/broker-trial.ts';

const name = 'PATIENCE';
const accepted: AuthenticationStep = { is: 'done', answer: { accepted: true }, data: undefined };
const question: AuthenticationStep = { is: 'continue', data: undefined };

/** A call of the method that waits for its answer. */
interface Asked {
  readonly clientId: string;
  readonly connectedAs: string | undefined;
  readonly data: Uint8Array | undefined;
  readonly answer: (step: AuthenticationStep) => void;
  readonly fail: (error: unknown) => void;
}

/** A method that answers when the test wants it to. */
class PatientMethod implements AuthenticationMethod {
  readonly name: string = name;
  readonly asked: Asked[] = [];
  readonly abandoned: string[] = [];

  begin({ clientId }: { readonly clientId: string }, connectedAs: string | undefined) {
    return {
      next: (data: Uint8Array | undefined): Promise<AuthenticationStep> =>
        new Promise((answer, fail) => this.asked.push({ clientId, connectedAs, data, answer, fail })),
      abandon: () => {
        this.abandoned.push(clientId);
      },
    };
  }

  /** The call that came last. */
  get last(): Asked {
    const last = this.asked.at(-1);
    if (last === undefined) throw new Error('nobody was asked');
    return last;
  }
}

interface Scene {
  readonly method: PatientMethod;
  readonly trial: BrokerTrial;
  /** A Client that has sent its CONNECT. */
  begin(clientId: string, options?: ConnectOptions): Promise<TestConnection>;
  /** Answers the call that came last, and lets what follows happen. */
  answer(step: AuthenticationStep): Promise<void>;
}

async function open(): Promise<Scene> {
  const method = new PatientMethod();
  const trial = await BrokerTrial.start({}, {}, [method]);
  return {
    method,
    trial,
    begin: async (clientId, options) => {
      const connection = trial.open();
      await connection.send(connectWith(connectPacket(clientId, options), bytesOf('hello')));
      return connection;
    },
    answer: async (step) => {
      method.last.answer(step);
      await trial.clock.settle();
    },
  };
}

function connectWith(connect: Connect, authenticationData: Uint8Array): Connect {
  return { ...connect, properties: { ...connect.properties, authenticationMethod: name, authenticationData } };
}

function auth(reasonCode: ReasonCode, authenticationData: Uint8Array = bytesOf('data')): Auth {
  return { type: 'auth', reasonCode, properties: { authenticationMethod: name, authenticationData } };
}

const { continueAuthentication, reAuthenticate } = ReasonCode;

describe('what a Client says to a method', () => {
  it('is the method’s to keep, though the bytes it came in are used again', async () => {
    const { method, trial, answer } = await open();
    const connection = trial.open();
    const buffer = bytesOf('first');
    await connection.send(connectWith(connectPacket('lamp'), buffer));
    buffer.fill(0);
    await answer(question);
    const again = bytesOf('second');
    await connection.send(auth(continueAuthentication, again));
    again.fill(0);
    expect(method.asked.map(({ data }) => data)).toEqual([bytesOf('first'), bytesOf('second')]);
  });

  it('is waited for with open ears, and nothing is read while the method thinks', async () => {
    const { begin, answer } = await open();
    const connection = await begin('lamp');
    expect(connection.outlet.held).toBe(true);
    await answer(question);
    expect(connection.outlet.said()).toEqual(['auth 0x18']);
    expect(connection.outlet.held).toBe(false);
    await connection.send(auth(continueAuthentication));
    expect(connection.outlet.held).toBe(true);
    await answer(accepted);
    expect(connection.outlet.said()).toEqual(['connack']);
    expect(connection.outlet.held).toBe(false);
  });
});

describe('an exchange', () => {
  it('takes 10 seconds at most, whoever is slow', async () => {
    const { trial, method, begin, answer } = await open();
    const silent = await begin('silent');
    await answer(question);
    const unanswered = await begin('unanswered');
    await trial.clock.advance(9999);
    expect(silent.outlet.closedFor).toBeUndefined();
    await trial.clock.advance(1);
    expect(silent.outlet.said()).toEqual(['auth 0x18', 'connack 0x87']);
    expect(unanswered.outlet.said()).toEqual(['connack 0x87']);
    expect(method.abandoned).toEqual(['silent', 'unanswered']);
    // Too late: nobody is there.
    await answer(accepted);
    expect(unanswered.outlet.said()).toEqual([]);
    expect(trial.broker.gauges().connected).toBe(0);
  });

  it('takes 16 steps at most', async () => {
    const { method, begin, answer } = await open();
    const connection = await begin('lamp');
    for (let steps = 1; steps < 16; steps++) {
      await answer(question);
      expect(await connection.send(auth(continueAuthentication))).toEqual(['auth 0x18']);
    }
    await answer(question);
    expect(connection.outlet.said()).toEqual(['connack 0x87']);
    expect(method.asked).toHaveLength(16);
    expect(method.abandoned).toEqual(['lamp']);
  });

  it('gives way, if it is the oldest of more than 1024, and no later one suffers', async () => {
    const { method, trial, begin, answer } = await open();
    const oldest = await begin('oldest');
    await answer(question);
    const others: TestConnection[] = [];
    for (let count = 1; count < 1024; count++) others.push(await begin(`other ${count}`));
    expect(oldest.outlet.said()).toEqual(['auth 0x18']);
    const newest = await begin('newest');
    expect(oldest.outlet.said()).toEqual(['connack 0x89']);
    expect(method.abandoned).toEqual(['oldest']);
    await answer(accepted);
    expect(newest.outlet.said()).toEqual(['connack']);
    // There is room again.
    const next = await begin('next');
    expect(others.filter(({ outlet }) => outlet.closedFor !== undefined)).toEqual([]);
    await answer(accepted);
    expect(next.outlet.said()).toEqual(['connack']);
    await trial.stop(0);
  });

  it('is given up with its Network Connection, once', async () => {
    const { trial, method, begin, answer } = await open();
    const connection = await begin('lamp');
    await connection.lose();
    expect(method.abandoned).toEqual(['lamp']);
    await answer(accepted);
    await trial.clock.advance(20_000);
    expect(method.abandoned).toEqual(['lamp']);
    expect(await trial.behind.sessions.count()).toBe(0);
    const connected = await begin('plug');
    await answer(accepted);
    await connected.lose();
    expect(method.abandoned).toEqual(['lamp']);
  });

  it('is given up when the Client breaks the protocol, or the server stops', async () => {
    const { trial, method, begin, answer } = await open();
    const hasty = await begin('hasty');
    await answer(question);
    expect(await hasty.send({ type: 'pingreq' })).toEqual(['auth 0x18', 'connack 0x82']);
    const late = await begin('late');
    await trial.stop(1000);
    expect(late.outlet.said()).toEqual(['connack 0x8b']);
    expect(method.abandoned).toEqual(['hasty', 'late']);
  });

  it('in which the method fails ends this Client, and no other', async () => {
    const { trial, method, begin } = await open();
    const connection = await begin('lamp');
    method.last.fail(new Error('no such table'));
    await trial.clock.settle();
    expect(connection.outlet.said()).toEqual(['connack 0x83']);
    expect(method.abandoned).toEqual(['lamp']);
    expect(await trial.connect('plug')).toBeDefined();
  });
});

describe('who a Client turned out to be', () => {
  const as = (username: string): AuthenticationStep => ({ ...accepted, answer: { accepted: true, username } });

  it('is asked for by name from then on: for its Will, what it publishes, and what it subscribes to', async () => {
    const { trial, begin, answer } = await open();
    const asked: unknown[] = [];
    trial.mayPublish = (...who) => {
      asked.push(who);
      return true;
    };
    const connection = await begin('lamp', { username: 'somebody', will: willOn('status') });
    await answer(as('alice'));
    connection.outlet.take();
    await connection.publish('a', 'x', 0);
    await connection.lose();
    await trial.clock.advance(1000);
    const alice = (topic: string): string[] => ['lamp', 'alice', topic];
    expect(asked).toEqual([alice('status'), alice('a'), alice('status')]);
    expect(trial.observer.facts).toContainEqual(expect.objectContaining({ is: 'client_connected', username: 'alice' }));
  });

  it('may be said by the Authenticator of user names and passwords too', async () => {
    const { trial } = await open();
    trial.authenticate = async () => ({ accepted: true, username: 'alice' });
    trial.mayPublish = (_, username) => username === 'alice';
    const connection = await trial.connect('lamp', { username: 'token' });
    expect(await connection.publish('a', 'x')).toEqual(['puback #1 0x10']);
  });

  it('does not change: re-authentication as another one is refused', async () => {
    const { trial, method, begin, answer } = await open();
    const connection = await begin('lamp', { username: 'somebody' });
    await answer(as('alice'));
    connection.outlet.take();
    await connection.send(auth(reAuthenticate));
    expect(method.last).toMatchObject({ clientId: 'lamp', connectedAs: 'alice' });
    await answer(accepted);
    expect(connection.outlet.said()).toEqual(['auth']);
    await connection.send(auth(reAuthenticate));
    await answer(as('somebody'));
    expect(connection.outlet.said()).toEqual(['disconnect 0x87']);
    expect(connection.outlet.closedFor).toBe('authentication_failed');
    expect(trial.broker.gauges().connected).toBe(0);
  });
});

describe('re-authentication', () => {
  it('has the same 10 seconds, and a Client that lets them pass is ended', async () => {
    const { trial, method, begin, answer } = await open();
    const connection = await begin('lamp');
    await answer(accepted);
    await connection.send(auth(reAuthenticate));
    await answer(question);
    connection.outlet.take();
    await trial.clock.advance(9999);
    expect(connection.outlet.said()).toEqual([]);
    await trial.clock.advance(1);
    expect(connection.outlet.said()).toEqual(['disconnect 0x87']);
    expect(method.abandoned).toEqual(['lamp']);
  });

  it('waits longer for a Client that is not read, because the store is slow', async () => {
    const { trial, begin, answer } = await open();
    const connection = await begin('lamp');
    await answer(accepted);
    await connection.send(auth(reAuthenticate));
    await answer(question);
    connection.outlet.take();
    const held = trial.holdCalls('sessions.subscribe');
    await connection.subscribe('a');
    expect(connection.outlet.held).toBe(true);
    await trial.clock.advance(10_000);
    expect(connection.outlet.said()).toEqual([]);
    expect(held).toHaveLength(1);
    held[0]?.answer();
    await trial.clock.settle();
    expect(connection.outlet.said()).toEqual(['suback #1 0x02']);
    expect(connection.outlet.held).toBe(false);
    await connection.send(auth(continueAuthentication));
    await answer(accepted);
    expect(connection.outlet.said()).toEqual(['auth']);
  });

  it('is given up when the Session is taken over', async () => {
    const { method, begin, answer } = await open();
    const connection = await begin('lamp');
    await answer(accepted);
    await connection.send(auth(reAuthenticate));
    const reauthentication = method.last;
    const second = await begin('lamp');
    await answer(accepted);
    expect(second.outlet.said()).toEqual(['connack present']);
    expect(method.abandoned).toEqual(['lamp']);
    expect(connection.outlet.closedFor).toBe('session_taken_over');
    reauthentication.answer(accepted);
  });
});

describe('another server', () => {
  it('is named to a Client that the Authenticator sends there', async () => {
    const trial = await BrokerTrial.start();
    const serverReference = 'other.example';
    const why = 'full';
    trial.authenticate = async () => ({
      accepted: false,
      reasonCode: ReasonCode.useAnotherServer,
      why,
      serverReference,
    });
    const connection = trial.open();
    connection.client.receive(connectPacket('lamp'));
    await trial.clock.settle();
    const properties = { reasonString: why, serverReference };
    expect(connection.outlet.take()).toMatchObject([{ type: 'connack', reasonCode: 0x9c, properties }]);
    expect(connection.outlet.closedFor).toBe('connect_refused');
  });

  it('is named to all when this one stops, if there is one', async () => {
    const trial = await BrokerTrial.start({}, { serverReference: 'other.example' });
    const connection = await trial.connect('lamp');
    await trial.stop(1000);
    const properties = { serverReference: 'other.example' };
    expect(connection.outlet.take()).toMatchObject([{ type: 'disconnect', reasonCode: 0x9c, properties }]);
    expect(connection.outlet.closedFor).toBe('server_shutting_down');
  });
});
