// The flags of `skein bench`: one table, from which the command line is read and the help is written.

import { parseArgs } from 'node:util';
import { type ScenarioName, type ScenarioOptions, scenarioNames } from '@skein/bench';
import { closest } from '../config/closest.ts';

/** A flag, and the option that it sets. */
export interface BenchFlag {
  readonly name: string;
  /** What stands behind it; none for a switch. */
  readonly value?: string;
  readonly option?: keyof ScenarioOptions;
  readonly many?: boolean;
  readonly help: string;
  /** The scenarios that it says something to; all if it is left out. */
  readonly of?: readonly ScenarioName[];
  /** Text as it is, a number, or a version. */
  readonly kind?: 'text' | 'version';
  readonly group: 'server' | 'clients' | 'load' | 'measuring' | 'ending';
}

const publishing = scenarioNames.filter((name) => name !== 'connect');
/** Those in which publishers and subscribers are there at the same time. */
const streaming: readonly ScenarioName[] = ['p2p', 'fan-in', 'fan-out', 'shared', 'subs'];

/** All flags, in the order of the help. */
export const benchFlags: readonly BenchFlag[] = [
  {
    name: 'url',
    value: 'URL',
    option: 'urls',
    many: true,
    kind: 'text',
    group: 'server',
    help:
      'Where the server is. Repeat it for several nodes: connections take them in turn, publishers from the first ' +
      'on and subscribers from the second on, so that messages go from node to node. Default: mqtt://127.0.0.1:1883.',
  },
  { name: 'username', value: 'NAME', option: 'username', kind: 'text', group: 'server', help: 'Of all clients.' },
  {
    name: 'password',
    value: 'TEXT',
    option: 'password',
    kind: 'text',
    group: 'server',
    help: 'Of all clients. Others on this machine can read a command line: SKEIN_BENCH_PASSWORD is read too.',
  },
  {
    name: 'mqtt',
    value: 'VERSION',
    option: 'protocolVersion',
    kind: 'version',
    group: 'server',
    help: '5 or 3.1.1. Default: 5.',
  },
  {
    name: 'publishers',
    of: publishing,
    value: 'N',
    option: 'publishers',
    group: 'clients',
    help:
      'How many publish; in p2p how many pairs. Default: p2p 1, fan-in 50, fan-out 1, shared and retained 10, ' +
      'subs and offline 4.',
  },
  {
    name: 'subscribers',
    of: publishing,
    value: 'N',
    option: 'subscribers',
    group: 'clients',
    help:
      'How many subscribe; in shared as members of one group, in offline as stored Sessions. Default: fan-in ' +
      'and retained 1, fan-out 50, shared 10, subs 100, offline 200.',
  },
  {
    name: 'clients',
    of: ['connect'],
    value: 'N',
    option: 'clients',
    group: 'clients',
    help: 'How many connect. Default: 1000.',
  },
  {
    name: 'concurrency',
    value: 'N',
    option: 'concurrency',
    group: 'clients',
    help: 'How many connect at once: a storm, where --rate makes a ramp. Default: 100.',
  },
  {
    name: 'stored',
    option: 'storedSessions',
    group: 'clients',
    help:
      'The Sessions are stored ones. They are ended when the run is over. Always so for the subscribers of ' +
      'offline.',
  },
  { name: 'keep-alive', value: 'SECONDS', option: 'keepAliveSeconds', group: 'clients', help: 'Default: 60.' },
  {
    name: 'qos',
    of: publishing,
    value: '0|1|2',
    option: 'qos',
    group: 'load',
    help: 'Of publishes and subscriptions. Default: 0; retained and offline 1.',
  },
  {
    name: 'subscription-qos',
    of: publishing,
    value: '0|1|2',
    option: 'subscriptionQos',
    group: 'load',
    help: 'Of the subscriptions, if it is another one.',
  },
  {
    name: 'payload',
    of: publishing,
    value: 'BYTES',
    option: 'payloadBytes',
    group: 'load',
    help: 'At least 24, which it takes to check a delivery. Default: 64.',
  },
  {
    name: 'topics',
    of: ['p2p', 'fan-in', 'fan-out', 'shared'],
    value: 'N',
    option: 'topics',
    group: 'load',
    help: 'Of each publisher, in turn. Default: 1.',
  },
  {
    name: 'rate',
    value: 'N',
    option: 'rate',
    group: 'load',
    help:
      'Messages per second of all publishers together, at fixed times; latency counts from when a message was due. ' +
      'In connect: connections per second. Default: as fast as the window allows.',
  },
  {
    name: 'window',
    of: streaming,
    value: 'N',
    option: 'window',
    group: 'load',
    help:
      'Without a rate: how many messages of each publisher may be on their way to subscribers. Default: 256 at ' +
      'QoS 0, else 64; fan-out 32.',
  },
  {
    name: 'inflight',
    of: publishing,
    value: 'N',
    option: 'inflight',
    group: 'load',
    help:
      'How many messages of each publisher may wait for an acknowledgement; never more than the server takes. ' +
      'Default: the window; in retained, offline and with a rate 10000.',
  },
  {
    name: 'filters',
    of: ['subs'],
    value: 'N',
    option: 'filters',
    group: 'load',
    help: 'How many Topic Filters in all; three in ten have a wildcard. Default: 100000.',
  },
  {
    name: 'filters-per-packet',
    of: ['subs'],
    value: 'N',
    option: 'filtersPerPacket',
    group: 'load',
    help: 'How many of them in a SUBSCRIBE. Default: 10.',
  },
  {
    name: 'messages',
    of: ['retained', 'offline'],
    value: 'N',
    option: 'messages',
    group: 'load',
    help: 'In retained how many in all, default 50000; in offline how many for each Session, default 100.',
  },
  {
    name: 'seed',
    value: 'N',
    option: 'seed',
    group: 'load',
    help: 'Repeats the order of topics, the filters and the payloads of another run.',
  },
  {
    name: 'duration',
    of: streaming,
    value: 'SECONDS',
    option: 'durationSeconds',
    group: 'measuring',
    help: 'How long is measured. Default: 5.',
  },
  {
    name: 'warm-up',
    of: streaming,
    value: 'SECONDS',
    option: 'warmupSeconds',
    group: 'measuring',
    help: 'Before that. Default: 1.',
  },
  {
    name: 'count',
    of: streaming,
    value: 'N',
    option: 'count',
    group: 'measuring',
    help: 'So many messages, in place of a duration.',
  },
  {
    name: 'hold',
    of: ['connect'],
    value: 'SECONDS',
    option: 'holdSeconds',
    group: 'measuring',
    help: 'How long the connections then idle. Default: 2.',
  },
  {
    name: 'pid',
    value: 'N',
    option: 'pids',
    many: true,
    group: 'measuring',
    help: 'A process of the server on this machine, whose CPU and memory are measured; may be repeated.',
  },
  {
    name: 'children',
    option: 'includeChildren',
    group: 'measuring',
    help: 'The children of these processes count too.',
  },
  {
    name: 'workers',
    value: 'N',
    option: 'workers',
    group: 'measuring',
    help: 'Threads that send and receive, when one is not enough. Default: 1.',
  },
  {
    name: 'settle',
    of: publishing,
    value: 'SECONDS',
    option: 'settleSeconds',
    group: 'ending',
    help: 'Between subscribing and publishing. Default: 0.2.',
  },
  {
    name: 'drain',
    of: publishing,
    value: 'SECONDS',
    option: 'drainSeconds',
    group: 'ending',
    help: 'How long stragglers are waited for while nothing comes. Default: 5.',
  },
  {
    name: 'timeout',
    value: 'SECONDS',
    option: 'stepSeconds',
    group: 'ending',
    help: 'How long connecting or subscribing may take. Default: 60.',
  },
  { name: 'keep', option: 'keep', group: 'ending', help: 'Leaves stored Sessions and retained messages behind.' },
  { name: 'json', group: 'ending', help: 'Prints the report as one line of JSON.' },
  { name: 'help', group: 'ending', help: 'This.' },
];

