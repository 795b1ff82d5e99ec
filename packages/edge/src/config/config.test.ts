import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseArguments } from '../cli/arguments.ts';
import { settingsHelp } from '../cli/help.ts';
import { ConfigError, type Loaded, load } from './config.ts';
import { settings } from './schema.ts';
import { fromEnvironment, fromFlags, fromNested } from './sources.ts';
import { fromFile } from './yaml-file.ts';

const directory = mkdtempSync(join(tmpdir(), 'skein-config-'));
afterAll(() => rmSync(directory, { recursive: true }));

let files = 0;
/** A file with a text, and its path. */
function file(text: string, name = 'skein.yaml'): string {
  files += 1;
  const path = join(directory, `${files}-${name}`);
  writeFileSync(path, text);
  return path;
}

interface Written {
  readonly yaml?: string;
  readonly environment?: Record<string, string>;
  readonly flags?: readonly string[];
}

/** Flags for a store that is shared. */
const redis = ['--store=redis://127.0.0.1:6379'];

/** The settings as `skein start` settles them. */
function settle({ yaml, environment = {}, flags = [] }: Written): Loaded {
  const words = parseArguments(['start', ...flags]);
  return load([
    { given: [], problems: words.problems },
    ...(yaml === undefined ? [] : [fromFile(file(yaml))]),
    fromEnvironment(environment),
    fromFlags(words.flags),
  ]);
}

/** What is said of settings that are refused. */
function problems(written: Written): readonly string[] {
  try {
    settle(written);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('settings', () => {
  it('have defaults, all of them allowed', () => {
    const { config, effective } = settle({});
    expect(config.listen).toEqual(['mqtt://127.0.0.1:1883', 'ws://127.0.0.1:8083/mqtt']);
    expect(config.admin).toBe('127.0.0.1:8080');
    expect(config.store).toBe('file:./skein-data');
    expect(config.durability).toBe('everysec');
    expect(config.allowAnonymous).toBe('loopback');
    expect(config.nodeId).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]*$/);
    expect(config.limits.connectTimeoutSeconds).toBe(5);
    expect(effective).toHaveLength(settings.length);
    expect(new Set(effective.map(({ source }) => source))).toEqual(new Set(['default']));
    for (const { setting, value } of effective) expect(setting.schema.safeParse(value).success).toBe(true);
  });

  it('come from the file, the environment and flags, and the later wins', () => {
    const yaml = 'nodeId: file\ncluster: file\nadmin: 127.0.0.1:1\nlimits:\n  receiveMaximum: 1\n  queueFull: refuse\n';
    const environment = { SKEIN_NODE_ID: 'environment', SKEIN_ADMIN: '127.0.0.1:2', SKEIN_LIMITS_RECEIVE_MAXIMUM: '2' };
    const { config, effective } = settle({ yaml, environment, flags: ['--node-id', 'flag', '--admin=127.0.0.1:3'] });
    expect(config).toMatchObject({ nodeId: 'flag', cluster: 'file', admin: '127.0.0.1:3' });
    expect(config.limits).toMatchObject({ receiveMaximum: 2, queueFull: 'refuse', maximumPacketSize: 1_048_576 });
    const sources = new Map(effective.map(({ setting, source }) => [setting.path, source]));
    expect(sources.get('nodeId')).toBe('--node-id');
    expect(sources.get('limits.receiveMaximum')).toBe('SKEIN_LIMITS_RECEIVE_MAXIMUM');
    expect(sources.get('cluster')).toMatch(/skein\.yaml$/);
    expect(sources.get('logLevel')).toBe('default');
  });

  it('that are lists are replaced as a whole', () => {
    const yaml = 'listen: [mqtt://127.0.0.1:1, mqtt://127.0.0.1:2]\n';
    const flags = ['--listen', 'mqtt://127.0.0.1:3', '--listen', 'ws://127.0.0.1:4/x'];
    expect(settle({ yaml }).config.listen).toEqual(['mqtt://127.0.0.1:1', 'mqtt://127.0.0.1:2']);
    expect(settle({ yaml, flags }).config.listen).toEqual(['mqtt://127.0.0.1:3', 'ws://127.0.0.1:4/x']);
    const environment = { SKEIN_LISTEN: 'mqtt://127.0.0.1:5, mqtt://[::1]:6' };
    expect(settle({ yaml, environment }).config.listen).toEqual(['mqtt://127.0.0.1:5', 'mqtt://[::1]:6']);
  });

  it('may stand in a file of their own, as secrets do', () => {
    const path = file('from-a-file\n', 'node-id');
    const { config, effective } = settle({ environment: { SKEIN_NODE_ID_FILE: path } });
    expect(config.nodeId).toBe('from-a-file');
    expect(effective.find(({ setting }) => setting.path === 'nodeId')?.source).toBe(`${path} (SKEIN_NODE_ID_FILE)`);
  });

  it('that are switches need no value', () => {
    const everywhere = ['--listen', 'mqtt://0.0.0.0:1883'];
    expect(settle({ flags: [...everywhere, '--allow-anonymous'] }).config.allowAnonymous).toBe(true);
    expect(settle({ flags: [...everywhere, '--no-allow-anonymous'] }).config.allowAnonymous).toBe(false);
    expect(settle({ flags: ['--allow-anonymous=loopback'] }).config.allowAnonymous).toBe('loopback');
    expect(settle({ environment: { SKEIN_ALLOW_ANONYMOUS: 'false' } }).config.allowAnonymous).toBe(false);
    expect(settle({ yaml: 'allowAnonymous: true\n' }).config.allowAnonymous).toBe(true);
  });

  it('direct Clients nowhere, unless they say where', () => {
    const { sharedStrategy, responseInformation, serverReference } = settle({}).config;
    expect({ sharedStrategy, responseInformation, serverReference }).toEqual({ sharedStrategy: 'round-robin' });
    const environment = {
      SKEIN_SERVER_REFERENCE: 'b.example:1884 c.example',
      SKEIN_RESPONSE_INFORMATION: 'answers/%c',
    };
    expect(settle({ environment, flags: ['--shared-strategy=sticky'] }).config).toMatchObject({
      sharedStrategy: 'sticky',
      responseInformation: 'answers/%c',
      serverReference: 'b.example:1884 c.example',
    });
  });

  it('each have a flag, a variable and a key of their own, and all are in the help', () => {
    for (const key of ['path', 'flag', 'variable'] as const) {
      expect(new Set(settings.map((setting) => setting[key])).size).toBe(settings.length);
    }
    const help = settingsHelp('start');
    for (const { flag } of settings) expect(help).toContain(`\n  ${flag}`);
    for (const line of help.split('\n')) expect(line.length).toBeLessThanOrEqual(120);
  });

  it('of a Kubernetes Service that is called skein are not taken for ours', () => {
    const environment = {
      SKEIN_SERVICE_HOST: '10.0.0.1',
      SKEIN_SERVICE_PORT_MQTT: '1883',
      SKEIN_PORT: 'tcp://10.0.0.1:1883',
      SKEIN_PORT_1883_TCP_ADDR: '10.0.0.1',
      SKEIN_MQTT_PORT_1883_TCP: 'tcp://10.0.0.1:1883',
    };
    expect(problems({ environment })).toEqual([]);
  });
});

