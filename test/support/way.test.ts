// The tools that break things, where a mistake of theirs would make a test of survival pass.

import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { until, within } from './deadline.ts';
import { RedisProcess } from './redis.ts';
import { Way } from './way.ts';

/** A server that says back what it hears, behind a way. */
async function startEcho(): Promise<{ way: Way } & AsyncDisposable> {
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const way = await Way.start((server.address() as { port: number }).port);
  return {
    way,
    [Symbol.asyncDispose]: async () => {
      await way[Symbol.asyncDispose]();
      server.close();
    },
  };
}

interface Speaker {
  readonly socket: Socket;
  readonly heard: () => string;
}

async function speak(way: Way): Promise<Speaker> {
  const socket = connect({ port: way.port, host: '127.0.0.1', noDelay: true });
  let heard = '';
  socket.on('error', () => {});
  socket.setEncoding('utf8').on('data', (text: string) => {
    heard += text;
  });
  await once(socket, 'connect');
  return { socket, heard: () => heard };
}

/** Resolves when a socket is closed, by a reset too. */
function ending(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

describe('a way', () => {
  it.each(['holdRequests', 'holdAnswers'] as const)('%s, and lets it go when it opens again', async (hold) => {
    await using echo = await startEcho();
    const held = await speak(echo.way);
    held.socket.write('one ');
    await until('the echo', () => held.heard() === 'one ' || undefined);
    echo.way[hold]();
    held.socket.write('two ');
    const late = await speak(echo.way);
    late.socket.write('three');
    expect(held.heard() + late.heard()).toBe('one ');
    echo.way.open();
    await until('both echoes', () => held.heard() + late.heard() === 'one two three' || undefined);
    held.socket.destroy();
    late.socket.destroy();
  });

  it('breaks what is connected, turns away who comes, and opens again', async () => {
    await using echo = await startEcho();
    const before = await speak(echo.way);
    echo.way.cut();
    await within(1000, 'the connection to break', ending(before.socket));
    const meanwhile = connect({ port: echo.way.port, host: '127.0.0.1' }).on('error', () => {});
    await within(1000, 'a new one to be turned away', ending(meanwhile));
    echo.way.open();
    const after = await speak(echo.way);
    after.socket.write('back');
    await until('the echo', () => after.heard() === 'back' || undefined);
    after.socket.destroy();
  });
});

describe('a redis-server of a test', () => {
  it('has after kill -9 what it had written', async () => {
    await using redis = await RedisProcess.start();
    expect(await redis.ask('SET', 'key', 'välue')).toBe('OK');
    await redis.kill();
    await expect(redis.ask('PING')).rejects.toThrow('ECONNREFUSED');
    await redis.start();
    expect(await redis.ask('GET', 'key')).toBe('välue');
    expect(await redis.ask('GET', 'other')).toBeNull();
    expect(await redis.ask('CONFIG', 'GET', 'appendonly')).toEqual(['appendonly', 'yes']);
    await expect(redis.ask('NO', 'SUCH')).rejects.toThrow('ERR unknown command');
  });

  it('answers nobody while it is stopped in its tracks, and goes on where it was', async () => {
    await using redis = await RedisProcess.start();
    redis.pause();
    const answer = redis.ask('ECHO', 'late');
    await expect(within(100, 'an answer', answer)).rejects.toThrow('waited 100 ms');
    redis.wake();
    expect(await answer).toBe('late');
  });
});
