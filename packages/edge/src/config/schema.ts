// Every setting there is, once: from this page come the types, the defaults, the checks, what is said of a wrong
// value, `--help`, the flags and the names of the environment variables.
//
// A setting is named by its path, `limits.receiveMaximum`. That is its place in a YAML file; its flag is
// `--limits-receive-maximum` and its environment variable `SKEIN_LIMITS_RECEIVE_MAXIMUM`.

import { hostname } from 'node:os';
import { defaultLimits, defaultPolicy, type Limits, type SharedStrategy, sharedStrategies } from '@skein/broker';
import { z } from 'zod';
import { allowedListenUrls, parseHostPort, parseListenUrl } from '../listen/address.ts';
import { allowedReferences, allowedResponses, referenceProblem, responseProblem } from './directions.ts';
import { type Durability, durabilities } from './durability.ts';
import { allowedStoreUrls, presetStore, storeProblem, storeShown } from './store-url.ts';

/** What bounds this process at its rim, beyond what the broker bounds. */
export interface EdgeLimits {
  readonly connectionsMax: number;
  readonly connectTimeoutSeconds: number;
  readonly outboundBufferBytes: number;
  readonly slowConsumerSeconds: number;
  /** Of a data directory, in bytes. */
  readonly journalMaxBytes: number;
  readonly diskFreeMinBytes: number;
}

/** All settings, checked. */
export interface Config {
  readonly listen: readonly string[];
  readonly admin: string;
  readonly store: string;
  /** What is asked for at least; undefined takes what the store offers. */
  readonly durability?: Durability | undefined;
  readonly nodeId: string;
  readonly cluster: string;
  /** Where peers are listened for, `host:port`. */
  readonly peer: string;
  /** Where peers are told to reach this node; undefined for where it listens. */
  readonly advertise?: string | undefined;
  readonly allowAnonymous: boolean | 'loopback';
  readonly insecurePeers: boolean;
  readonly sharedStrategy: SharedStrategy;
  /** Undefined: Clients that ask for Response Information get none. */
  readonly responseInformation?: string | undefined;
  /** Undefined: Clients are not sent anywhere when the node stops. */
  readonly serverReference?: string | undefined;
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
  readonly limits: Limits & EdgeLimits;
}

/** How the text of a flag or an environment variable becomes a value. */
export type Kind = 'text' | 'number' | 'boolean' | 'list';

/** What people are told of a setting. */
export interface About {
  readonly kind: Kind;
  /** What stands for the value in `--help`; a boolean flag needs none. */
  readonly value: string;
  /** Completes "allowed:". */
  readonly allowed: string;
  readonly help: string;
  /** What people are told of the default, where the value itself would not tell. */
  readonly preset?: string;
  /** What exactly is wrong with a value that is not allowed. */
  readonly problem?: (value: unknown) => string | undefined;
  /** A value as it may be printed, without the secrets in it. */
  readonly shown?: (value: string) => string;
}

/** One setting. */
export interface Setting extends About {
  /** As in a YAML file, levels joined by dots. */
  readonly path: string;
  readonly flag: string;
  readonly variable: string;
  /** Checks a value, and gives the default for undefined. */
  readonly schema: z.ZodType;
}

const about = z.registry<About>();

/** A whole number. */
function whole(preset: number, min: number, max: number, help: string): z.ZodType<number> {
  const allowed = `a whole number from ${min} to ${max}`;
  return z.int().min(min).max(max).default(preset).register(about, { kind: 'number', value: 'N', allowed, help });
}

/** One of several words. */
function oneOf<Word extends string>(preset: Word, words: readonly [Word, ...Word[]], help: string): z.ZodType<Word> {
  return z
    .enum(words)
    .default(preset as never)
    .register(about, { kind: 'text', value: 'WORD', allowed: words.join(', '), help }) as unknown as z.ZodType<Word>;
}

/** Letters of a name, at most. */
export const nameMax = 64;
const name = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const allowedName = '1 to 64 letters, digits, dots, hyphens and underscores, a letter or digit first';
const allowedHostPort = 'HOST:PORT, with an IPv6 address in brackets; port 0 takes any';
const seconds32 = 0xffffffff;