describe('nodes that share a store', () => {
  it('have names of their own, unless they were given one', () => {
    const names = [1, 2, 3].map(() => settle({ flags: redis }).config.nodeId);
    expect(new Set(names).size).toBe(3);
    for (const name of names) expect(name).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]{0,56}-[0-9a-f]{6}$/);
    expect(settle({ flags: [...redis, '--node-id=n1'] }).config.nodeId).toBe('n1');
    expect(settle({}).config.nodeId).toBe(settle({}).config.nodeId);
  });

  it('may meet anywhere when that is said in so many words', () => {
    const flags = [...redis, '--peer=0.0.0.0:7470', '--advertise=10.0.0.1:7470', '--insecure-peers'];
    expect(settle({ flags }).config).toMatchObject({ peer: '0.0.0.0:7470', advertise: '10.0.0.1:7470' });
    for (const peer of ['127.0.0.1:0', '[::1]:7470', 'localhost:7470']) {
      expect(settle({ flags: [...redis, `--peer=${peer}`] }).config).toMatchObject({ peer, insecurePeers: false });
    }
  });

  it('take any durability, or ask for one', () => {
    expect(settle({ flags: redis }).config.durability).toBeUndefined();
    expect(settle({ flags: [...redis, '--durability=everysec'] }).config.durability).toBe('everysec');
    expect(settle({ environment: { SKEIN_DURABILITY: 'memory' } }).config.durability).toBe('memory');
  });

  it('may have the URL of the store in a file, with its password', () => {
    const path = file('rediss://:hunter2@redis.example.org/3\n', 'store');
    expect(settle({ environment: { SKEIN_STORE_FILE: path } }).config.store).toBe(
      'rediss://:hunter2@redis.example.org/3',
    );
  });
});

