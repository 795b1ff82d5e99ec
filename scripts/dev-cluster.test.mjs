// A cluster by one command: it serves, over all of its nodes, and nothing of it outlives the command.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import mqtt from 'mqtt';
import { describe, expect, it, onTestFinished } from 'vitest';
import { until } from '../test/support/deadline.ts';
import { runs } from './dev-cluster/guard.mjs';

const script = fileURLToPath(new URL('dev-cluster.mjs', import.meta.url));
/** Five processes start and end, on a machine that is busy with other tests. */
const patienceMs = 60_000;

/** @param {Record<string, string>} [env] on top of ours */
function command(env) {
  const directory = mkdtempSync(join(tmpdir(), 'skein-dev-cluster-'));
  const child = spawn(process.execPath, [script, '--any-port', '--directory', directory], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      said += text;
    });
  }
  onTestFinished(async () => {
    child.kill('SIGTERM');
    await exited;
    rmSync(directory, { recursive: true, force: true });
  });
  return { child, exited, directory, said: () => said };
}

/**
 * Starts a cluster, and waits until it greets.
 *
 * @param {Record<string, string>} [env]
 */
async function startCluster(env) {
  const { child, exited, directory, said } = command(env);
  const file = join(directory, 'cluster.json');
  const isReady = () => {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${said()}`);
    return (existsSync(file) && said().includes('Ctrl-C ends it all')) || undefined;
  };
  await until('the cluster to be ready', isReady, patienceMs);
  /** @type {{ ports: import('./dev-cluster/ports.mjs').Ports, pids: Record<string, number> }} */
  const { ports, pids } = JSON.parse(readFileSync(file, 'utf8'));
  return { child, exited, said, ports, pids };
}

/** A PATH with one program on it. @param {string} program */
function pathOf(program) {
  const directory = mkdtempSync(join(tmpdir(), 'skein-path-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const found = (process.env.PATH ?? '').split(delimiter).map((each) => join(each, program));
  symlinkSync(found.find((each) => existsSync(each)) ?? program, join(directory, program));
  return directory;
}

/** @param {number} port */
async function connectTo(port) {
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 5, reconnectPeriod: 0 });
  onTestFinished(() => void client.end(true));
  return client;
}

describe('npm run dev:cluster', { timeout: 2 * patienceMs }, () => {
  it('is a cluster, and is gone without a trace after SIGTERM', async () => {
    const { child, exited, ports, pids } = await startCluster();
    expect(Object.keys(pids)).toEqual(expect.arrayContaining(['redis', 'node1', 'node2', 'node3']));
    expect(Object.values(pids).every(runs)).toBe(true);

    const subscriber = await connectTo(/** @type {number} */ (ports.nodes[0]?.mqtt));
    await subscriber.subscribeAsync('hello/#', { qos: 1 });
    const heard = new Promise((resolve) => {
      subscriber.once('message', (_, payload) => resolve(String(payload)));
    });
    // The balancer takes it to any node.
    const publisher = await connectTo(ports.mqtt);
    await publisher.publishAsync('hello/world', 'it works', { qos: 1 });
    expect(await heard).toBe('it works');

    child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
    expect(Object.values(pids).filter(runs)).toEqual([]);
  });

  it('does without HAProxy and Prometheus, and starts a node again that was killed', async () => {
    const { ports, pids, said } = await startCluster({ PATH: pathOf('redis-server') });
    expect(Object.keys(pids).sort()).toEqual(['node1', 'node2', 'node3', 'redis']);
    expect(said()).toContain('HAProxy is not installed');
    expect(said()).toContain('apt-get install prometheus');
    await connectTo(ports.mqtt);

    process.kill(/** @type {number} */ (pids.node2), 'SIGKILL');
    const isSaid = () => said().includes('node2 ended with SIGKILL') || undefined;
    await until('a word on it', isSaid, patienceMs);
    const admin = `http://127.0.0.1:${ports.nodes[1]?.admin}/readyz`;
    const isReady = async () => (await fetch(admin).catch(() => undefined))?.ok || undefined;
    await until('node2 to be ready again', isReady, patienceMs);
  });

  it('leaves nothing behind when it is killed itself', async () => {
    const { child, pids } = await startCluster();
    child.kill('SIGKILL');
    const areGone = () => Object.values(pids).every((pid) => !runs(pid)) || undefined;
    await until('all to end', areGone, patienceMs);
  });

  it('says what is missing where there is no Redis', async () => {
    const { exited, said } = command({ PATH: tmpdir() });
    expect(await exited).toEqual([1, null]);
    expect(said()).toContain('redis-server is not on the PATH');
    expect(said()).toContain('apt-get install redis-server');
  });
});