const limits = z.strictObject({
  maximumPacketSize: whole(
    defaultLimits.maximumPacketSize,
    1024,
    268_000_000,
    'Largest packet a Client may send, in bytes.',
  ),
  receiveMaximum: whole(
    defaultLimits.receiveMaximum,
    1,
    65_535,
    'QoS 1 and 2 messages a 5.0 Client may have unacknowledged.',
  ),
  inboundInflightMax3: whole(
    defaultLimits.inboundInflightMax3,
    1,
    65_535,
    'The same for 3.x Clients, which cannot be told: above it their socket is not read.',
  ),
  outboundInflightMax: whole(
    defaultLimits.outboundInflightMax,
    1,
    65_535,
    'QoS 1 and 2 messages in flight to a Client, whatever larger Receive Maximum it names.',
  ),
  outboundInflightMax3: whole(
    defaultLimits.outboundInflightMax3,
    1,
    65_535,
    'QoS 1 and 2 messages in flight to a 3.x Client.',
  ),
  topicAliasMaximum: whole(
    defaultLimits.topicAliasMaximum,
    0,
    65_535,
    'Topic Aliases a Client may set, and the most the server sets towards one.',
  ),
  keepAliveMaxSeconds: whole(
    defaultLimits.keepAliveMaxSeconds,
    0,
    65_535,
    'Longest Keep Alive; longer ones, and none, are replaced by it. 0 leaves them alone.',
  ),
  sessionExpiryMaxSeconds: whole(
    defaultLimits.sessionExpiryMaxSeconds,
    0,
    seconds32,
    'Longest Session Expiry Interval; 4294967295 is for ever.',
  ),
  queueMaxMessages: whole(defaultLimits.queueMaxMessages, 1, 1_000_000, 'Messages that a Session may have queued.'),
  queueMaxBytes: whole(
    defaultLimits.queueMaxBytes,
    1024,
    1_099_511_627_776,
    'Bytes of messages that a Session may have queued.',
  ),
  queueFull: oneOf(
    defaultLimits.queueFull,
    ['drop-new', 'drop-old', 'refuse'],
    'What happens to a message for a full queue: it is dropped, the oldest makes room, or its publisher is refused.',
  ),
  subscriptionsMax: whole(defaultLimits.subscriptionsMax, 1, 1_000_000, 'Subscriptions of a Session.'),
  topicLevelsMax: whole(defaultLimits.topicLevelsMax, 1, 65_535, 'Levels of a Topic Name or Filter.'),
  topicBytesMax: whole(defaultLimits.topicBytesMax, 1, 65_535, 'Bytes of a Topic Name or Filter.'),
  clientIdBytesMax: whole(defaultLimits.clientIdBytesMax, 23, 65_535, 'Bytes of a Client Identifier.'),
  userPropertiesMax: whole(defaultLimits.userPropertiesMax, 0, 65_535, 'User Properties of a packet.'),
  willMaxBytes: whole(defaultLimits.willMaxBytes, 0, 65_536, 'Payload bytes of a Will Message.'),
  retainedMaxMessages: whole(defaultLimits.retainedMaxMessages, 0, 16_000_000, 'Retained messages.'),
  storeDeadlineMs: whole(
    defaultLimits.storeDeadlineMs,
    100,
    600_000,
    'How long a call to the store may take, in milliseconds.',
  ),
  gatherMs: whole(
    1,
    0,
    100,
    'How long QoS 1 and 2 publishes that follow others closely are gathered before they are stored, in milliseconds.',
  ),
  storeAwayCloseSeconds: whole(
    defaultLimits.storeAwayCloseSeconds,
    1,
    86_400,
    'How long a Client whose publishes wait for the store is kept.',
  ),
  connectionsMax: whole(100_000, 1, 10_000_000, 'Network Connections at a time; more are closed at once.'),
  connectTimeoutSeconds: whole(5, 1, 3600, 'From the opening of a connection to a complete CONNECT.'),
  outboundBufferBytes: whole(
    1_048_576,
    4096,
    1_073_741_824,
    'Bytes that may wait for a Client; above, QoS 0 messages are dropped for it and others stay queued.',
  ),
  slowConsumerSeconds: whole(30, 1, 3600, 'How long a Client may take nothing while bytes wait, before it is closed.'),
  journalMaxBytes: whole(
    64 * 1024 * 1024,
    4096,
    1024 ** 4,
    'How long the journal of a data directory may become before a snapshot takes its place, in bytes; never shorter than the snapshot.',
  ),
  diskFreeMinBytes: whole(
    64 * 1024 * 1024,
    0,
    1024 ** 4,
    'What must stay free on the disk of a data directory, in bytes: below it new messages at QoS 1 and 2 are refused.',
  ),
});

