// What is measured: the loads, what of each is shown, and who takes part.
//
// A load is a scenario of the load generator; it has phases, and each phase that is shown makes a line in the page.

/**
 * @typedef {import('../../packages/bench/src/scenario.ts').ScenarioOptions} ScenarioOptions
 * @typedef {import('../../packages/bench/src/scenario.ts').PhaseName} PhaseName
 *
 * @typedef {object} Line
 * @property {PhaseName} phase
 * @property {string} title
 *
 * @typedef {'stream' | 'paced' | 'clients' | 'stored'} Group which table of the page it is in
 *
 * @typedef {object} Row
 * @property {string} id as in `--rows`
 * @property {Group} group
 * @property {readonly Line[]} lines
 * @property {ScenarioOptions} load
 * @property {Partial<Record<string, string>>} [without] who cannot take part, by product, and why
 * @property {readonly string[]} [also] servers of other settings that take part beside the usual ones
 */

/**
 * All loads.
 *
 * @param {{ seconds: number, isQuick: boolean, connections: number }} size how long each runs; a quick one is smaller; how
 *   many connections this machine can hold
 * @returns {Row[]}
 */
export function rowsOf({ seconds, isQuick, connections }) {
  // A slow server on a busy machine is late, which is not to be taken for lost.
  const time = { durationSeconds: seconds, warmupSeconds: 1, drainSeconds: 15 };
  // What fifty have under way together is what one server has to hold.
  const window = 64;
  /**
   * @param {string} id
   * @param {string} title
   * @param {ScenarioOptions} load
   * @param {Partial<Row>} [more]
   * @returns {Row}
   */
  const stream = (id, title, load, more) => {
    return { id, group: 'stream', lines: [{ phase: 'load', title }], load: { ...time, ...load }, ...more };
  };
  const noSharing = 'it has no shared subscriptions';
  return [
    stream('qos0-1', 'QoS 0, one pair', { scenario: 'p2p', publishers: 1, qos: 0 }),
    stream('qos0-50', 'QoS 0, 50 pairs', { scenario: 'p2p', window, publishers: 50, qos: 0 }),
    stream('qos1-50', 'QoS 1, 50 pairs', { scenario: 'p2p', window, publishers: 50, qos: 1 }),
    stream('qos2-50', 'QoS 2, 50 pairs', { scenario: 'p2p', window, publishers: 50, qos: 2 }),
    stream('fan-in', 'Fan-in 50 → 1, QoS 0', { scenario: 'fan-in', window, publishers: 50, subscribers: 1, qos: 0 }),
    stream('fan-out-50', 'Fan-out 1 → 50, QoS 0', { scenario: 'fan-out', publishers: 1, subscribers: 50, qos: 0 }),
    stream('fan-out-500', 'Fan-out 1 → 500, QoS 0', { scenario: 'fan-out', publishers: 1, subscribers: 500, qos: 0 }),
    stream(
      'shared',
      'Shared subscription 10 → 10, QoS 1',
      { scenario: 'shared', publishers: 10, subscribers: 10, qos: 1 },
      { without: { aedes: noSharing, 'aedes-redis': noSharing } },
    ),
    {
      id: 'low-load',
      group: 'paced',
      lines: [{ phase: 'load', title: '10,000 messages a second over 500 sockets, QoS 0' }],
      load: { ...time, scenario: 'p2p', publishers: 250, qos: 0, rate: 10_000 },
      also: ['mosquitto-nodelay'],
    },
    {
      id: 'connect',
      group: 'clients',
      lines: [
        { phase: 'connect', title: `${grouped(connections)} Clients connect, 100 at a time` },
        { phase: 'idle', title: `${grouped(connections)} Clients idle` },
      ],
      load: { scenario: 'connect', clients: connections, concurrency: 100, holdSeconds: 2 },
    },
    {
      id: 'subscribe',
      group: 'clients',
      lines: [{ phase: 'subscribe', title: `100 Clients subscribe to ${isQuick ? '20,000' : '100,000'} filters` }],
      load: {
        ...time,
        scenario: 'subs',
        subscribers: 100,
        publishers: 4,
        filters: isQuick ? 20_000 : 100_000,
        filtersPerPacket: 10,
      },
    },
    {
      id: 'retained',
      group: 'stored',
      lines: [
        { phase: 'store', title: 'Retained: store 50,000, QoS 1' },
        { phase: 'receive', title: 'Retained: receive 50,000 by a new `#`' },
      ],
      load: { drainSeconds: 15, scenario: 'retained', messages: 50_000, qos: 1, subscribers: 1 },
    },
    {
      id: 'offline',
      group: 'stored',
      lines: [
        { phase: 'enqueue', title: 'Offline: enqueue for 200 stored Sessions, QoS 1' },
        { phase: 'deliver', title: 'Offline: deliver when they return' },
      ],
      load: { drainSeconds: 15, scenario: 'offline', subscribers: 200, messages: isQuick ? 100 : 250, qos: 1 },
    },
  ];
}

/** Who takes part in a group, beside those that run the same server on another Node. */
const usual = {
  stream: ['skein', 'mosquitto', 'aedes', 'aedes-redis'],
  paced: ['skein', 'mosquitto', 'aedes', 'aedes-redis'],
  clients: ['skein', 'mosquitto', 'aedes', 'aedes-redis'],
  stored: ['skein', 'skein-everysec', 'skein-always', 'skein-redis', 'mosquitto-keeps', 'aedes', 'aedes-redis'],
};

/**
 * Who takes part in a load.
 *
 * @param {Row} row
 * @param {readonly { id: string, product: string }[]} servers that there are
 * @returns {string[]} in the order of the servers
 */
export function serversOf({ group, also = [], without = {} }, servers) {
  const wanted = [...usual[group], ...also];
  return servers
    .filter(({ id }) => wanted.includes(id) || (group !== 'stored' && id.startsWith('skein-node')))
    .filter(({ product }) => without[product] === undefined)
    .map(({ id }) => id);
}

/** @param {number} value a whole number */
function grouped(value) {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}
