// What the files of deployment say to Skein is understood: their variables and flags are settings, the values that
// compose gives are good ones, and the alerts ask for metrics that there are. And where HAProxy and Prometheus are
// installed, they understand theirs.

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { startEdge } from '../edge.ts';
import { load } from './config.ts';
import { settings } from './schema.ts';
import { fromEnvironment } from './sources.ts';

const root = fileURLToPath(new URL('../../../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const templates = readdirSync(join(root, 'helm/skein/templates')).map((name) => `helm/skein/templates/${name}`);

const variables = new Set(settings.flatMap(({ variable }) => [variable, `${variable}_FILE`]));
const flags = new Set([...settings.map(({ flag }) => flag), '--config', '--help', '--explain']);

/** Variables that the image sets. */
function imageEnvironment(): Record<string, string> {
  const set = read('deploy/Dockerfile').matchAll(/\b(SKEIN_\w+)=(?:"([^"]*)"|(\S+))/g);
  return Object.fromEntries([...set].map(([, name = '', quoted, plain = '']) => [name, quoted ?? plain]));
}

interface Compose {
  readonly services: Readonly<Record<string, { readonly environment?: Readonly<Record<string, string>> }>>;
}

describe('variables and flags', () => {
  for (const path of ['docker-compose.yml', 'deploy/Dockerfile', 'deploy/probe.mjs', ...templates]) {
    const named = [...new Set(read(path).match(/\bSKEIN_[A-Z0-9_]+/g) ?? [])];
    if (named.length === 0) continue;
    it(`that ${path} names are those of settings`, () => {
      expect(named.filter((name) => !variables.has(name))).toEqual([]);
    });
  }

  for (const path of ['README.md', 'docs/operations.md', 'scripts/dev-cluster/processes.mjs']) {
    it(`that ${path} gives to skein start are those of settings`, () => {
      // Of the lines that call it, what comes after; in a script, the options that are ours by their array.
      const calls = [...read(path).matchAll(/(?:skein start|npm start --|'start', |const (?:self|doors) = )(.*)/g)];
      const named = calls.flatMap(([, rest = '']) => rest.match(/(?<![\w-])--[a-z][a-z0-9-]*/g) ?? []);
      expect(calls).not.toEqual([]);
      expect(named.filter((name) => !flags.has(name))).toEqual([]);
    });
  }

  it('that the chart keeps to itself are settings', () => {
    const kept = /range \$key := list (.*?) \}\}\n.*hasKey/s.exec(read('helm/skein/templates/deployment.yaml'))?.[1];
    const paths = (kept ?? '').match(/\w+/g) ?? [];
    expect(paths).toContain('store');
    expect(paths.filter((path) => !settings.some((setting) => setting.path === path))).toEqual([]);
  });
});

describe('docker-compose.yml', () => {
  const { services } = parse(read('docker-compose.yml'), { merge: true }) as Compose;
  const nodes = Object.entries(services).filter(([, { environment }]) => environment?.SKEIN_STORE !== undefined);

  it('has three nodes, one cluster over one store, each with a name and an address of its own', () => {
    const configs = nodes.map(([, { environment = {} }]) => {
      const source = fromEnvironment({ ...imageEnvironment(), ...environment });
      return load([source]).config;
    });
    expect(nodes.map(([name]) => name)).toEqual(['node1', 'node2', 'node3']);
    expect(new Set(configs.map(({ nodeId }) => nodeId)).size).toBe(3);
    expect(new Set(configs.map(({ advertise }) => advertise)).size).toBe(3);
    expect(new Set(configs.map(({ store, cluster }) => `${store} ${cluster}`)).size).toBe(1);
    for (const [index, [name]] of nodes.entries()) expect(configs[index]?.advertise).toBe(`${name}:7470`);
  });

  it('meets HAProxy and Prometheus at the ports where nodes listen', () => {
    const { config } = load([fromEnvironment({ ...imageEnvironment(), SKEIN_ALLOW_ANONYMOUS: 'true' })]);
    const haproxy = read('deploy/haproxy/haproxy.cfg');
    for (const [name] of nodes) {
      const place = name.toUpperCase();
      expect(haproxy).toContain(`presetenv ${place} ${name}\n`);
      const port = (of: string): string | undefined => new RegExp(`presetenv ${place}_${of} (\\d+)`).exec(haproxy)?.[1];
      expect(config.listen).toEqual([`mqtt://0.0.0.0:${port('MQTT')}`, `ws://0.0.0.0:${port('WS')}/mqtt`]);
      expect(config.admin).toBe(`0.0.0.0:${port('ADMIN')}`);
      expect(read('deploy/prometheus/prometheus.yml')).toContain(`"${name}:${port('ADMIN')}"`);
    }
  });
});

describe('alerts', () => {
  it('ask for metrics that a node has', async () => {
    await using edge = await startEdge({ listen: ['mqtt://127.0.0.1:0'], admin: '127.0.0.1:0', store: 'memory:' });
    const exposed = await (await fetch(`${edge.adminUrl}/metrics`)).text();
    const known = new Set([...exposed.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name));
    const asked = read('deploy/prometheus/rules.yml').match(/\b(?:mqtt|nodejs|process)_\w+/g) ?? [];
    expect(asked.length).toBeGreaterThan(10);
    expect([...new Set(asked)].filter((name) => !known.has(name))).toEqual([]);
  });
});

/** Asks a program what it thinks of a file of its own. */
function judge(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd: join(root, 'deploy'),
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  return { status, said: `${stdout}${stderr}` };
}

const isInstalled = (program: string, flag: string): boolean => spawnSync(program, [flag]).status === 0;

describe.skipIf(!isInstalled('haproxy', '-v'))('HAProxy', () => {
  it('understands its file', () => {
    // Names of containers are not to be looked up here.
    const env = { NODE1: '127.0.0.1', NODE2: '127.0.0.1', NODE3: '127.0.0.1', LB_HOST: '127.0.0.1' };
    const { status, said } = judge('haproxy', ['-c', '-f', 'haproxy/haproxy.cfg'], env);
    expect(said).not.toMatch(/WARNING|ALERT/);
    expect(status).toBe(0);
  });
});

describe.skipIf(!isInstalled('promtool', '--version'))('Prometheus', () => {
  it('understands its file, and the rules', () => {
    expect(judge('promtool', ['check', 'config', 'prometheus/prometheus.yml'])).toMatchObject({ status: 0 });
  });

  it('is alarmed by what each alert is about, and by nothing else', () => {
    expect(judge('promtool', ['test', 'rules', 'prometheus/rules.test.yml'])).toMatchObject({ status: 0 });
  }, 60_000);
});
