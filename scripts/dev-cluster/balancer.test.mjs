// The little balancer: connections in turn, around a node that does not accept them.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { balance } from './balancer.mjs';

/** @param {import('node:net').Server} server */
function portOf(server) {
  onTestFinished(() => void server.close());
  return /** @type {import('node:net').AddressInfo} */ (server.address()).port;
}

/** A node that says its name, echoes one message, and hangs up. @param {string} name */
async function node(name) {
  const server = createServer((socket) => {
    socket.once('data', (said) => socket.end(`${name} heard ${said}`));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/**
 * @param {number} port
 * @param {string} message
 */
async function say(port, message) {
  const socket = connect(port, '127.0.0.1').setEncoding('utf8');
  socket.write(message);
  let heard = '';
  for await (const text of socket) heard += text;
  return heard;
}

describe('the balancer', () => {
  it('gives connections to the nodes in turn, and carries both directions to their end', async () => {
    const ports = [portOf(await node('a')), portOf(await node('b'))];
    const port = portOf(await balance(0, ports));
    const heard = [await say(port, 'one'), await say(port, 'two'), await say(port, 'three'), await say(port, 'four')];
    expect(heard.map((each) => each[0]).sort()).toEqual(['a', 'a', 'b', 'b']);
    expect(heard.map((each) => each.slice(2))).toEqual(['heard one', 'heard two', 'heard three', 'heard four']);
  });

  it('goes on to the next when a node refuses', async () => {
    const gone = await node('gone');
    const deadPort = portOf(gone);
    gone.close();
    const port = portOf(await balance(0, [deadPort, portOf(await node('b'))]));
    expect(await say(port, 'one')).toBe('b heard one');
    expect(await say(port, 'two')).toBe('b heard two');
  });

  it('hangs up when all refuse', async () => {
    const gone = await node('gone');
    const deadPort = portOf(gone);
    gone.close();
    const port = portOf(await balance(0, [deadPort]));
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    await once(socket, 'close');
    expect(socket.bytesRead).toBe(0);
  });
});
