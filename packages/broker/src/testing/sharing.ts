// What tests of Shared Subscriptions say again and again.

import { type Packet, ReasonCode } from '@skein/protocol';
import { connectPacket, TestConnection, type TestNode } from './broker-trial.ts';

/** Who shares jobs. */
export const jobs = '$share/workers/jobs/+';

/** The texts of the PUBLISH packets in what a connection was told. */
export function texts(said: readonly string[]): string[] {
  return said.filter((line) => line.startsWith('publish ')).map((line) => /=(\S+)/.exec(line)?.[1] as string);
}

/** What a connection has got since the last time, acknowledged if it should be. */
export async function got(connection: TestConnection, acknowledges = true): Promise<string[]> {
  const all: string[] = [];
  for (let said = await connection.send(); said.length > 0; ) {
    all.push(...texts(said));
    if (!acknowledges) break;
    const answers = said.flatMap((line): Packet[] => {
      const packetId = Number(/#(\d+)/.exec(line)?.[1]);
      const acknowledgement = { packetId, reasonCode: ReasonCode.success, properties: undefined };
      if (line.startsWith('pubrel')) return [{ type: 'pubcomp', ...acknowledgement }];
      if (!line.startsWith('publish') || Number.isNaN(packetId)) return [];
      return [{ type: line.includes(' q2 ') ? 'pubrec' : 'puback', ...acknowledgement }];
    });
    said = await connection.send(...answers);
  }
  return all;
}

/** Publishes messages to `jobs/a`, one after the other, each to the end. */
export async function publishes(connection: TestConnection, qos: 0 | 1 | 2, ...names: string[]): Promise<void> {
  for (const [i, name] of names.entries()) {
    await connection.publish('jobs/a', name, qos, qos === 0 ? 0 : i + 1);
    if (qos !== 2) continue;
    await connection.send({ type: 'pubrel', packetId: i + 1, reasonCode: ReasonCode.success, properties: undefined });
  }
  connection.outlet.take();
}

/** What a Client gets that comes back to its stored Session. */
export function gotBack(node: TestNode, clientId: string): Promise<string[]> {
  const connection = new TestConnection(node);
  connection.client.receive(connectPacket(clientId));
  return got(connection);
}
