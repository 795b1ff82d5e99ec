// All kinds of Clients in one room: each version, over each transport, on either node, hears every other.

import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { fresh } from '../support/fresh.ts';
import { processMs } from '../support/process.ts';
import type { ForeignClient, Transport } from './foreign.ts';
import { mosquitto } from './mosquitto.ts';
import { mqttjs } from './mqttjs.ts';
import { pahoC, pahoPython } from './paho.ts';
import { type PlaceName, Places } from './places.ts';
import { arrivals, payloads, Stage } from './stage.ts';

vi.setConfig({ testTimeout: 3 * processMs, hookTimeout: 3 * processMs });

const kinds = [mqttjs, mosquitto, pahoPython(), pahoC()];
let places: Places;
beforeAll(async () => {
  places = await Places.start('interop-together');
});
afterAll(async () => {
  for (const kind of kinds) await kind[Symbol.asyncDispose]();
  await places[Symbol.asyncDispose]();
});

it.each(['one node', 'two nodes'] as const)('every Client hears every other on %s', async (placeName) => {
  const clients: ForeignClient[] = [];
  try {
    await converse(placeName, clients);
  } finally {
    for (const client of clients) await client[Symbol.asyncDispose]();
  }
});

/** Connects one Client of each kind and version, keeps it in `clients`, and has each speak to all. */
async function converse(placeName: PlaceName, clients: ForeignClient[]): Promise<void> {
  const topic = fresh('room');
  for (const kind of kinds.filter(({ missing }) => missing === undefined)) {
    for (const version of ['3.1', '3.1.1', '5.0'] as const) {
      // Kinds and versions change transports and nodes in turn, so that all meet all.
      const wanted: Transport = clients.length % 2 === 0 ? 'tcp' : 'websocket';
      const transport = kind.lacks[wanted] === undefined ? wanted : 'tcp';
      const stage = new Stage(kind, { version, transport }, places.at(placeName));
      const client = clients.length % 3 === 0 ? await stage.near() : await stage.far();
      clients.push(client);
      await client.subscribe(topic, { qos: 2 });
    }
  }
  expect(clients.length).toBeGreaterThanOrEqual(3);
  const said = clients.map((_, index) => `I am ${index}`);
  for (const [index, client] of clients.entries()) {
    await client.publish({ topic, payload: said[index] as string, qos: index % 2 === 0 ? 1 : 2 });
  }
  for (const client of clients) {
    expect(payloads(await arrivals(client, said.length)).toSorted()).toEqual(said.toSorted());
  }
}
