// On a real directory: a node kept a Session and a retained message in it, and stopped.

import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startEdge } from '../edge.ts';
import { type CheckDataWords, checkData } from './check-data.ts';

// What is opened is loaded first, which takes its time on a machine that is busy with other tests.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const place = mkdtempSync(join(tmpdir(), 'skein-check-data-'));
const kept = join(place, 'kept');
/** The same as it was while the node ran: each call is a frame of the log, and on the disk before the next. */
const running = join(place, 'running');
afterAll(() => rmSync(place, { recursive: true }));

const places = { listen: ['mqtt://127.0.0.1:0'], admin: '127.0.0.1:0' };
/** CONNECT as lamp with a Session Expiry Interval of an hour. */
const connectLamp = '101600044d5154540502003c051100000e1000046c616d70';
/** PUBLISH of `on` to `a`, retained, at QoS 1. */
const publishOn = '33080001610001006f6e';

/** Says something to a node and waits for the packet that answers it. */
async function converse(url: string, words: readonly (readonly [said: string, answerType: number])[]): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port: Number(url.split(':').at(-1)) });
  for (const [said, answerType] of words) {
    const answer = new Promise<Buffer>((answered) => socket.once('data', answered));
    socket.write(Buffer.from(said, 'hex'));
    expect((await answer)[0]).toBe(answerType);
  }
  socket.destroy();
}

beforeAll(async () => {
  await using edge = await startEdge({ ...places, store: `file:${kept}`, durability: 'always' });
  await converse(edge.urls[0] ?? '', [
    [connectLamp, 0x20],
    [publishOn, 0x40],
  ]);
  cpSync(kept, running, { recursive: true, filter: (path) => !path.includes('lock-') });
});

let copies = 0;
/** A copy of a directory, that may be spoilt. */
function copyOf(original: string): string {
  copies += 1;
  const directory = join(place, `copy-${copies}`);
  cpSync(original, directory, { recursive: true });
  return directory;
}

/** Changes bits of a file of a directory. */
function spoil(directory: string, kind: 'log' | 'snapshot', at: number): string {
  const name = readdirSync(directory).find((each) => each.startsWith(kind)) ?? '';
  const bytes = readFileSync(join(directory, name));
  bytes[at] = (bytes[at] ?? 0) ^ 0xff;
  writeFileSync(join(directory, name), bytes);
  return name;
}

/** What the command says. */
async function check(words: Partial<CheckDataWords>, store = 'file:./nowhere') {
  let out = '';
  let err = '';
  const hear = (take: (text: string) => void) => (text: unknown) => {
    take(String(text));
    return true;
  };
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation(hear((text) => (out += text))),
    vi.spyOn(process.stderr, 'write').mockImplementation(hear((text) => (err += text))),
  ];
  try {
    const status = await checkData({ store }, { directory: undefined, repair: false, json: false, ...words });
    return { status, out, err };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

describe('skein check-data', () => {
  it('tells what a directory holds, in columns, and changes nothing', async () => {
    const before = readdirSync(kept);
    const { status, out, err } = await check({ directory: kept });
    expect({ status, err }).toEqual({ status: 0, err: '' });
    const lines = out.split('\n');
    expect(lines[0]).toBe(kept);
    expect(lines[2]).toMatch(/^ {2}file +state +format +begun +frames +records +bytes$/);
    expect(out).toMatch(/^ {2}snapshot-\d{8}\.skein +good +1 +\d{4}-\d\d-\d\dT[\d:]{8} +\d+ +\d+ +\d+$/m);
    expect(out).toMatch(/^ {2}log-\d{8}\.skein +good /m);
    expect(out).toContain('It holds 1 Session, 0 queued messages, 1 retained message.');
    expect(out).toContain('It is good.');
    expect(readdirSync(kept)).toEqual(before);
  });

  it('looks where the settings say, if it is told nothing else', async () => {
    expect((await check({}, `file:${kept}`)).status).toBe(0);
    const { status, err } = await check({}, 'redis://:secret@127.0.0.1');
    expect(status).toBe(78);
    expect(err).toMatch(/^skein: store: redis:\/\/127\.0\.0\.1 has no data directory; allowed: file:DIRECTORY/);
  });

  it('tells scripts the same, as JSON', async () => {
    const { status, out } = await check({ directory: kept, json: true });
    expect(status).toBe(0);
    const report = JSON.parse(out);
    expect(report).toMatchObject({ directory: kept, isGood: true, isRepaired: false });
    expect(report.holds).toEqual({ sessions: 1, messages: 0, retained: 1 });
    expect(report.files.map(({ state }: { state: string }) => state)).toEqual(['good', 'good']);
  });

  it('names damage of a log, what a repair does and costs, and does it when it is told to', async () => {
    const directory = copyOf(running);
    const name = spoil(directory, 'log', 140);
    const { status, out } = await check({ directory });
    expect(status).toBe(1);
    expect(out).toMatch(new RegExp(`^${name} at byte \\d+ of \\d+: .*behind it`, 'm'));
    expect(out).toMatch(/^It holds 0 Sessions, .*, up to the first damage\.$/m);
    const cost =
      /A repair loses \d+ frames? and what \d+ spoilt bytes held, deletes nothing, and is: skein check-data .* --repair$/m;
    expect(out).toMatch(cost);
    expect(out).toMatch(new RegExp(`^ {2}1\\. ${name} counts up to byte .* are copied to ${name}\\.damaged$`, 'm'));
    expect(readdirSync(directory).filter((each) => each.endsWith('.damaged'))).toEqual([]);

    const repaired = await check({ directory, repair: true });
    expect(repaired).toMatchObject({ status: 0, err: '' });
    expect(repaired.out).toContain('That has been done: a node can start on it.');
    const again = await check({ directory, repair: true });
    expect(again.status).toBe(0);
    expect(again.out).toContain(`Set aside by an earlier repair: ${name}.damaged.`);
    expect(again.out).not.toContain('That has been done');

    await using edge = await startEdge({ ...places, store: `file:${directory}` });
    expect(edge.disk?.opened).toMatchObject({ sessions: 0, messages: 0, retained: 0 });
  });

  it('says so where no step helps, and ends with 1', async () => {
    const directory = copyOf(kept);
    const name = spoil(directory, 'snapshot', 140);
    const { status, out } = await check({ directory });
    expect(status).toBe(1);
    expect(out).toContain(`${name} at byte `);
    expect(out).toContain('no step of a repair helps: restore it from a backup');
    const { status: still, err } = await check({ directory, repair: true });
    expect(still).toBe(1);
    expect(err).toMatch(/^skein: The data directory .*cannot be repaired/);
  });

  it('does not look at a directory that a node has, that is none, or that is not there', async () => {
    const directory = join(place, 'busy');
    await using edge = await startEdge({ ...places, store: `file:${directory}`, nodeId: 'n1' });
    expect(edge.disk?.directory).toBe(directory);
    const busy = await check({ directory });
    expect(busy.status).toBe(78);
    expect(busy.err).toMatch(new RegExp(`^skein: .*in use by process ${process.pid} \\(node n1\\)`));
    expect(await check({ directory: join(place, 'nowhere') })).toMatchObject({ status: 78, out: '' });
    const file = join(kept, readdirSync(kept)[0] ?? '');
    expect(await check({ directory: file })).toMatchObject({ status: 78, out: '' });
  });

  it('finds nothing wrong with an empty one', async () => {
    const directory = join(place, 'empty');
    mkdirSync(directory);
    const { status, out } = await check({ directory });
    expect(status).toBe(0);
    expect(out).toContain('There is nothing in it: a node begins anew.');
  });
});