describe('a wrong setting is named with its value, its place and what is allowed', () => {
  const table: readonly [what: string, written: Written, ...says: RegExp[]][] = [
    ['an unknown flag', { flags: ['--listne', 'x'] }, /--listne: there is no such flag; did you mean --listen\?/],
    ['a flag of later', { flags: ['--workers=2'] }, /--workers: there is no such flag/],
    ['an unknown variable', { environment: { SKEIN_NODEID: 'a' } }, /SKEIN_NODEID.*did you mean SKEIN_NODE_ID\?/],
    ['an unknown key', { yaml: 'node-id: a\n' }, /node-id in .*skein\.yaml: .*did you mean nodeId\?/],
    [
      'an unknown limit',
      { yaml: 'limits:\n  recieveMaximum: 3\n' },
      /limits\.recieveMaximum in .*did you mean limits\.receiveMaximum\?/,
    ],
    ['a group that is a number', { yaml: 'limits: 3\n' }, /limits in .*settings by name are expected/],
    ['a file that is a list', { yaml: '- a\n' }, /settings by name are expected/],
    ['bad YAML', { yaml: 'listen: [\n' }, /skein\.yaml:2:1: /],
    ['a key twice', { yaml: 'nodeId: a\nnodeId: b\n' }, /skein\.yaml:2:1: Map keys must be unique/],
    [
      'a number that is text',
      { environment: { SKEIN_LIMITS_RECEIVE_MAXIMUM: 'many' } },
      /limits\.receiveMaximum: many from SKEIN_LIMITS_RECEIVE_MAXIMUM.*allowed: a whole number from 1 to 65535/,
    ],
    [
      'a number that is too large',
      { flags: ['--limits-receive-maximum', '65536'] },
      /limits\.receiveMaximum: 65536 from --limits-receive-maximum.*from 1 to 65535/,
    ],
    [
      'a number with a fraction',
      { yaml: 'limits:\n  slowConsumerSeconds: 1.5\n' },
      /limits\.slowConsumerSeconds: 1\.5 from .*a whole number from 1 to 3600/,
    ],
    ['a word', { flags: ['--log-level=loud'] }, /logLevel: loud from --log-level.*allowed: trace, debug, info/],
    [
      'a listener',
      { flags: ['--listen=tcp://x:1'] },
      /listen: .*tcp:\/\/x:1.*not a listen URL.*allowed: mqtt:\/\/HOST/,
    ],
    ['TLS', { flags: ['--listen=mqtts://127.0.0.1:8883'] }, /mqtts:.*TLS listeners are not built yet/],
    ['no listener', { yaml: 'listen: []\n' }, /listen: \[\] from .*allowed: mqtt:/],
    ['a list that is text', { yaml: 'listen: mqtt://127.0.0.1:1\n' }, /listen: mqtt:\/\/127\.0\.0\.1:1 from/],
    ['the admin address', { flags: ['--admin=8080'] }, /admin: 8080 from --admin.*allowed: HOST:PORT/],
    [
      'a store without a directory',
      { flags: ['--store=file:'] },
      /store: file: from --store.*names no directory.*file:DIRECTORY/,
    ],
    [
      'Sentinel',
      { flags: ['--store=redis+sentinel://a,b/m'] },
      /store: redis\+sentinel:.*not built yet; name its master/,
    ],
    [
      'a store that is none',
      { flags: ['--store=mysql://h'] },
      /store: mysql:\/\/\*\*\* .*no such store.*allowed: file:DIRECTORY.*memory:/,
    ],
    ['a database that is a word', { flags: ['--store=redis://h/main'] }, /store: .*the number of a database/],
    ['a class of durability', { flags: ['--durability=sometimes'] }, /durability: .*allowed: memory, everysec, always/],
    [
      'a durability that memory has not',
      { flags: ['--store=memory:', '--durability=always'] },
      /durability: always is more than the store memory: can promise; allowed: memory, .*with --store file:.*redis/,
    ],
    ['a node id', { environment: { SKEIN_NODE_ID: '-x y' } }, /nodeId: -x y from SKEIN_NODE_ID.*1 to 64 letters/],
    [
      'a switch',
      { yaml: 'allowAnonymous: perhaps\n' },
      /allowAnonymous: perhaps from .*allowed: true, false, loopback/,
    ],
    ['a flag without its value', { flags: ['--admin'] }, /--admin: a value is missing; allowed: HOST:PORT/],
    [
      'a flag with a flag for a value',
      { flags: ['--admin', '--node-id', 'a'] },
      /--admin: a value is missing; allowed: HOST:PORT/,
    ],
    ['a flag twice', { flags: ['--admin=a:1', '--admin=b:2'] }, /--admin is given 2 times; once is allowed/],
    ['a stray word', { flags: ['now'] }, /now: start takes flags only/],
    ['one address twice', { flags: ['--listen=mqtt://[::1]:1', '--listen=mqtt://[::1]:1'] }, /given twice/],
    [
      'anonymous access from everywhere',
      { flags: ['--listen', 'mqtt://0.0.0.0:1883'] },
      /listen: mqtt:\/\/0\.0\.0\.0:1883 can be reached from other machines.*--allow-anonymous/,
    ],
    [
      'a strategy',
      { flags: ['--shared-strategy=random'] },
      /sharedStrategy: random from --shared-strategy.*allowed: round-robin, local, hash, sticky/,
    ],
    [
      'a topic for responses that is for everybody',
      { environment: { SKEIN_RESPONSE_INFORMATION: 'answers/#' } },
      /responseInformation: answers\/# from SKEIN_RESPONSE_INFORMATION.*for others.*allowed: a Topic Name/,
    ],
    [
      'a server to use instead',
      { yaml: 'serverReference: mqtt://other.example\n' },
      /serverReference: mqtt:\/\/other\.example from .*is no host.*allowed: HOST or HOST:PORT/,
    ],
    ['an address for peers', { flags: [...redis, '--peer=7470'] }, /peer: 7470 from --peer.*allowed: HOST:PORT/],
    [
      'an address for no peers',
      { flags: ['--peer=127.0.0.1:7470'] },
      /peer: 127.0.0.1:7470 is of no use.*file:\.\/skein-data is alone/,
    ],
    [
      'an address for peers that is every one',
      { flags: [...redis, '--peer=0.0.0.0:7470', '--insecure-peers'] },
      /peer: 0\.0\.0\.0:7470 stands for every address.*--advertise HOST:PORT/,
    ],
    [
      'the same of IPv6',
      { flags: [...redis, '--peer=[::]:7470', '--insecure-peers'] },
      /peer: \[::\]:7470 stands for every address/,
    ],
    [
      'telling peers an address that is every one',
      { flags: [...redis, '--peer=0.0.0.0:7470', '--advertise=0.0.0.0:7470', '--insecure-peers'] },
      /advertise: 0\.0\.0\.0:7470 is no address to be reached at/,
    ],
    ['telling peers no port', { flags: [...redis, '--advertise=127.0.0.1:0'] }, /advertise: .*port 1 to 65535/],
    [
      'peers over a network, unasked for',
      { flags: [...redis, '--peer=10.0.0.1:7470'] },
      /peer: 10\.0\.0\.1:7470 is beyond this machine.*neither encrypted.*--insecure-peers/,
    ],
    [
      'being told of over a network, unasked for',
      { flags: [...redis, '--advertise=node.example.org:7470'] },
      /advertise: node\.example\.org:7470 is beyond this machine.*--insecure-peers/,
    ],
    [
      'a secret file that is not there',
      { environment: { SKEIN_NODE_ID_FILE: '/nowhere/at/all' } },
      /nodeId: the file of SKEIN_NODE_ID_FILE cannot be read: .*ENOENT/,
    ],
    [
      'a value and a file for it',
      { environment: { SKEIN_NODE_ID_FILE: '/x', SKEIN_NODE_ID: 'y' } },
      /nodeId: both SKEIN_NODE_ID and SKEIN_NODE_ID_FILE are set/,
    ],
  ];
  for (const [what, written, ...says] of table) {
    it(what, () => {
      const said = problems(written);
      expect(said).not.toEqual([]);
      for (const pattern of says) expect(said.join('\n')).toMatch(pattern);
    });
  }

  it('a file that cannot be read', () => {
    expect(fromFile('/nowhere/at/all.yaml').problems.join()).toMatch(
      /\/nowhere\/at\/all\.yaml: the file cannot be read/,
    );
  });

  it('and all of them at once, not only the first', () => {
    expect(problems({ yaml: 'a: 1\nlimits: {b: 2}\n', flags: ['--admin=x', '--wat'] })).toHaveLength(4);
  });

  it('but never with the password in a URL', () => {
    for (const url of [
      'redis://user:hunter2@host/main',
      'redis://user:p@hunter2@host/x y',
      'redis://:hunter2',
      'u:hunter2@h',
    ]) {
      const said = problems({ flags: [`--store=${url}`, '--listen=mqtt://u:hunter2@h:1'] });
      expect(said).toHaveLength(2);
      expect(said[0]).toMatch(/^(listen|store): /);
      expect(said.join('\n')).not.toContain('hunter2');
    }
  });

  it('of settings given in code too', () => {
    expect(() => load([fromNested({ listen: ['x'] }, 'the settings')])).toThrow(/listen: .*from the settings/);
  });
});
