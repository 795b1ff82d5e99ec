import { describeStore } from '@skein/broker/contract';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RedisServer } from '../testing/redis-server.ts';
import { openRedisStore } from './connect.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

describeStore({ describe, it, expect }, 'the store in Redis', (clock, random, limits) =>
  openRedisStore({
    url: server.url,
    cluster: server.newCluster(),
    limits,
    clock,
    random,
    onEvent: () => undefined,
    time: 'clock',
  }),
);
