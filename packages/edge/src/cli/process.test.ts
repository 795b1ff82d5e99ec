// The program as it is run: a process, its exit status, its signals, its first line.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

const program = fileURLToPath(new URL('../../bin/skein.js', import.meta.url));
const built = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const anyPorts = ['--listen', 'mqtt://127.0.0.1:0', '--admin', '127.0.0.1:0'];

// Processes take their time to start on a machine that is busy with other tests.
vi.setConfig({ testTimeout: 60_000 });

beforeAll(() => {
  if (!existsSync(built)) throw new Error('the program is not built: npm run build');
});

const directory = mkdtempSync(join(tmpdir(), 'skein-process-'));
afterAll(() => rmSync(directory, { recursive: true }));

const running: ChildProcess[] = [];
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const child of running.splice(0)) child.kill('SIGKILL');
});

/** A run of the program. */
interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<{ status: number | null; out: string; err: string }>;
  /** The line with this event, once it is there. */
  line(event: string): Promise<Record<string, unknown>>;
}

function run(words: readonly string[], environment: Record<string, string> = {}): Run {
  const child = spawn(process.execPath, [program, ...words], {
    cwd: mkdtempSync(join(directory, 'run-')), // where the data is, unless it is told otherwise
    env: { PATH: process.env.PATH ?? '', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(child);
  let out = '';
  let err = '';
  const waiting: (() => void)[] = [];
  const happened = (): void => {
    for (const resume of waiting.splice(0)) resume();
  };
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
    happened();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
  });
  let status: number | null | undefined;
  const ended = new Promise<{ status: number | null; out: string; err: string }>((resolve) => {
    child.on('close', (code) => {
      status = code;
      happened();
      resolve({ status: code, out, err });
    });
  });
  return {
    child,
    ended,
    line: async (event) => {
      for (;;) {
        const lines = out.split('\n').filter((each) => each.startsWith('{') && each.endsWith('}'));
        const found = lines.map((each) => JSON.parse(each)).find((each) => each.event === event);
        if (found !== undefined) return found;
        if (status !== undefined) throw new Error(`ended with ${status} before '${event}': ${out}${err}`);
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
  };
}

/** A socket to the first listener of a ready line. */
async function dial(ready: Record<string, unknown>, allowHalfOpen = false): Promise<Socket> {
  const [url] = ready.listen as string[];
  const socket = connect({ host: '127.0.0.1', port: Number(url?.split(':').at(-1)), allowHalfOpen });
  sockets.push(socket);
  await new Promise((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return socket;
}

describe('skein start', () => {
  it('prints one ready line with the addresses it is bound to, and a first message to copy', async () => {
    const { line, child, ended } = run(['start', ...anyPorts, '--listen', 'ws://[::1]:0/mqtt', '--node-id', 'n1']);
    const ready = await line('ready');
    expect(ready).toMatchObject({
      level: 'info',
      nodeId: 'n1',
      node: 'n1',
      cluster: 'skein',
      listen: [
        expect.stringMatching(/^mqtt:\/\/127\.0\.0\.1:\d+$/),
        expect.stringMatching(/^ws:\/\/\[::1\]:\d+\/mqtt$/),
      ],
      admin: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      store: 'file:./skein-data',
      durability: 'everysec',
      directory: expect.stringMatching(/\/skein-data$/),
      found: { sessions: 0, messages: 0, retained: 0, tookMs: expect.any(Number) },
      try: expect.stringMatching(/^mosquitto_pub -h 127\.0\.0\.1 -p \d+ -t /),
    });
    expect((await fetch(`${ready.admin}/readyz`)).status).toBe(200);
    child.kill('SIGTERM');
    const { out, err } = await ended;
    expect(out.split('\n').filter((each) => each.includes('"event":"ready"'))).toHaveLength(1);
    expect(err).toBe('');
  });

  it('serves on and stops in order when nobody reads what it says any more', async () => {
    const { child, ended, line } = run(['start', ...anyPorts, '--store', 'memory:']);
    const ready = await line('ready');
    child.stdout?.destroy();
    child.stderr?.destroy();
    // Each of them is worth a line.
    for (let count = 0; count < 3; count++) {
      const socket = await dial(ready);
      socket.end('no MQTT');
      await once(socket.resume(), 'close');
    }
    expect((await fetch(`${ready.admin}/livez`)).status).toBe(200);
    child.kill('SIGTERM');
    expect((await ended).status).toBe(0);
  });

  it('warns that nothing survives a restart, if that is so', async () => {
    const { line } = run(['start', ...anyPorts, '--store', 'memory:']);
    expect(await line('ready')).toMatchObject({ store: 'memory:', durability: 'memory' });
    expect(await line('store_volatile')).toMatchObject({
      level: 'warn',
      msg: expect.stringContaining('lost at a restart'),
    });
  });

  it('finds a Session again that was there when it was killed', async () => {
    const store = `file:${join(directory, 'kept')}`;
    const first = run(['start', ...anyPorts, '--store', store]);
    const socket = await dial(await first.line('ready'));
    const connacked = new Promise((resolve) => socket.once('data', resolve));
    // CONNECT with Session Expiry Interval 3600, as lamp
    socket.write(Buffer.from('101600044d5154540502003c051100000e1000046c616d70', 'hex'));
    await connacked;
    first.child.kill('SIGKILL');
    await first.ended;
    const again = run(['start', ...anyPorts, '--store', store]);
    expect(await again.line('ready')).toMatchObject({ store, found: { sessions: 1, messages: 0, retained: 0 } });
  });

  it('ends with 78 when another process has its data directory, and says which', async () => {
    const store = `file:${join(directory, 'taken')}`;
    const first = run(['start', ...anyPorts, '--store', store, '--node-id', 'n1']);
    await first.line('ready');
    const { status, out, err } = await run(['start', ...anyPorts, '--store', store]).ended;
    expect(status).toBe(78);
    expect(err).toMatch(new RegExp(`^skein: store: .*/taken is in use by process ${first.child.pid} \\(node n1\\)`));
    expect(out).toBe('');
  });

  it('prints the ready line however quiet the log is to be', async () => {
    const { line } = run(['start', ...anyPorts, '--log-level', 'fatal']);
    expect(await line('ready')).toMatchObject({ level: 'info' });
  });

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`tells its clients and ends with 0 at ${signal}`, async () => {
      const { line, child, ended } = run(['start', ...anyPorts]);
      const socket = await dial(await line('ready'));
      const heard: Buffer[] = [];
      const connacked = new Promise<void>((resolve) => {
        socket.on('data', (chunk: Buffer) => {
          heard.push(chunk);
          resolve();
        });
      });
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.write(Buffer.from('101100044d5154540502003c0000046c616d70', 'hex'));
      await connacked;
      child.kill(signal);
      await closed;
      // DISCONNECT with Server shutting down is the last word.
      const said = Buffer.concat(heard).toString('hex');
      expect(said.slice(0, 2)).toBe('20');
      expect(said).toMatch(/e0..8b/);
      expect((await ended).status).toBe(0);
    });
  }

  it('takes signals close together for one, as a process group and a parent that passes them on make them', async () => {
    const { line, child, ended } = run(['start', ...anyPorts]);
    await line('ready');
    child.kill('SIGTERM');
    child.kill('SIGTERM');
    expect((await ended).status).toBe(0);
  });

  it('ends at once at a second signal a moment later', async () => {
    const { line, child, ended } = run(['start', ...anyPorts]);
    // A connection that does not close when its turn comes: stopping waits for it a little.
    await dial(await line('ready'), true);
    const impatience = setInterval(() => child.kill('SIGTERM'), 100);
    const { status } = await ended;
    clearInterval(impatience);
    expect(status).toBe(1);
  });

  it('ends with 78 when its port is in use, and says which', async () => {
    const first = run(['start', ...anyPorts]);
    const [url = ''] = (await first.line('ready')).listen as string[];
    const { status, err } = await run(['start', '--listen', url, '--admin', '127.0.0.1:0']).ended;
    expect(status).toBe(78);
    expect(err).toMatch(new RegExp(`^skein: ${url}: the port is in use`));
  });

  const redis = ['--store', 'redis://127.0.0.1:6379'];
  const wrong: readonly [what: string, words: readonly string[], environment: Record<string, string>, says: RegExp][] =
    [
      ['flag', ['--lisetn', 'mqtt://127.0.0.1:0'], {}, /--lisetn: .*did you mean --listen\?/],
      ['value', ['--listen', 'mqtts://127.0.0.1:8883'], {}, /listen: .*mqtts:.*not built yet.*allowed: /],
      ['store', ['--store', 'file:'], {}, /store: file: from --store.*allowed: file:DIRECTORY/],
      ['variable', [], { SKEIN_LIMITS_RECEIVE_MAXIMUM: '0' }, /limits\.receiveMaximum: 0 .*from 1 to 65535/],
      ['file', ['--config', '/nowhere.yaml'], {}, /\/nowhere\.yaml: the file cannot be read/],
      ['peer', [...redis, '--peer', '0.0.0.0:7470'], {}, /peer: 0\.0\.0\.0:7470 stands for.*--advertise/],
      ['open way', [...redis, '--peer', '10.0.0.1:7470'], {}, /peer: 10\.0\.0\.1:7470 is beyond.*--insecure-peers/],
      [
        'durability',
        ['--store', 'memory:', '--durability', 'always'],
        {},
        /durability: always is more than the store memory:.*allowed: /,
      ],
      ['open door', ['--listen', 'mqtt://0.0.0.0:0'], {}, /0\.0\.0\.0:0 can be reached .*--allow-anonymous/],
    ];
  for (const [what, words, environment, says] of wrong) {
    it(`ends with 78 for a wrong ${what}, and says what is allowed`, async () => {
      const { status, out, err } = await run(['start', ...words], environment).ended;
      expect(status).toBe(78);
      expect(err).toMatch(says);
      expect(err).toMatch(/^skein: /);
      expect(out).toBe('');
    });
  }

  it('ends with 78 when it cannot listen for its peers, and says where', async () => {
    const first = run(['start', ...anyPorts]);
    const taken = new URL(String((await first.line('ready')).admin)).host;
    const { status, err } = await run(['start', ...anyPorts, '--store', 'redis://127.0.0.1:1', '--peer', taken]).ended;
    expect(status).toBe(78);
    expect(err).toMatch(new RegExp(`^skein: peer: ${taken}: the port is in use`));
  });

  it('ends with 78 when there is no such Redis, says where it looked, and not with which password', async () => {
    const store = 'redis://ada:hunter2@127.0.0.1:1/3';
    const { status, out, err } = await run(['start', ...anyPorts], { SKEIN_STORE: store }).ended;
    expect(status).toBe(78);
    expect(err).toMatch(/^skein: store: Redis at 127\.0\.0\.1:1 cannot be reached \(ECONNREFUSED\)/);
    expect(out + err).not.toContain('hunter2');
  });

  it('listens beyond loopback when it is told in so many words', async () => {
    const { line } = run(['start', '--listen', 'mqtt://0.0.0.0:0', '--admin', '127.0.0.1:0', '--allow-anonymous']);
    expect(await line('ready')).toMatchObject({ listen: [expect.stringMatching(/^mqtt:\/\/0\.0\.0\.0:\d+$/)] });
    expect(await line('anonymous_everywhere')).toMatchObject({ level: 'warn' });
  });

  it('refuses clients without an identity when anonymous access is off', async () => {
    const { line } = run(['start', ...anyPorts, '--no-allow-anonymous']);
    const socket = await dial(await line('ready'));
    const answer = new Promise<string>((resolve) => socket.once('data', (chunk) => resolve(chunk.toString('hex'))));
    socket.write(Buffer.from('101100044d5154540502003c0000046c616d70', 'hex'));
    expect(await answer).toMatch(/^20..0087/);
    expect(await line('client_refused')).toMatchObject({ clientId: 'lamp', reason: 'notAuthorized' });
  });
});

describe('skein check-config', () => {
  it('says that all is well, or where each setting comes from', async () => {
    const file = join(directory, 'skein.yaml');
    writeFileSync(file, 'limits:\n  queueMaxMessages: 5\n');
    const good = await run(['check-config', '--config', file]).ended;
    expect(good).toMatchObject({ status: 0, out: 'The settings are good.\n', err: '' });
    const { status, out } = await run(['check-config', '--explain', '--config', file, '--cluster', 'c'], {
      SKEIN_NODE_ID: 'n',
    }).ended;
    expect(status).toBe(0);
    expect(out).toMatch(/^nodeId +n +SKEIN_NODE_ID *$/m);
    expect(out).toMatch(/^cluster +c +--cluster *$/m);
    expect(out).toMatch(/^limits\.queueMaxMessages +5 +.*skein\.yaml *$/m);
    expect(out).toMatch(/^logLevel +info +default *$/m);
    expect(out).toMatch(/^store +file:\.\/skein-data +default *\ndurability +everysec +default *$/m);
  });

  it('tells of a store where it is, and not how to get in', async () => {
    const file = join(directory, 'store');
    writeFileSync(file, 'rediss://ada:hunter2@redis.example.org:6380/2\n');
    const { status, out, err } = await run(['check-config', '--explain'], { SKEIN_STORE_FILE: file }).ended;
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(out).toMatch(/^store +rediss:\/\/redis\.example\.org:6380\/2 +.*\(SKEIN_STORE_FILE\) *$/m);
    expect(out).toMatch(/^nodeId +\S+-[0-9a-f]{6} +default, new at each start *$/m);
    expect(out).toMatch(/^durability +\(.*whatever the store offers\) +default *$/m);
    expect(out).toMatch(/^insecurePeers +false +default *$/m);
    expect(out).not.toContain('hunter2');
  });

  it('ends with 78 when something is wrong', async () => {
    const { status, err } = await run(['check-config', '--log-level', 'loud', '--wat']).ended;
    expect(status).toBe(78);
    expect(err.trim().split('\n')).toHaveLength(2);
  });
});

describe('skein check-data', () => {
  it('looks at the directory that a node has left, and takes no other one', async () => {
    const data = join(directory, 'to-check');
    const { line, child, ended } = run(['start', ...anyPorts, '--store', `file:${data}`]);
    await line('ready');
    child.kill('SIGTERM');
    await ended;
    const { status, out, err } = await run(['check-data', data]).ended;
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(out).toContain('It is good.');
    const byUrl = await run(['check-data', '--store', `file:${data}`, '--json']).ended;
    expect(JSON.parse(byUrl.out)).toMatchObject({ directory: data, isGood: true });
    const two = await run(['check-data', data, data]).ended;
    expect(two).toMatchObject({ status: 78, err: expect.stringContaining('one directory at a time') });
    const none = await run(['check-data', '--store', 'memory:']).ended;
    expect(none).toMatchObject({ status: 78, err: expect.stringContaining('store: memory: has no data directory') });
  });

  it('has flags that are of no use elsewhere', async () => {
    const { status, err } = await run(['start', ...anyPorts, '--repair']).ended;
    expect(status).toBe(78);
    expect(err).toBe('skein: --repair: it belongs to check-data\n');
    const { out } = await run(['check-data', '--help']).ended;
    expect(out).toMatch(/^skein check-data \[DIRECTORY\] \[flags\]$/m);
    expect(out).toMatch(/^ {2}--repair$/m);
    expect(out.match(/^ {2}--[a-z-]+/gm)).toEqual(['  --config', '  --repair', '  --json', '  --store']);
  });
});

describe('commands with flags of their own', () => {
  for (const command of ['migrate', 'bench']) {
    it(`such as ${command} come first`, async () => {
      const help = await run([command, '--help']).ended;
      expect(help).toMatchObject({ status: 0, out: expect.stringContaining(`skein ${command}`) });
      expect((await run(['--help', command]).ended).out).toBe(help.out);
      const { status, err } = await run(['--log-level', 'info', command]).ended;
      expect({ status, err }).toEqual({
        status: 64,
        err: `skein: ${command}: it comes first, and its flags behind it\n`,
      });
    });
  }
});

describe('skein', () => {
  it('tells its version and its help', async () => {
    expect(await run(['--version']).ended).toMatchObject({ status: 0, out: expect.stringMatching(/^skein \d+\.\d+/) });
    expect(await run(['--help']).ended).toMatchObject({ status: 0, out: expect.stringContaining('skein start') });
    const { status, out } = await run(['start', '--help']).ended;
    expect(status).toBe(0);
    expect(out).toContain('--limits-receive-maximum');
  });

  it('ends with 64 without a command, or with one that does not exist', async () => {
    expect(await run([]).ended).toMatchObject({ status: 64, err: expect.stringContaining('a command is missing') });
    expect(await run(['strat']).ended).toMatchObject({
      status: 64,
      err: expect.stringContaining('did you mean start?'),
    });
    expect(await run(['chek-data']).ended).toMatchObject({
      status: 64,
      err: expect.stringContaining('did you mean check-data?'),
    });
  });
});
