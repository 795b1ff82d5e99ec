// docs/benchmarks.md, written from what was measured. The prose says how to read the figures and what they do not say;
// every figure in it comes from the results.

import { disturbance, whatWentWrong, whereOthersAreBetter } from './findings.mjs';
import { packages } from './peers.mjs';
import { figure } from './statistics.mjs';
import { entriesOf, markdown, metrics, table } from './tables.mjs';

/**
 * @typedef {import('./tables.mjs').Results} Results
 * @typedef {import('./tables.mjs').Metric} Metric
 * @typedef {import('./tables.mjs').Pair} Pair
 * @typedef {import('./tables.mjs').Entry} Entry
 * @typedef {import('./rows.mjs').Row} Row
 */

/** So many cores busy with something else make figures doubtful. */
const disturbing = 0.25;

/** Who is compared to whom where nothing is stored. @type {readonly Pair[]} */
const plainPairs = [
  ['mosquitto', 'skein'],
  ['aedes', 'skein'],
  ['aedes-redis', 'skein'],
];
/** Of the stored loads each with ours of the like durability; `memory:` stands in while there is no other. @type {readonly Pair[]} */
const storedPairs = [
  ['mosquitto-keeps', 'skein-everysec', 'skein'],
  ['aedes', 'skein'],
  ['aedes-redis', 'skein-redis', 'skein'],
];
const pacedPairs = /** @type {readonly Pair[]} */ ([...plainPairs, ['mosquitto-nodelay', 'skein']]);

/**
 * The page.
 *
 * @param {Results} results
 * @param {readonly Row[]} rows all loads, in their order
 * @returns {string} Markdown
 */
