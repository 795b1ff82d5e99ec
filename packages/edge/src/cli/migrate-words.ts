// The words of `skein migrate`, and its help.

import { closest } from '../config/closest.ts';
import { fromEnvironment } from '../config/sources.ts';
import { presetStore, storeProblem } from '../config/store-url.ts';

/** What is asked for. */
export interface MigrateWords {
  readonly from: string;
  readonly to: string;
  readonly cluster: string;
  readonly json: boolean;
  /** Nobody is asked whether to go on. */
  readonly yes: boolean;
  readonly dryRun: boolean;
  readonly discard: boolean;
}

/** What was asked for, or what is wrong with it, one sentence each. */
export type ReadWords =
  | { readonly is: 'good'; readonly words: MigrateWords }
  | { readonly is: 'help' }
  | { readonly is: 'wrong'; readonly problems: readonly string[] };

const valued = ['--from', '--to', '--cluster'] as const;
const plain = ['--json', '--yes', '--dry-run', '--discard', '--help'] as const;
const presetCluster = 'skein';
const clusterName = /^[A-Za-z0-9._-]{1,64}$/;

/** Reads the words behind `migrate`. A URL with a password may stand in the environment instead. */
export function readMigrateWords(
  words: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): ReadWords {
  const problems: string[] = [];
  const values = new Map<string, string>();
  const flags = new Set<string>();
  const rest = [...words];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const equals = word.indexOf('=');
    const name = word === '-h' ? '--help' : word.startsWith('--') && equals > 0 ? word.slice(0, equals) : word;
    if ((valued as readonly string[]).includes(name)) {
      const value = equals > 0 ? word.slice(equals + 1) : rest[0]?.startsWith('--') === true ? undefined : rest.shift();
      if (value === undefined) problems.push(`${name}: a value is missing`);
      else if (values.has(name)) problems.push(`${name} is given more than once`);
      else values.set(name, value);
    } else if ((plain as readonly string[]).includes(name) && equals < 0) {
      flags.add(name);
    } else {
      const meant = closest(name, [...valued, ...plain]);
      problems.push(
        `${name}: there is no such flag of migrate${meant === undefined ? '' : `; did you mean ${meant}?`}`,
      );
    }
  }
  if (flags.has('--help')) return { is: 'help' };
  const given = ofEnvironment(environment, problems);
  const from = values.get('--from') ?? (given.store?.startsWith('file:') === true ? given.store : presetStore);
  const to = values.get('--to') ?? (given.store?.startsWith('redis') === true ? given.store : undefined);
  const cluster = values.get('--cluster') ?? given.cluster ?? presetCluster;
  problems.push(...problemsOf(from, to, cluster));
  if (problems.length > 0 || to === undefined) return { is: 'wrong', problems };
  return {
    is: 'good',
    words: {
      from,
      to,
      cluster,
      json: flags.has('--json'),
      yes: flags.has('--yes'),
      dryRun: flags.has('--dry-run'),
      discard: flags.has('--discard'),
    },
  };
}

function ofEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  problems: string[],
): { readonly store: string | undefined; readonly cluster: string | undefined } {
  const { given, problems: all } = fromEnvironment(environment);
  problems.push(...all.filter((problem) => /^(store|cluster):/.test(problem)));
  const of = (path: string): string | undefined => {
    const value = given.find(({ setting }) => setting.path === path)?.value;
    return typeof value === 'string' ? value : undefined;
  };
  return { store: of('store'), cluster: of('cluster') };
}

function problemsOf(from: string, to: string | undefined, cluster: string): string[] {
  const problems: string[] = [];
  const ofFrom = from.startsWith('file:') ? storeProblem(from) : 'what is migrated is a data directory, file:DIRECTORY';
  if (ofFrom !== undefined) problems.push(`--from: ${ofFrom}`);
  if (to === undefined)
    problems.push('--to: a value is missing; allowed: redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]');
  else {
    const problem = storeProblem(to);
    const isRedis = to.startsWith('redis://') || to.startsWith('rediss://');
    if (problem !== undefined) problems.push(`--to: ${problem}`);
    else if (!isRedis) problems.push('--to: a data directory is migrated to a Redis, redis:// or rediss://');
  }
  if (!clusterName.test(cluster)) problems.push('--cluster: a name has letters, digits, . _ - and at most 64 of them');
  return problems;
}

/** Help for `migrate`. */
export const migrateHelp: string = `skein migrate [--from file:DIRECTORY] --to redis://HOST [--cluster NAME] [flags]

Copies what a node has kept in its data directory into a Redis, where several nodes share it: Sessions, their
Subscriptions and queues, what is owed at QoS 1 and 2 in both directions, retained messages, Wills.
Clients resume their Sessions as if nothing had happened. The data directory is read, and not changed.

  skein migrate --from file:/var/lib/skein --to redis://10.0.0.9:6379 --cluster home

  --from file:DIRECTORY
      The data directory. Default: SKEIN_STORE, if that is one, else ${presetStore}.
  --to URL
      The Redis: redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], or rediss:// with TLS. Default: SKEIN_STORE (or the file
      that SKEIN_STORE_FILE names), if that is one: a password need not stand on the command line.
  --cluster NAME
      What the cluster is to be called; nobody may have used the name in this Redis. Default: SKEIN_CLUSTER, else ${presetCluster}.
  --dry-run
      Says what there is to be copied, and copies nothing.
  --yes
      Asks nothing.
  --json
      One JSON object on standard output, for scripts; asks nothing.
  --discard
      Takes back what an earlier run, which did not finish, has copied.

Step by step:

  1. Look at what there is:            skein migrate --to redis://HOST --dry-run
  2. Stop the node (SIGTERM), and wait until it has ended: its Clients go on trying to connect.
  3. Copy:                             skein migrate --to redis://HOST
     It may be stopped at any moment, also by a Redis that is full: the same command goes on where it was. Until
     everything is there, and was counted there, no node starts on it.
  4. Start nodes on the Redis:         skein start --store redis://HOST
     with the other settings as before, and let Clients connect to them, at the old addresses best.

What was to expire in an hour when the node was stopped expires an hour after it was, by the clock of Redis. Until nodes run,
Wills are not published, and Sessions that end meanwhile end as soon as they do.

To go back: until nodes have run on the Redis, start the old node as before; its data directory is as it was. (Give the
memory back with skein migrate --to redis://HOST --discard, or by using another --cluster if the copy was complete.)
Afterwards what Clients have done since is in the Redis only: there is no way back without losing that.

Exit status: 0 all is there; 1 a difference was counted, or it was stopped on the way: run it again; 64 the command is
wrong; 78 the data directory or the Redis cannot be used, and nothing was copied.
`;
