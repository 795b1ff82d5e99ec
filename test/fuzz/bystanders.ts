// Clients that do nothing wrong: while another is under fire they are served, and what reaches them is well formed.

import { Decoder, encode, type Packet, type ProtocolVersion, Slab } from '@skein/protocol';
import type { Judgement } from './outcome.ts';
import type { PlayedBroker, PlayedConnection } from './played-broker.ts';

const versions = [3, 4, 5] as const;

/** Nobody else has a name or a topic like this. */
const name = 'bystander-7f3a9c';

/** Good Clients of every version. The one of 5.0 publishes, and all others listen to everything. */
export interface Bystanders {
  /** Whether they are served as ever. */
  judge(judgement: Judgement): Promise<void>;
}

/** Connects and subscribes them. */
export async function bystanders(stage: PlayedBroker): Promise<Bystanders> {
  const watchers = versions.map((version) => ({ version, connection: stage.open() }));
  for (const { version, connection } of watchers) {
    connection.data(bytes(version, connectOf(version), subscribeTo('#')));
  }
  const publisher = stage.open();
  publisher.data(bytes(5, connectOf(5, 'p'), subscribeTo(`${name}/+`)));
  await stage.settle();
  return {
    judge: async (judgement) => {
      const before = publisher.transport.sent.length;
      publisher.data(bytes(5, publishOf(), { type: 'pingreq' }));
      await stage.settle();
      const got = packetsOf(publisher, 5, before, judgement).map(({ type }) => type);
      for (const type of ['publish', 'puback', 'pingresp'] as const) {
        judgement.demand(got.includes(type), 'others are served as ever', () => `${type} is missing: ${got}`);
      }
      for (const { version, connection } of watchers) {
        const packets = packetsOf(connection, version, 0, judgement);
        judgement.demand(!connection.transport.isEnded, 'nobody else is closed', () => `${version}`);
        for (const packet of packets) noteCopy(packet, version, judgement);
      }
    },
  };
}

function noteCopy(packet: Packet, version: ProtocolVersion, judgement: Judgement): void {
  if (packet.type !== 'publish') return;
  judgement.reached('copy', version, packet.qos, packet.retain);
  for (const property of Object.keys(packet.properties ?? {})) judgement.reached('copy', property);
}

function packetsOf(
  { transport }: PlayedConnection,
  protocolVersion: ProtocolVersion,
  from: number,
  judgement: Judgement,
): Packet[] {
  const packets: Packet[] = [];
  const decoder = new Decoder({ from: 'server', maximumPacketSize: 1_000_000, protocolVersion });
  try {
    decoder.feed(transport.sent.subarray(from));
    for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) packets.push(packet);
  } catch (error) {
    judgement.demand(false, 'what others get is well formed', () => String(error));
  }
  return packets;
}

function connectOf(protocolVersion: ProtocolVersion, suffix = ''): Packet {
  return {
    type: 'connect',
    protocolVersion,
    clientId: `${name}-${protocolVersion}${suffix}`,
    cleanStart: true,
    keepAliveSeconds: 0,
    will: undefined,
    username: undefined,
    password: undefined,
    properties: undefined,
  };
}

function subscribeTo(topicFilter: string): Packet {
  const subscription = { topicFilter, qos: 2, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
  return { type: 'subscribe', packetId: 1, subscriptions: [subscription], properties: undefined };
}

function publishOf(): Packet {
  return {
    type: 'publish',
    topic: `${name}/x`,
    payload: Uint8Array.of(1),
    qos: 1,
    retain: false,
    dup: false,
    packetId: 7,
    properties: undefined,
  };
}

function bytes(version: ProtocolVersion, ...packets: readonly Packet[]): Uint8Array {
  const slab = Slab.take();
  for (const packet of packets) encode(packet, version, slab);
  const copy = Uint8Array.from(slab.view());
  Slab.give(slab);
  return copy;
}
