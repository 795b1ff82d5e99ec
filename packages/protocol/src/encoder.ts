// Packets in, bytes out: appended to a Slab, whole or not at all.
//
// Whoever sends says what it means in MQTT 5.0's words. What the Client's version has no word for is left out here:
// properties, Reason Codes, and whole packets (AUTH, a Server's DISCONNECT).

import { packetType } from './fixed-header.ts';
import type { Packet, ProtocolVersion } from './packet.ts';
import { encodeAcknowledgement } from './packets/acknowledgement.ts';
import { encodeAuth } from './packets/auth.ts';
import { encodeConnack } from './packets/connack.ts';
import { encodeConnect } from './packets/connect.ts';
import { encodeDisconnect } from './packets/disconnect.ts';
import { encodePublish } from './packets/publish.ts';
import { encodeSuback, encodeSubscribe } from './packets/subscribe.ts';
import { encodeUnsuback, encodeUnsubscribe } from './packets/unsubscribe.ts';
import type { Slab } from './slab.ts';
import { writeTwoByteInteger } from './write.ts';

/**
 * Appends a packet in the words of a version; a CONNECT in those of the version that it names itself.
 *
 * Appends nothing if the version has no such packet.
 *
 * @throws RangeError if a field is longer than the wire allows; nothing is appended then
 */
export function encode(packet: Packet, version: ProtocolVersion, out: Slab): void {
  const start = out.length;
  try {
    append(packet, version, out);
  } catch (error) {
    out.length = start;
    throw error;
  }
}

function append(packet: Packet, version: ProtocolVersion, out: Slab): void {
  switch (packet.type) {
    case 'publish':
      return encodePublish(packet, version, out);
    case 'puback':
    case 'pubrec':
    case 'pubrel':
    case 'pubcomp':
      return encodeAcknowledgement(packet, version, out);
    case 'pingreq':
      return writeTwoByteInteger(out, packetType.pingreq << 12);
    case 'pingresp':
      return writeTwoByteInteger(out, packetType.pingresp << 12);
    case 'suback':
      return encodeSuback(packet, version, out);
    case 'unsuback':
      return encodeUnsuback(packet, version, out);
    case 'connack':
      return encodeConnack(packet, version, out);
    case 'disconnect':
      return encodeDisconnect(packet, version, out);
    case 'auth':
      if (version === 5) encodeAuth(packet, out);
      return;
    case 'connect':
      return encodeConnect(packet, out);
    case 'subscribe':
      return encodeSubscribe(packet, version, out);
    case 'unsubscribe':
      return encodeUnsubscribe(packet, version, out);
  }
}
