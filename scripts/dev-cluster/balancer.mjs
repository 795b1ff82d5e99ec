// A load balancer for MQTT where HAProxy is not installed: connections in turn to the nodes that accept them.
//
// It asks no probes: a node that does not want Clients has closed its listeners, and the next one is tried.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/**
 * Balances the connections to a port of this machine over others of it.
 *
 * @param {number} port
 * @param {readonly number[]} nodePorts
 */
export async function balance(port, nodePorts) {
  let turn = 0;
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    turn += 1;
    pass(client, [...nodePorts.slice(turn % nodePorts.length), ...nodePorts.slice(0, turn % nodePorts.length)]);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/**
 * Connects a Client to the first node that accepts it.
 *
 * @param {import('node:net').Socket} client
 * @param {readonly number[]} ports
 */
function pass(client, [port, ...others]) {
  if (port === undefined) {
    client.destroy();
    return;
  }
  const node = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  const onRefused = () => pass(client, others);
  node.once('error', onRefused);
  node.once('connect', () => {
    node.off('error', onRefused);
    join(client, node);
    join(node, client);
    client.setNoDelay(true);
    client.resume();
  });
}

/**
 * Passes on what comes from one side, and its end; a side that breaks takes the other with it.
 *
 * @param {import('node:net').Socket} from
 * @param {import('node:net').Socket} to
 */
function join(from, to) {
  from.on('error', () => to.destroy());
  from.on('close', () => to.destroySoon());
  from.pipe(to);
}