/** A command line, understood. */
export type BenchWords =
  | { readonly is: 'help' }
  | { readonly is: 'run'; readonly options: ScenarioOptions; readonly json: boolean }
  | { readonly is: 'wrong'; readonly problem: string }
  /** A flag that is understood, and would do nothing. */
  | { readonly is: 'misplaced'; readonly problem: string };

/**
 * Reads the words behind `skein bench`.
 *
 * @param password what the environment says, if the words do not
 */
export function readBenchWords(words: readonly string[], password: string | undefined): BenchWords {
  const plain = words.map((word) => (word === '-h' ? '--help' : word));
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(plain);
  } catch (error) {
    return { is: 'wrong', problem: explained(error as Error & { code?: string }, plain) };
  }
  const { values, positionals } = parsed;
  if (values.help === true) return { is: 'help' };
  const [scenario, ...others] = positionals;
  if (scenario === undefined) return wrong(`a scenario is missing; allowed: ${scenarioNames.join(', ')}`);
  if (!isScenario(scenario)) {
    const meant = closest(scenario, scenarioNames);
    return wrong(
      `${scenario}: there is no such scenario; ` +
        `${meant === undefined ? `allowed: ${scenarioNames.join(', ')}` : `did you mean ${meant}?`}`,
    );
  }
  if (others.length > 0) return wrong(`${others[0]}: one scenario at a time`);
  const options: Record<string, unknown> = password === undefined ? {} : { password };
  for (const flag of benchFlags) {
    const given = values[flag.name];
    if (given === undefined || flag.option === undefined) continue;
    if (flag.of?.includes(scenario) === false) {
      return { is: 'misplaced', problem: `--${flag.name}: ${scenario} has no use for it; ${belonging(flag)}` };
    }
    const read = Array.isArray(given) ? given.map((each) => readValue(flag, each)) : readValue(flag, given);
    const bad = [read].flat().find((each) => each === undefined || Number.isNaN(each));
    if (bad !== undefined || read === undefined) {
      return wrong(`--${flag.name}: ${String(given)} is not allowed; allowed: ${flag.value}`);
    }
    options[flag.option] = read;
  }
  return { is: 'run', options: { ...options, scenario }, json: values.json === true };
}

