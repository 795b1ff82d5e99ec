// A node that has become too small: what it kept goes into a Redis, and its Clients find everything there.

import { afterEach, describe, expect, it } from 'vitest';
import { discard, type MigrateSurroundings, migrateFrom } from '../../packages/edge/src/cli/migrate-run.ts';
import { readMigrateWords } from '../../packages/edge/src/cli/migrate-words.ts';
import type { ImportSource } from '../../packages/redis/src/import-source.ts';
import { type Alone, startAlone } from '../support/alone.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { until } from '../support/deadline.ts';
import { text } from '../support/payload.ts';
import { type Ended, processMs, runSkein } from '../support/process.ts';
import { RedisProcess } from '../support/redis.ts';
import { lasting } from '../support/sessions.ts';
import { Way } from '../support/way.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each[Symbol.asyncDispose]();
});

function kept<Each extends AsyncDisposable>(each: Each): Each {
  open.push(each);
  return each;
}

/** Runs `skein migrate` to its end. */
async function migrate(node: Alone, redis: RedisProcess, ...more: readonly string[]): Promise<Ended> {
  const words = ['migrate', '--from', `file:${node.directory}`, '--to', redis.url, '--cluster', 'test', ...more];
  await using process = runSkein(words);
  return await process.ended();
}

function startOn(redis: RedisProcess, name: string): Promise<Cluster> {
  return startCluster({ name, nodes: 2, redis, cluster: 'test' });
}

const longest = { timeout: 4 * processMs };

