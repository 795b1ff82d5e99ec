// How the broker ends a Network Connection, in each version [§4.13].

import type { Connack, Disconnect, ReasonCode } from '@skein/protocol';
import { expect } from 'vitest';
import type { RawClient } from './client.ts';

/**
 * Expects that the broker ends the Network Connection for a reason: 5.0 is told in a DISCONNECT and nothing follows it
 * [MQTT-3.14.4-1]; 3.x, where a Server has no DISCONNECT, is told nothing.
 *
 * @param reasonCodes those that the specification allows here
 */
export async function expectDisconnect(
  client: RawClient,
  ...reasonCodes: readonly ReasonCode[]
): Promise<Disconnect | undefined> {
  let disconnect: Disconnect | undefined;
  if (client.version === 5) {
    const packet = await client.next();
    expect(packet).toMatchObject({ type: 'disconnect' });
    disconnect = packet as Disconnect;
    expect(reasonCodes).toContain(disconnect.reasonCode);
    // [MQTT-3.14.2-2]
    expect(disconnect.properties?.sessionExpiryInterval).toBeUndefined();
  }
  expect(await client.closed).toBe(true);
  expect(client.waiting).toEqual([]);
  return disconnect;
}

/**
 * Expects that the broker refuses a CONNECT sent as bytes, and closes [MQTT-3.2.2-7].
 *
 * @param reasonCodes those that the specification allows here
 */
export async function expectRefusal(client: RawClient, ...reasonCodes: readonly ReasonCode[]): Promise<Connack> {
  const packet = await client.next();
  expect(packet).toMatchObject({ type: 'connack', sessionPresent: false });
  expect(reasonCodes).toContain((packet as Connack).reasonCode);
  expect(await client.closed).toBe(true);
  expect(client.waiting).toEqual([]);
  return packet as Connack;
}

/** Expects that the broker closes without a word. */
export async function expectSilentClose(client: RawClient): Promise<void> {
  expect(await client.closed).toBe(true);
  expect(client.bytesReceived).toBe('');
}