/** Where a flag belongs to, if it does not belong to all scenarios. */
export function belonging({ of }: Pick<BenchFlag, 'of'>): string {
  if (of === undefined) return '';
  const not = scenarioNames.filter((name) => !of.includes(name));
  return not.length === 1 ? `it belongs to all scenarios but ${not[0]}` : `it belongs to ${of.join(', ')}`;
}

/** The words of a command line as they may be shown: without a password. */
export function withoutPassword(words: readonly string[]): string[] {
  return words.map((word, index) => {
    if (words[index - 1] === '--password') return '…';
    return word.startsWith('--password=') ? '--password=…' : word;
  });
}

/** An option's name in a message becomes the flag's. */
export function inFlags(message: string): string {
  const [name = ''] = message.split(':');
  const flag = benchFlags.find(({ option, name: own }) => option === name || own === name);
  return flag === undefined ? message : `--${flag.name}${message.slice(name.length)}`;
}

function parse(words: readonly string[]): {
  values: Record<string, string | boolean | (string | boolean)[] | undefined>;
  positionals: string[];
} {
  return parseArgs({
    args: [...words],
    allowPositionals: true,
    options: Object.fromEntries(
      benchFlags.map(({ name, value, many = false }) => [
        name,
        { type: value === undefined ? ('boolean' as const) : ('string' as const), multiple: many },
      ]),
    ),
  });
}

function readValue({ kind, value }: BenchFlag, given: string | boolean): unknown {
  if (typeof given === 'boolean') return given;
  if (kind === 'text') return given;
  if (kind === 'version') return ({ '5': 5, '5.0': 5, '4': 4, '3.1.1': 4 } as Record<string, number>)[given];
  const number = given.trim() === '' ? Number.NaN : Number(given);
  return value === '0|1|2' && ![0, 1, 2].includes(number) ? Number.NaN : number;
}

function explained({ code, message }: Error & { code?: string }, words: readonly string[]): string {
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') {
    const names = benchFlags.map(({ name }) => `--${name}`);
    const unknown = words.find((word) => word.startsWith('-') && !names.includes(word.split('=')[0] ?? '')) ?? '';
    const meant = closest(unknown.split('=')[0] ?? '', names);
    return `${unknown}: there is no such flag${meant === undefined ? '' : `; did you mean ${meant}?`}`;
  }
  return message.split('\n')[0] ?? message;
}

function wrong(problem: string): BenchWords {
  return { is: 'wrong', problem };
}

function isScenario(word: string): word is ScenarioName {
  return (scenarioNames as readonly string[]).includes(word);
}