describe('skein migrate', () => {
  it('takes Sessions along with all that is under way, and QoS 2 stays exactly once', longest, async () => {
    const redis = kept(await RedisProcess.start());
    const alone = kept(await startAlone({ durability: 'always' }));

    // A Client with messages in every state that there is.
    const subscriber = await alone.connect({ ...lasting, clientId: 'subscriber' });
    await subscriber.subscribe('work/#', { qos: 2, subscriptionIdentifier: 7 });
    const publisher = await alone.connect();
    await publisher.publish({ topic: 'work/1', qos: 2, payload: 'released' });
    const released = await subscriber.nextOf('publish');
    subscriber.acknowledge('pubrec', released.packetId);
    await subscriber.nextOf('pubrel');
    await publisher.publish({ topic: 'work/2', qos: 1, payload: 'sent at 1' });
    await publisher.publish({ topic: 'work/3', qos: 2, payload: 'sent at 2' });
    const sent = [await subscriber.nextOf('publish'), await subscriber.nextOf('publish')];
    subscriber.drop();
    for (let n = 1; n <= 300; n++) await publisher.publish({ topic: 'work/4', qos: 1, payload: `queued ${n}` });

    // One that is in the middle of a PUBLISH at QoS 2; retained messages; one whose Will is due.
    const sender = await alone.connect({ ...lasting, clientId: 'sender' });
    const half = sender.sendPublish({ topic: 'work/5', qos: 2, payload: 'half way' });
    await sender.nextOf('pubrec');
    await publisher.publish({ topic: 'state/1', qos: 1, retain: true, payload: 'on' });
    const watcher = await alone.connect({ ...lasting, clientId: 'watcher' });
    await watcher.subscribe('gone/#', { qos: 1 });
    await alone.connect({ ...lasting, clientId: 'lamp', will: { topic: 'gone/lamp', qos: 1, payload: 'gone' } });
    await alone.kill();

    const { exitCode, stdout, stderr } = await migrate(alone, redis, '--json');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({
      event: 'migrated',
      beginning: 'new',
      cluster: 'test',
      counts: {
        sessions: { source: 4, redis: 4 },
        subscriptions: { source: 2, redis: 2 },
        messages: { source: 303, redis: 303 },
        releases: { source: 1, redis: 1 },
        inbound: { source: 1, redis: 1 },
        retained: { source: 1, redis: 1 },
        wills: { source: 1, redis: 1 },
      },
    });

    const cluster = kept(await startOn(redis, 'migrate'));
    const back = await cluster.node(0).connect({ ...lasting, clientId: 'subscriber' });
    expect(back.connack.sessionPresent).toBe(true);
    // [MQTT-4.4.0-1]: what is owed first, under the Packet Identifiers that it had.
    expect(await back.next()).toMatchObject({ type: 'pubrel', packetId: released.packetId });
    back.acknowledge('pubcomp', released.packetId);
    const came: string[] = [];
    for (let n = 0; n < 303; n++) {
      const message = await back.receiveMessage();
      const before = sent[n];
      if (before !== undefined) expect(message).toMatchObject({ dup: true, packetId: before.packetId });
      expect(message.properties).toMatchObject({ subscriptionIdentifiers: [7] });
      came.push(text(message.payload));
    }
    const queued = Array.from({ length: 300 }, (_, n) => `queued ${n + 1}`);
    expect(came).toEqual(['sent at 1', 'sent at 2', ...queued, 'half way']);

    // [MQTT-4.3.3-10]: the repeat is the message that was had.
    const again = await cluster.node(1).connect({ ...lasting, clientId: 'sender' });
    expect(again.connack.sessionPresent).toBe(true);
    again.sendPublish({ topic: 'work/5', qos: 2, payload: 'half way', dup: true, packetId: half.packetId });
    await again.nextOf('pubrec');
    again.acknowledge('pubrel', half.packetId);
    await again.nextOf('pubcomp');
    await again.publish({ topic: 'work/6', qos: 2, payload: 'after it' });
    expect(text((await back.receiveMessage()).payload)).toBe('after it');
    await back.expectNothing();

    const watching = await cluster.node(1).connect({ ...lasting, clientId: 'watcher' });
    expect(text((await watching.receiveMessage()).payload)).toBe('gone');
    await watching.subscribe('state/#', { qos: 1 });
    expect(await watching.receiveMessage()).toMatchObject({ topic: 'state/1', retain: true });
    await watching.expectNothing();

    const repeated = await migrate(alone, redis);
    expect(repeated).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('It is there already') });
  });

  it('goes on when it was killed, and no node starts before it is through', longest, async () => {
    const redis = kept(await RedisProcess.start());
    const alone = kept(await startAlone({ durability: 'memory' }));
    const subscriber = await alone.connect({ ...lasting, clientId: 'subscriber' });
    await subscriber.subscribe('work/#', { qos: 1 });
    subscriber.drop();
    const publisher = await alone.connect();
    const count = 6000;
    for (let n = 0; n < count; n++) {
      publisher.sendPublish({
        topic: `work/${n}`,
        qos: 1,
        retain: true,
        packetId: 1 + (n % 20),
        payload: 'x'.repeat(2000),
      });
      if (n % 20 === 19) for (let acks = 0; acks < 20; acks++) await publisher.nextOf('puback');
    }
    await alone.stop();
    {
      // By a way that this process carries, so that it is not through while nobody looks.
      await using way = await Way.start(redis.port);
      const to = `redis://127.0.0.1:${way.port}`;
      await using first = runSkein(['migrate', '--from', `file:${alone.directory}`, '--to', to, '--cluster', 'test']);
      await until(
        'some of it to be copied',
        async () => Number((await redis.ask('HGET', 'test:im:{nodes}', 'pieces')) ?? 0) > 0 || undefined,
        processMs,
      );
      way.hold();
      first.kill('SIGKILL');
      expect((await first.ended()).signal).toBe('SIGKILL');
    }
    await using early = runSkein([
      'start',
      '--store',
      redis.url,
      '--cluster',
      'test',
      '--listen',
      'mqtt://127.0.0.1:0',
      '--admin',
      '127.0.0.1:0',
    ]);
    const refused = await early.ended();
    expect(refused.exitCode).toBe(78);
    expect(refused.stderr).toMatch(/still being migrated there from .*, since .*skein migrate/);

    const { exitCode, stdout, stderr } = await migrate(alone, redis);
    // How far it is it says when it takes long.
    expect(stderr.replaceAll(/^\d+ %: .* retained\n/gm, '')).toBe('');
    expect(exitCode).toBe(0);
    expect(stdout).toContain('An earlier run was stopped: this one goes on where it was.');
    expect(stdout).toMatch(/Queued messages +1,000 +1,000\n/); // what a queue holds, unless it is told otherwise
    expect(stdout).toMatch(/Retained messages +6,000 +6,000\n/);
    const cluster = kept(await startOn(redis, 'migrate-killed'));
    const back = await cluster.node(0).connect({ ...lasting, clientId: 'subscriber' });
    expect(back.connack.sessionPresent).toBe(true);
    for (let n = 0; n < 100; n++) expect((await back.receiveMessage()).topic).toBe(`work/${n}`);
  });

  it('ends with 78 where there is no data directory, or a node is at it', longest, async () => {
    const redis = kept(await RedisProcess.start());
    const alone = kept(await startAlone());
    const taken = await migrate(alone, redis, '--json');
    expect(taken.exitCode).toBe(78);
    expect(JSON.parse(taken.stdout)).toMatchObject({ event: 'refused' });
    await using nowhere = runSkein(['migrate', '--from', 'file:/no/such/directory', '--to', redis.url]);
    const { exitCode, stderr } = await nowhere.ended();
    expect({ exitCode, stderr }).toEqual({ exitCode: 78, stderr: expect.stringMatching(/^skein: --from: /) });
  });
});