export function page(results, rows) {
  /** @param {Row['group']} group */
  const linesOf = (group) =>
    rows.filter((row) => row.group === group).flatMap((row) => row.lines.map((line) => ({ row, line })));
  /** @param {string} phase */
  const linesOfPhase = (phase) => linesOf('clients').filter(({ line }) => line.phase === phase);
  const streams = linesOf('stream');
  const paced = linesOf('paced');
  const stored = linesOf('stored');
  /**
   * @param {readonly import('./tables.mjs').Entry[]} entries
   * @param {readonly Pair[]} pairs
   * @param {string} corner
   */
  const tableOf = (entries, pairs, corner) => table({ results, entries, pairs, corner });
  /** What is shown of Clients and of low load: several figures of a few loads, each with its unit. @type {Entry[]} */
  const ofClients = [
    ...titled(linesOfPhase('connect'), metrics.cpu, 'CPU, µs a connection'),
    ...titled(linesOfPhase('connect'), metrics.rate, 'connections a second'),
    ...titled(linesOfPhase('connect'), metrics.kibEach, 'memory, KiB a connection'),
    ...titled(linesOfPhase('idle'), metrics.cores, 'CPU, % of a core'),
    ...titled(linesOfPhase('subscribe'), metrics.cpu, 'CPU, µs a filter'),
    ...titled(linesOfPhase('subscribe'), metrics.rate, 'filters a second'),
    ...titled(linesOfPhase('subscribe'), metrics.bytesEach, 'memory, bytes a filter'),
  ];
  const questions = [
    { lines: streams, metric: metrics.cpu, pairs: plainPairs },
    { lines: streams, metric: metrics.rate, pairs: plainPairs },
    { lines: streams.slice(0, 1), metric: metrics.memory, pairs: plainPairs },
    ...[metrics.cpu, metrics.p50, metrics.p99].map((metric) => ({ lines: paced, metric, pairs: pacedPairs })),
    { lines: linesOfPhase('connect'), metric: metrics.cpu, pairs: plainPairs },
    { lines: linesOfPhase('connect'), metric: metrics.rate, pairs: plainPairs },
    { lines: linesOfPhase('connect'), metric: metrics.kibEach, pairs: plainPairs },
    { lines: linesOfPhase('idle'), metric: metrics.cores, pairs: plainPairs },
    { lines: linesOfPhase('subscribe'), metric: metrics.cpu, pairs: plainPairs },
    { lines: linesOfPhase('subscribe'), metric: metrics.rate, pairs: plainPairs },
    { lines: linesOfPhase('subscribe'), metric: metrics.bytesEach, pairs: plainPairs },
    { lines: stored, metric: metrics.cpu, pairs: storedPairs },
    { lines: stored, metric: metrics.rate, pairs: storedPairs },
  ];
  const rounds = Math.max(0, ...results.runs.map(({ round }) => round));
  const sections = [
    introduction(results, rounds),
    '## What a message costs',
    'CPU of the server in microseconds for each message delivered, 64 bytes of payload: the median of the rounds, and in\n' +
      'parentheses the best of them. A ratio says how many times as much as Skein another takes: above 1 Skein takes less.',
    tableOf(entriesOf(streams, metrics.cpu), plainPairs, 'µs of CPU a message'),
    'Messages delivered in a second (median). `≥`: the load generator, on a core of its own, was busy all the time, so that\n' +
      'the server might have delivered more.',
    tableOf(entriesOf(streams, metrics.rate), [], 'messages a second'),
    'Memory of the server at the end of it (RSS, MiB).',
    tableOf(entriesOf(streams, metrics.memory), [], 'MiB'),
    '## At low load',
    'A broker is seldom full. When little is to be done at a time there is little to put together into one write, and a broker\n' +
      'written in C has less to do around each. Messages are sent at fixed times, and latency counts from when one was due.',
    tableOf(
      [
        ...titled(paced, metrics.cpu, 'CPU, µs a message'),
        ...titled(paced, metrics.p50, 'latency p50, ms'),
        ...titled(paced, metrics.p99, 'latency p99, ms'),
      ],
      pacedPairs,
      'low load',
    ),
    'Mosquitto lets the kernel wait with small packets (Nagle) unless told otherwise, as a column of its own tells it here; Skein and\nAedes never do.',
    '## Connections and subscriptions',
    tableOf(ofClients, plainPairs, 'Clients and filters'),
    'Memory is what the process has grown by (RSS); what the kernel keeps for a socket comes on top, for all alike.',
    '## What is stored',
    tableOf(entriesOf(stored, metrics.cpu), storedPairs, 'µs of CPU a message'),
    tableOf(entriesOf(stored, metrics.rate), [], 'messages a second'),
    durability,
    '## Where another is better',
    'All differences above 5 %, ordered by load; of two figures the first is that of the other.',
    listOr(whereOthersAreBetter(results, questions), 'Nowhere in these figures.'),
    '## What went wrong',
    'Every delivery is checked: whether it comes, how often, in which order, with which content. What a server got wrong is\n' +
      'counted here; its figures above carry a ⚠ and are worth that much less. Lost is what has not come when nothing has for 15 s.',
    listOr(whatWentWrong(results, rows), 'Nothing: no server lost, doubled or reordered a message.'),
    ...(results.missing.length === 0
      ? []
      : ['## What is missing', listOf(results.missing.map(({ title, why }) => `${title}: ${why}`))]),
    '## Machine and versions',
    facts(results),
    '## Settings',
    'What is not named is as it comes. What has to do with a figure is set alike: nobody needs a password, at most 1000 messages of\n' +
      'QoS 1 and 2 are in flight to a Client where that can be limited, and queues are as long as they need be.',
    markdown(
      ['Server', 'Settings'],
      results.servers.map(({ title, settings }) => [title, settings]),
      '---',
    ),
    reading,
    limits,
    again(results),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

/**
 * @param {readonly { row: Row, line: import('./rows.mjs').Line }[]} lines
 * @param {Metric} metric
 * @param {string} words what the figure is
 * @returns {Entry[]}
 */
function titled(lines, metric, words) {
  return lines.map(({ row, line }) => ({ row, line, metric, title: `${line.title}: ${words}` }));
}

/**
 * @param {Results} results
 * @param {number} rounds
 */
function introduction({ date, cores, size, machine, runs }, rounds) {
  const pinned =
    cores === null
      ? 'Neither the server nor the load was held to a core.'
      : `Each server has one core (${cores.server}), with all that belongs to it, and the load another one (${cores.load}).`;
  const others = disturbance(runs)?.median ?? 0;
  const disturbed =
    others < disturbing
      ? ''
      : `\n\n**The machine was not quiet: others kept ${figure(others)} of its ${machine.cores} cores busy meanwhile (median). Rates and latencies say little then, and CPU times are too high.**`;
  const quick = size.isQuick ? '\n\n**This is a quick run: short, and good for a first look only.**' : '';
  return (
    '# Benchmarks\n\n' +
    'Skein beside other brokers, on one machine, under the same load. This page is written by `npm run bench:compare`; do not edit\n' +
    'it. Run it where your broker is to run: what one machine says of another broker or kernel is little.\n\n' +
    `${pinned} ${rounds === 1 ? 'One round' : `${rounds} rounds`}, interleaved: in each all servers take\n` +
    `their turn at one load before the next load begins. Streams are measured for ${size.seconds} s each. ${date.slice(0, 10)}.${quick}${disturbed}`
  );
}

const durability =
  'These do not promise the same, so compare like with like:\n\n' +
  markdown(
    ['Server', 'An acknowledged message survives `kill -9` of the broker', 'and power loss'],
    [
      ['Skein `memory:`', 'no', 'no'],
      ['Skein `file:` everysec', 'yes', 'all but the last second'],
      ['Skein `file:` always', 'yes', 'yes'],
      ['Skein on Redis (everysec)', 'yes', 'all but the last second'],
      ['Mosquitto with persistence', 'no: it writes every 30 minutes and when it ends', 'no'],
      ['Aedes', 'no', 'no'],
      [
        'Aedes + Redis (everysec)',
        'mostly: at QoS 1 it acknowledges before it stores',
        'less than that, and less the last second',
      ],
    ],
    '---',
  );

/** @param {Results} results */
function facts({ machine, loadNode, servers, runs }) {
  const others = disturbance(runs);
  const disturbed =
    others === undefined
      ? []
      : [
          `Others on the machine kept ${figure(others.median)} cores busy meanwhile (median; ${figure(others.most)} at most). ` +
            'When that is not near 0, believe the CPU times and doubt rates and latencies.',
        ];
  return listOf([
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGib} GiB, ${machine.system}; all over loopback.`,
    `What is stored goes to a file system of the kind ${machine.fileSystem ?? 'unknown'}.`,
    ...disturbed,
    ...servers.map(({ title, version }) => `${title}: ${version}`),
    `Load generator: \`skein bench\`, on Node ${loadNode}`,
  ]);
}

const reading =
  '## How to read it\n\n' +
  listOf([
    'CPU for a message is the figure to plan with. It depends far less than rates do on the load and on what else runs; still, a ' +
      'server that has to wait for its core pays more. It is all of the user and system time of the server, its threads and its children; with Redis, that of redis-server too.',
    'The load is a closed loop: a publisher has a bounded number of messages under way and goes on as they arrive. Latency ' +
      'in a closed loop says only how many those are, so it is shown for the fixed rate alone.',
    'On loopback a sender pays for what the kernel does at the receiver. So a write costs more here than on a network ' +
      'card, for all servers alike, and most for those that write most often.',
    'Virtual machines are noisy. The best round is nearest to what the code costs, the median to what you will see; take ' +
      'differences under 15 % for nothing.',
  ]);

const limits =
  '## What cannot be compared\n\n' +
  listOf([
    'Mosquitto is whichever is installed, and that of a distribution may be years old: 2.1 takes down to half the CPU of 2.0.11.',
    'One core, one node. Skein and Aedes use one core for a process, Mosquitto too; none was asked what it does with sixteen.',
    'Skein routes for a cluster, with MQTT 5 and access control in the path; Mosquitto has no cluster, Aedes no MQTT 5.',
    '`Aedes + Redis` hands every message through Redis, as it must where several are to form a cluster. Skein on Redis sends ' +
      'between its nodes directly, and uses Redis for what is stored; so only the stored loads say something of both.',
    'Retained messages and queues are kept with different promises (see above).',
    'No TLS, no WebSocket, small payloads.',
  ]);

/** @param {Results} results */
function again({ command, cores }) {
  const words = ['npm', 'run', 'bench:compare', ...(command.length === 0 ? [] : ['--', ...command])].join(' ');
  const installed = Object.entries(packages).map(([name, version]) => `${name}@${version}`);
  return (
    '## Run it yourself\n\n' +
    `\`\`\`\n${words}\n\`\`\`\n\n` +
    'It wants Mosquitto and redis-server (`apt-get install mosquitto redis-server`) and leaves out what it does not find; ' +
    `${installed.join(', ')}\nare installed from npm into \`.cache/bench-peers\`. \`--quick\` takes a few minutes; \`--rows\`, \`--servers\`, \`--rounds\` and \`--seconds\` choose;\n` +
    '`--node PATH`, several times, runs Skein on several versions of Node; `--resume` goes on where it was broken off; `--render`\n' +
    'writes this page again from the last figures. One load by hand, with its full report:\n\n' +
    `\`\`\`\n${cores === null ? '' : `taskset -c ${cores.load} `}skein bench p2p --publishers 50 --qos 1 --pid $(pidof mosquitto) --json\n\`\`\``
  );
}

/** @param {readonly string[]} items */
function listOf(items) {
  return items.map((item) => `- ${item}`).join('\n');
}

/**
 * @param {readonly string[]} items
 * @param {string} otherwise
 */
function listOr(items, otherwise) {
  return items.length === 0 ? otherwise : listOf(items);
}