const schema = z.strictObject({
  listen: z
    .array(z.string().refine((url) => typeof parseListenUrl(url) !== 'string'))
    .min(1)
    .default(() => ['mqtt://127.0.0.1:1883', 'ws://127.0.0.1:8083/mqtt'])
    .register(about, {
      kind: 'list',
      value: 'URL',
      allowed: allowedListenUrls,
      help: 'Where to listen for Clients; may be given several times.',
    }),
  admin: z
    .string()
    .refine((text) => parseHostPort(text) !== undefined)
    .default('127.0.0.1:8080')
    .register(about, {
      kind: 'text',
      value: 'HOST:PORT',
      allowed: allowedHostPort,
      help: 'Where to serve /livez, /readyz, /startupz and /metrics.',
    }),
  store: z
    .string()
    .refine((url) => storeProblem(url) === undefined)
    .default(presetStore)
    .register(about, {
      kind: 'text',
      value: 'URL',
      allowed: allowedStoreUrls,
      help: 'Where Sessions, queues and retained messages are kept: in a directory of one node, which is made if it is not there, or in a Redis. Nodes that share a Redis are a cluster.',
      problem: storeProblem,
      shown: storeShown,
    }),
  durability: z
    .enum(durabilities)
    .optional()
    .register(about, {
      kind: 'text',
      value: 'CLASS',
      allowed: durabilities.join(', '),
      help: 'What an acknowledged message has to survive, at least: in a data directory nothing, the end of the process (everysec), or that of the machine too (always); in a Redis the end of a node, that of the store too but for its last second, or all.',
      preset: 'everysec in a data directory, else whatever the store offers',
    }),
  nodeId: z
    .string()
    .regex(name)
    .default(() => nameOf(hostname()))
    .register(about, {
      kind: 'text',
      value: 'ID',
      allowed: allowedName,
      help: 'Name of this node.',
      preset: `${nameOf(hostname())}, with a store that is shared made unique at each start`,
    }),
  cluster: z.string().regex(name).default('skein').register(about, {
    kind: 'text',
    value: 'NAME',
    allowed: allowedName,
    help: 'Name of the cluster; keeps the clusters of one database apart.',
  }),
  peer: z
    .string()
    .refine((text) => parseHostPort(text) !== undefined)
    .default('127.0.0.1:0')
    .register(about, {
      kind: 'text',
      value: 'HOST:PORT',
      allowed: allowedHostPort,
      help: 'Where to listen for the other nodes of the cluster.',
    }),
  advertise: z
    .string()
    .refine((text) => (parseHostPort(text)?.port ?? 0) !== 0)
    .optional()
    .register(about, {
      kind: 'text',
      value: 'HOST:PORT',
      allowed: 'HOST:PORT, with an IPv6 address in brackets, port 1 to 65535',
      help: 'Where the other nodes reach this one.',
      preset: 'the address of --peer as bound',
    }),
  allowAnonymous: z
    .union([z.boolean(), z.literal('loopback')])
    .default('loopback')
    .register(about, {
      kind: 'boolean',
      value: '',
      allowed: 'true, false, loopback',
      help: 'Whether Clients may connect without an identity: everywhere, nowhere, or (unless said) on loopback only.',
    }),
  insecurePeers: z.boolean().default(false).register(about, {
    kind: 'boolean',
    value: '',
    allowed: 'true, false',
    help: 'Whether the other nodes may be reached over a network, unencrypted, while peers have no certificates.',
  }),
  sharedStrategy: oneOf(
    defaultPolicy.sharedStrategy,
    sharedStrategies,
    'Which connected member of a shared group is next: each in turn, those of this node first, the same for one publisher, or one until it is gone.',
  ),
  responseInformation: z
    .string()
    .refine((text) => responseProblem(text) === undefined)
    .optional()
    .register(about, {
      kind: 'text',
      value: 'TOPIC',
      allowed: allowedResponses,
      help: 'Where a Client may have responses sent to, for those that ask; %c stands for their Client Identifier.',
      preset: 'none',
      problem: responseProblem,
    }),
  serverReference: z
    .string()
    .refine((text) => referenceProblem(text) === undefined)
    .optional()
    .register(about, {
      kind: 'text',
      value: 'HOST:PORT',
      allowed: allowedReferences,
      help: 'Other servers, which Clients of 5.0 are told to use when this node stops.',
      preset: 'none',
      problem: referenceProblem,
    }),
  logLevel: oneOf(
    'info',
    ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
    'Least important log lines that are written.',
  ),
  limits,
});

/** Checks all settings at once, nested and none missing. */
export const configSchema: z.ZodType<Config> = schema;

/** All settings, in the order in which they are explained. */
export const settings: readonly Setting[] = [
  ...Object.entries(schema.shape).flatMap(([key, part]) => (key === 'limits' ? [] : [settingOf(key, part)])),
  ...Object.entries(limits.shape).map(([key, part]) => settingOf(`limits.${key}`, part)),
];

/** The levels that hold settings, and are none. */
export const groups: readonly string[] = ['limits'];

function settingOf(path: string, part: z.ZodType): Setting {
  const known = about.get(part);
  if (known === undefined) throw new Error(`the setting ${path} is not described`);
  const words = path.replaceAll('.', '-').replace(/[A-Z]|[0-9]+$/g, (word) => `-${word.toLowerCase()}`);
  return {
    ...known,
    path,
    schema: part,
    flag: `--${words}`,
    variable: `SKEIN_${words.replaceAll('-', '_').toUpperCase()}`,
  };
}

/** A host's name with everything else than {@link allowedName} replaced. */
function nameOf(host: string): string {
  const cleaned = host
    .replace(/[^A-Za-z0-9._-]/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, nameMax);
  return cleaned === '' ? 'node' : cleaned;
}
