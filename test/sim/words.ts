// Packets in words, as a story tells them.

import type { Packet } from '@skein/protocol';
import { decodePayload } from '../history/payload.ts';
import { never } from './schedule.ts';

/** A packet in one short line: `PUBLISH ann:3 t/a q1 #2 dup`. */
export function inWords(packet: Packet): string {
  const name = packet.type.toUpperCase();
  switch (packet.type) {
    case 'connect': {
      const { protocolVersion, cleanStart, will, properties } = packet;
      const version = { 3: '3.1', 4: '3.1.1', 5: '5.0' }[protocolVersion];
      const expiry = properties?.sessionExpiryInterval;
      return words(
        name,
        version,
        cleanStart && 'clean',
        expiry !== undefined && `expiry ${expiry === never ? 'never' : `${expiry} s`}`,
        properties?.receiveMaximum !== undefined && `receive maximum ${properties.receiveMaximum}`,
        will && `will ${contentOf(will.payload)} ${will.topic} q${will.qos}${will.retain ? ' retain' : ''}`,
        will?.properties?.willDelayInterval !== undefined && `after ${will.properties.willDelayInterval} s`,
      );
    }
    case 'connack':
      return words(name, packet.sessionPresent && 'session present', reasonOf(packet.reasonCode));
    case 'publish': {
      const { topic, qos, packetId, retain, dup, properties } = packet;
      return words(
        name,
        contentOf(packet.payload),
        topic,
        `q${qos}`,
        qos > 0 && `#${packetId}`,
        retain && 'retain',
        dup && 'dup',
        properties?.topicAlias !== undefined && `alias ${properties.topicAlias}`,
        properties?.messageExpiryInterval !== undefined && `expires in ${properties.messageExpiryInterval} s`,
      );
    }
    case 'subscribe':
      return words(
        name,
        `#${packet.packetId}`,
        ...packet.subscriptions.map(({ topicFilter, qos, noLocal, retainAsPublished, retainHandling }) =>
          words(
            `${topicFilter} q${qos}`,
            noLocal && 'no-local',
            retainAsPublished && 'as-published',
            retainHandling > 0 && `handling ${retainHandling}`,
          ),
        ),
      );
    case 'unsubscribe':
      return words(name, `#${packet.packetId}`, ...packet.topicFilters);
    case 'suback':
    case 'unsuback':
      return words(name, `#${packet.packetId}`, ...packet.reasonCodes.map((code) => `0x${code.toString(16)}`));
    case 'puback':
    case 'pubrec':
    case 'pubrel':
    case 'pubcomp':
      return words(name, `#${packet.packetId}`, reasonOf(packet.reasonCode));
    case 'disconnect': {
      const expiry = packet.properties?.sessionExpiryInterval;
      return words(name, reasonOf(packet.reasonCode), expiry !== undefined && `expiry ${expiry} s`);
    }
    default:
      return name;
  }
}

function words(...parts: readonly (string | false | undefined)[]): string {
  return parts.filter((part) => part !== false && part !== undefined && part !== '').join(' ');
}

function reasonOf(reasonCode: number): string {
  return reasonCode === 0 ? '' : `0x${reasonCode.toString(16)}`;
}

function contentOf(payload: Uint8Array): string {
  const content = decodePayload(payload);
  return content === undefined ? `${payload.length} bytes` : `${content.publisher}:${content.n}`;
}
