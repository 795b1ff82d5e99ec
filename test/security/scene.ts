// One connection to a broker without sockets, spoken byte by byte: what a hostile Client says, and what becomes of it.

import { Decoder, type MqttError, type Packet, type ProtocolVersion } from '@skein/protocol';
import { bytesOf } from '../../packages/protocol/cases/notation.ts';
import { PlayedBroker, type PlayedConnection } from '../fuzz/played-broker.ts';

/** A CONNECT of each version, in the notation of the protocol's tables. */
export const hello: Readonly<Record<ProtocolVersion, string>> = {
  3: "10 ['MQIsdp' 03 02 0000 'mallory']",
  4: "10 ['MQTT' 04 02 0000 'mallory']",
  5: "10 ['MQTT' 05 02 0000 [] 'mallory']",
};

/** What became of it. */
export interface Aftermath {
  /** The first error, if there was one. */
  readonly error: MqttError | undefined;
  readonly isClosed: boolean;
  /** What the Client was told. */
  readonly told: readonly Packet[];
  /** The packets that were understood. */
  readonly received: readonly Packet[];
  /** What was thrown past the connection, or went wrong inside. */
  readonly mishaps: readonly unknown[];
}

/** Says something on a new connection of a new broker. @param version what its answers are read as */
export async function say(version: ProtocolVersion, ...said: readonly (string | Uint8Array)[]): Promise<Aftermath> {
  const stage = await PlayedBroker.start();
  const connection = stage.open();
  for (const packet of said) {
    connection.data(typeof packet === 'string' ? bytesOf(packet) : packet);
    await stage.settle();
  }
  const aftermath = aftermathOf(connection, version);
  connection.lose();
  await stage.settle();
  const inside = stage.facts.filter((fact) => fact.is === 'internal_error');
  return { ...aftermath, mishaps: [...connection.thrown, ...inside] };
}

function aftermathOf(
  { failures, transport, received }: PlayedConnection,
  version: ProtocolVersion,
): Omit<Aftermath, 'mishaps'> {
  const told: Packet[] = [];
  const decoder = new Decoder({ from: 'server', maximumPacketSize: 1_000_000, protocolVersion: version });
  decoder.feed(transport.sent);
  for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) told.push(packet);
  return { error: failures[0], isClosed: transport.isEnded, told, received };
}
