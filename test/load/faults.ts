// What a broker can do wrong, each as a proxy does it to a right one.
//
// A fault strikes now and then, and covers its tracks: the broker behind it believes that all went well, so that nothing
// repairs what was done. Once would be enough, but for a Client that is just being cut off and never sees it.

import { type Connack, type Packet, type Publish, ReasonCode } from '@skein/protocol';
import { decodePayload } from '../history/payload.ts';
import type { Invariant } from '../history/verdict.ts';
import type { Fault, Line } from './faulty-proxy.ts';
import { archiveId, bystanderId } from './mixed-load.ts';

/** A fault, and what it must be called. */
export interface NamedFault {
  readonly name: string;
  readonly breaks: Invariant;
  /** A fault that has not struck yet. */
  make(): Fault;
}

/** Of so many packets that it could strike, a fault strikes one. */
const oneOf = 100;

/** From here on Packet Identifiers are not reached by a broker which counts from 1. */
const unusedPacketIds = 60_000;

/** Every fault. */
export const faults: readonly NamedFault[] = [
  { name: 'swallows a message that it had acknowledged', breaks: 'lost', make: swallowDelivery },
  { name: 'acknowledges a message and forgets it', breaks: 'lost', make: swallowPublish },
  { name: 'delivers a QoS 2 message twice', breaks: 'duplicated', make: deliverTwice },
  { name: 'delivers a QoS 0 message twice', breaks: 'duplicated', make: deliverQos0Twice },
  { name: 'delivers two messages of a stream in the wrong order', breaks: 'order', make: swapTwo },
  { name: 'changes a byte', breaks: 'corrupt', make: changeByte },
  { name: 'delivers at a lower QoS', breaks: 'corrupt', make: lowerQos },
  { name: 'delivers to somebody who did not subscribe', breaks: 'phantom', make: deliverElsewhere },
  { name: 'forgets a Session', breaks: 'session-present', make: denySession },
  { name: 'swallows a Will Message', breaks: 'will', make: swallowWill },
];

/** A fault that now and then takes care of a packet to a Client. */
function nowAndThen<P extends Packet>(
  isVictim: (packet: Packet, line: Line) => packet is P,
  strike: (packet: P, line: Line, lines: Iterable<Line>) => void,
  every: number = oneOf,
): Fault {
  let count = 0;
  return {
    toClient(packet, line, lines) {
      if (!isVictim(packet, line)) return false;
      count += 1;
      if (count % every !== 0) return false;
      strike(packet, line, lines);
      return true;
    },
  };
}

/**
 * Whether a packet is a live PUBLISH to the archive, for the first time: to a Session that lasts, and that must have all.
 * With a Topic Alias it is left alone, since aliases live on what came before.
 */
function isLive(qos: 0 | 1 | 2): (packet: Packet, line: Line) => packet is Publish {
  return (packet, line): packet is Publish =>
    line.clientId === archiveId &&
    packet.type === 'publish' &&
    packet.qos === qos &&
    !packet.retain &&
    !packet.dup &&
    packet.properties?.topicAlias === undefined;
}

function acknowledge(packetId: number): Packet {
  return { type: 'puback', packetId, reasonCode: ReasonCode.success, properties: undefined };
}

function swallowDelivery(): Fault {
  return nowAndThen(isLive(1), ({ packetId }, line) => line.toServer(acknowledge(packetId)));
}

function swallowPublish(): Fault {
  let count = 0;
  return {
    toServer(packet, line) {
      if (packet.type !== 'publish' || packet.qos !== 1) return false;
      count += 1;
      if (count % oneOf !== 0) return false;
      line.toClient(acknowledge(packet.packetId));
      return true;
    },
  };
}

function deliverTwice(): Fault {
  let packetId = unusedPacketIds;
  const twice = nowAndThen(isLive(2), (publish, line) => {
    packetId += 1;
    line.toClient(publish);
    line.toClient({ ...publish, packetId });
  });
  return {
    ...twice,
    // The second handshake is kept from the broker, which knows nothing of it.
    toServer(packet, line) {
      if (!('packetId' in packet) || packet.packetId < unusedPacketIds) return false;
      if (packet.type === 'pubrec') line.toClient({ ...packet, type: 'pubrel' });
      return packet.type === 'pubrec' || packet.type === 'pubcomp';
    },
  };
}

function deliverQos0Twice(): Fault {
  return nowAndThen(isLive(0), (publish, line) => {
    line.toClient(publish);
    line.toClient(publish);
  });
}

function swapTwo(): Fault {
  // Only QoS 0 can be held back: nobody asks what became of it.
  const held = new Map<string, { readonly publish: Publish; readonly line: Line }>();
  let count = 0;
  return {
    toClient(packet, line) {
      if (!isLive(0)(packet, line)) return false;
      const stream = streamOf(packet);
      if (stream === undefined) return false;
      const earlier = held.get(stream);
      held.delete(stream);
      if (earlier?.line === line) {
        line.toClient(packet);
        line.toClient(earlier.publish);
        return true;
      }
      // There are many streams, and the next message of this one must come before the load is over.
      count += 1;
      if (count % 5 !== 0) return false;
      held.set(stream, { publish: { ...packet, payload: new Uint8Array(packet.payload) }, line });
      return true;
    },
  };
}

/** Whose messages of which topic and QoS; only what was published at QoS 0 is never sent again. */
function streamOf({ payload }: Publish): string | undefined {
  const content = decodePayload(payload);
  return content?.qos === 0 ? `${content.publisher} ${content.topic}` : undefined;
}

function changeByte(): Fault {
  return nowAndThen(isLive(0), (publish, line) => {
    const payload = new Uint8Array(publish.payload);
    (payload[payload.length - 1] as number) ^= 0x20;
    line.toClient({ ...publish, payload });
  });
}

function lowerQos(): Fault {
  return nowAndThen(isLive(1), (publish, line) => {
    line.toClient({ ...publish, qos: 0, packetId: 0 });
    line.toServer(acknowledge(publish.packetId));
  });
}

function deliverElsewhere(): Fault {
  return nowAndThen(isLive(0), (publish, line, lines) => {
    line.toClient(publish);
    for (const other of lines) if (other.clientId === bystanderId) other.toClient(publish);
  });
}

function denySession(): Fault {
  const isResumed = (packet: Packet): packet is Connack => packet.type === 'connack' && packet.sessionPresent;
  return nowAndThen(isResumed, (connack, line) => line.toClient({ ...connack, sessionPresent: false }), 1);
}

function swallowWill(): Fault {
  const isWill = (packet: Packet): packet is Publish =>
    packet.type === 'publish' && packet.qos === 1 && packet.topic.startsWith('will/');
  return nowAndThen(isWill, ({ packetId }, line) => line.toServer(acknowledge(packetId)), 1);
}
