// Which bytes are decoded by which page, for every packet but the CONNECT, with which everything begins.

import type { Chunk } from '../bytes.ts';
import { Cursor } from '../cursor.ts';
import { packetType, type Sender } from '../fixed-header.ts';
import type { Packet, Pingreq, Pingresp, ProtocolVersion } from '../packet.ts';
import type { TopicReader } from '../topic-table.ts';
import { decodeAcknowledgement } from './acknowledgement.ts';
import { decodeAuth } from './auth.ts';
import { decodeConnack } from './connack.ts';
import { decodeDisconnect } from './disconnect.ts';
import { decodePublish } from './publish.ts';
import { decodeSuback, decodeSubscribe } from './subscribe.ts';
import { decodeUnsuback, decodeUnsubscribe } from './unsubscribe.ts';

/**
 * Decodes a packet whose Fixed Header has been judged.
 *
 * @param first its first byte
 * @param at where its Variable Header begins
 * @param end where the packet ends
 * @throws MqttError for whatever is wrong with it
 */
export function decodePacket(
  first: number,
  chunk: Chunk,
  at: number,
  end: number,
  version: ProtocolVersion,
  sender: Sender,
  topics: TopicReader,
): Packet {
  switch (first >> 4) {
    case packetType.publish:
      return decodePublish(first, chunk, at, end, version, sender, topics);
    case packetType.puback:
      return decodeAcknowledgement('puback', chunk, at, end, version);
    case packetType.pubrec:
      return decodeAcknowledgement('pubrec', chunk, at, end, version);
    case packetType.pubrel:
      return decodeAcknowledgement('pubrel', chunk, at, end, version);
    case packetType.pubcomp:
      return decodeAcknowledgement('pubcomp', chunk, at, end, version);
    case packetType.pingreq:
      return decodePing('pingreq', chunk, at, end);
    case packetType.subscribe:
      return decodeSubscribe(chunk, at, end, version);
    case packetType.unsubscribe:
      return decodeUnsubscribe(chunk, at, end, version);
    case packetType.disconnect:
      return decodeDisconnect(chunk, at, end, version, sender);
    case packetType.auth:
      return decodeAuth(chunk, at, end, sender);
    case packetType.connack:
      return decodeConnack(chunk, at, end, version);
    case packetType.suback:
      return decodeSuback(chunk, at, end, version);
    case packetType.unsuback:
      return decodeUnsuback(chunk, at, end, version);
    case packetType.pingresp:
      return decodePing('pingresp', chunk, at, end);
    default:
      throw new Error(`first byte ${first} was admitted and has no decoder`);
  }
}

/** PINGREQ and PINGRESP [§3.12, §3.13] are a Fixed Header and nothing else. */
function decodePing(type: 'pingreq' | 'pingresp', chunk: Chunk, at: number, end: number): Pingreq | Pingresp {
  if (at < end) new Cursor(type.toUpperCase(), chunk, at, end).finish();
  return { type };
}
