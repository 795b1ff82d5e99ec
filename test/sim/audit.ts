// A Client that comes when all is over, asks for every retained message, and is nobody's affair otherwise.

import type { Broker } from '../../packages/broker/src/index.ts';
import { type Content, decodePayload } from '../history/payload.ts';
import { Line } from './line.ts';
import type { Kind } from './schedule.ts';
import type { VirtualTime } from './time.ts';

const kind: Kind = {
  clientId: 'auditor',
  protocolVersion: 5,
  sessionExpirySeconds: 0,
  receiveMaximum: 100,
  usesAliases: false,
  wants: undefined,
};

/** What a new subscriber to everything gets, by topic. */
export async function retainedNow(
  broker: Broker,
  time: VirtualTime,
): Promise<ReadonlyMap<string, Content | undefined>> {
  const found = new Map<string, Content | undefined>();
  const line = new Line({
    broker,
    kind,
    onWire: false,
    rule: undefined,
    number: 0,
    tell: undefined,
    hear: (packet) => {
      if (packet.type === 'publish') found.set(packet.topic, decodePayload(packet.payload));
    },
    ended: () => {},
    arrived: () => {},
    sent: () => {},
  });
  const { clientId, protocolVersion, receiveMaximum } = kind;
  const options = { qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
  line.say({
    type: 'connect',
    protocolVersion,
    clientId,
    cleanStart: true,
    keepAliveSeconds: 0,
    will: undefined,
    username: undefined,
    password: undefined,
    properties: { receiveMaximum },
  });
  await hearAll(line, time);
  const subscriptions = [{ topicFilter: '#', ...options }];
  line.say({ type: 'subscribe', packetId: 1, subscriptions, properties: undefined });
  await hearAll(line, time);
  line.say({ type: 'disconnect', reasonCode: 0, properties: undefined });
  await hearAll(line, time);
  return found;
}

async function hearAll(line: Line, time: VirtualTime): Promise<void> {
  while (line.isBusy) {
    while (line.isBusy) line.advance(true);
    await time.rest();
  }
}