describe('skein migrate, asked from within', () => {
  /** Retained messages, and nothing else. */
  function sourceOf(topics: number, counted: number = topics): ImportSource {
    const none = { sessions: 0, subscriptions: 0, messages: 0, releases: 0, inbound: 0, wills: 0 };
    return {
      id: 'directory',
      state: 'as it is',
      place: './skein-data',
      nowMs: () => Date.now(),
      items: () =>
        Array.from({ length: topics }, (_, n) => ({ is: 'retained', message: retained(n), order: undefined })),
      counts: () => ({ ...none, retained: counted }),
    };
  }

  function retained(n: number) {
    const payload = new Uint8Array(100);
    const rest = { retain: true, properties: undefined, publisherId: 'p', expiresAtMs: 0, frames: undefined };
    return { topic: `a/${n}`, payload, qos: 1, ...rest } as const;
  }

  function asked(redis: RedisProcess, ...more: readonly string[]) {
    const read = readMigrateWords(['--to', redis.url, ...more], {});
    if (read.is !== 'good') throw new Error(JSON.stringify(read));
    return read.words;
  }

  function heard(isStopped: () => boolean = () => false) {
    const said = { out: '', err: '' };
    const screen = (name: 'out' | 'err') => ({
      isTerminal: false,
      write: (text: string): void => {
        said[name] += text;
      },
    });
    const around: MigrateSurroundings = {
      out: screen('out'),
      err: screen('err'),
      monotonicMs: () => performance.now(),
      ask: undefined,
      isStopped,
    };
    return { said, around };
  }

  it('ends with 1 and shows what differs, lets no node start, and begins anew', longest, async () => {
    const redis = kept(await RedisProcess.start());
    const first = heard();
    expect(await migrateFrom(sourceOf(5, 6), asked(redis), first.around)).toBe(1);
    expect(first.said.out).toMatch(/Retained messages +6 +5 {3}differs\n/);
    expect(first.said.err).toMatch(/not all is there, so no node starts on it; the same command begins anew/);
    const json = heard();
    expect(await migrateFrom(sourceOf(5, 6), asked(redis, '--json'), json.around)).toBe(1);
    expect(JSON.parse(json.said.out)).toMatchObject({
      event: 'difference',
      beginning: 'anew',
      counts: { retained: { source: 6, redis: 5 } },
    });
    const second = heard();
    expect(await migrateFrom(sourceOf(5), asked(redis), second.around)).toBe(0);
    expect(second.said.out).toContain('this one begins anew');
  });

  it('stops between two pieces when it is told to, goes on, or is taken back', longest, async () => {
    const redis = kept(await RedisProcess.start());
    let looks = 0;
    const first = heard(() => ++looks > 3);
    expect(await migrateFrom(sourceOf(1000), asked(redis), first.around)).toBe(1);
    expect(first.said.err).toContain('stopped on the way; the same command goes on from there');
    const removed = heard();
    expect(await discard(asked(redis, '--discard', '--yes', '--json'), removed.around)).toBe(0);
    expect(JSON.parse(removed.said.out)).toMatchObject({ event: 'discarded', wasThere: true });
    const nothing = heard();
    expect(await discard(asked(redis, '--discard', '--yes'), nothing.around)).toBe(0);
    expect(nothing.said.out).toContain('There was nothing');
    const second = heard();
    expect(await migrateFrom(sourceOf(1000), asked(redis), second.around)).toBe(0);
    const complete = heard();
    expect(await discard(asked(redis, '--discard', '--yes'), complete.around)).toBe(78);
    expect(complete.said.err).toContain('it is not taken back');
  });
});
