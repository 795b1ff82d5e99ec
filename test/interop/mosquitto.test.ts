// mosquitto_pub and mosquitto_sub, the Clients that everybody tries first, in each version.

import { afterAll, describe, expect, it, vi } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { fresh } from '../support/fresh.ts';
import { bytes } from '../support/payload.ts';
import { processMs } from '../support/process.ts';
import { findProgram, Program } from './program.ts';

const pub = findProgram('mosquitto_pub') ?? '';
const sub = findProgram('mosquitto_sub') ?? '';
const isMissing = pub === '' || sub === '';
if (isMissing) console.info('skipped: mosquitto_pub and mosquitto_sub are not installed (Debian: mosquitto-clients)');

vi.setConfig({ testTimeout: 2 * processMs, hookTimeout: 2 * processMs });

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

describe.skipIf(isMissing).each(['mqttv31', 'mqttv311', 'mqttv5'])(
  'mosquitto_pub and mosquitto_sub -V %s',
  (version) => {
    const { hostname, port } = new URL(broker.url);
    const server = ['-h', hostname, '-p', port, '-V', version];
    const lasting = version === 'mqttv5' ? ['-c', '-x', '60'] : ['-c'];

    /** mosquitto_sub that ends after so many messages, started and subscribed. */
    async function subscribe(count: number, args: readonly string[]): Promise<Program> {
      const before = await broker.metric('mqtt_subscriptions');
      const program = new Program(sub, [...server, '-C', `${count}`, '-F', '%t %q %r %p', ...args]);
      await broker.untilMetric('mqtt_subscriptions', {}, before + 1);
      return program;
    }

    const publish = (args: readonly string[]): Promise<readonly string[]> =>
      new Program(pub, [...server, ...args]).lines();

    it.each([0, 1, 2])('a message at QoS %i', async (qos) => {
      const topic = fresh('mosquitto');
      await using subscriber = await subscribe(1, ['-t', topic, '-q', `${qos}`]);
      await publish(['-t', topic, '-q', `${qos}`, '-m', 'hello']);
      expect(await subscriber.lines()).toEqual([`${topic} ${qos} 0 hello`]);
    });

    it('wildcards', async () => {
      const level = fresh('mosquitto');
      await using subscriber = await subscribe(2, ['-t', `${level}/+/lamp`, '-q', '1']);
      await publish(['-t', `${level}/hall/lamp`, '-q', '1', '-m', 'on']);
      await publish(['-t', `${level}/hall/door`, '-q', '1', '-m', 'shut']);
      await publish(['-t', `${level}/attic/lamp`, '-q', '1', '-m', 'off']);
      expect(await subscriber.lines()).toEqual([`${level}/hall/lamp 1 0 on`, `${level}/attic/lamp 1 0 off`]);
    });

    it('a retained message', async () => {
      const topic = fresh('mosquitto');
      await publish(['-t', topic, '-q', '1', '-m', 'kept', '-r']);
      await using subscriber = new Program(sub, [...server, '-C', '1', '-F', '%t %q %r %p', '-t', topic, '-q', '2']);
      expect(await subscriber.lines()).toEqual([`${topic} 1 1 kept`]);
    });

    it('a Session that was away', async () => {
      const topic = fresh('mosquitto');
      const session = [...lasting, '-i', fresh('mosquitto-session'), '-t', topic, '-q', '2'];
      await new Program(sub, [...server, ...session, '-E']).lines();
      for (const payload of ['1', '2', '3']) await publish(['-t', topic, '-q', '2', '-m', payload]);
      await using back = new Program(sub, [...server, ...session, '-C', '3']);
      expect(await back.lines()).toEqual(['1', '2', '3']);
    });

    it('a Will, when it is killed', async () => {
      const topic = fresh('mosquitto');
      const watcher = await broker.connect();
      await watcher.subscribe(topic, { qos: 1 });
      const will = ['--will-topic', topic, '--will-payload', 'farewell', '--will-qos', '1'];
      await using mortal = await subscribe(1, ['-t', fresh('nothing'), ...will]);
      mortal.kill();
      expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('farewell'), qos: 1 });
    });

    it('many messages at QoS 2', async () => {
      const topic = fresh('mosquitto');
      await using subscriber = await subscribe(200, ['-t', topic, '-q', '2']);
      await publish(['-t', topic, '-q', '2', '-m', 'again', '--repeat', '200', '--repeat-delay', '0']);
      expect(await subscriber.lines()).toHaveLength(200);
    });
  },
);

describe.skipIf(isMissing)('mosquitto_pub and mosquitto_sub, what only MQTT 5.0 has', () => {
  const { hostname, port } = new URL(broker.url);
  const server = ['-h', hostname, '-p', port, '-V', 'mqttv5'];

  it('User Properties, Content Type and Message Expiry Interval arrive', async () => {
    const topic = fresh('mosquitto');
    const properties = [
      ['user-property', 'unit', 'celsius'],
      ['content-type', 'text/plain'],
      ['message-expiry-interval', '100'],
    ].flatMap((property) => ['-D', 'publish', ...property]);
    await new Program(pub, [...server, '-t', topic, '-q', '1', '-m', '21', '-r', ...properties]).lines();
    await using subscriber = new Program(sub, [...server, '-C', '1', '-F', '%P|%C|%E|%p', '-t', topic]);
    expect(await subscriber.lines()).toEqual([expect.stringMatching(/^unit:celsius\|text\/plain\|(100|9\d)\|21$/)]);
  });
});
