// The Fixed Header [§2.1]: a byte of packet type and flags, then the Remaining Length.
//
// The first byte alone tells most nonsense: a packet this side may not send, a reserved flag, a QoS of 3, and whatever
// is no MQTT at all. One table answers for all 256, so that a good packet pays one look-up; the reasons are worked out
// only for the others.

import { type Bytes, uint8 } from './bytes.ts';
import { MqttError } from './error.ts';
import { foreignProtocol } from './foreign.ts';
import type { ProtocolVersion } from './packet.ts';
import { ReasonCode } from './reason-code.ts';

/** Which end of a Network Connection sent a packet. */
export type Sender = 'client' | 'server';

/** The Control Packet types [§2.1.2]: bits 7 to 4 of the first byte. */
export const packetType = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  suback: 9,
  unsubscribe: 10,
  unsuback: 11,
  pingreq: 12,
  pingresp: 13,
  disconnect: 14,
  auth: 15,
} as const;

interface TypeRow {
  readonly name: string;
  /** Undefined where both ends may send it. */
  readonly only: Sender | undefined;
  /** What bits 3 to 0 must be; PUBLISH has flags of its own. */
  readonly flags: number;
  /** What demands those flags. */
  readonly statement: string;
}

// biome-ignore format: a table
const types: readonly TypeRow[] = [
  { name: 'Reserved', only: undefined, flags: 0, statement: '' },
  { name: 'CONNECT', only: 'client', flags: 0, statement: 'MQTT-2.1.3-1' },
  { name: 'CONNACK', only: 'server', flags: 0, statement: 'MQTT-2.1.3-1' },
  { name: 'PUBLISH', only: undefined, flags: 0, statement: 'MQTT-3.3.1-4' },
  { name: 'PUBACK', only: undefined, flags: 0, statement: 'MQTT-2.1.3-1' },
  { name: 'PUBREC', only: undefined, flags: 0, statement: 'MQTT-2.1.3-1' },
  { name: 'PUBREL', only: undefined, flags: 2, statement: 'MQTT-3.6.1-1' },
  { name: 'PUBCOMP', only: undefined, flags: 0, statement: 'MQTT-2.1.3-1' },
  { name: 'SUBSCRIBE', only: 'client', flags: 2, statement: 'MQTT-3.8.1-1' },
  { name: 'SUBACK', only: 'server', flags: 0, statement: 'MQTT-2.1.3-1' },
  { name: 'UNSUBSCRIBE', only: 'client', flags: 2, statement: 'MQTT-3.10.1-1' },
  { name: 'UNSUBACK', only: 'server', flags: 0, statement: 'MQTT-2.1.3-1' },
  { name: 'PINGREQ', only: 'client', flags: 0, statement: 'MQTT-2.1.3-1' },
  { name: 'PINGRESP', only: 'server', flags: 0, statement: 'MQTT-2.1.3-1' },
  { name: 'DISCONNECT', only: undefined, flags: 0, statement: 'MQTT-3.14.1-1' },
  { name: 'AUTH', only: undefined, flags: 0, statement: 'MQTT-3.15.1-1' },
];

const dup = 0x08;

/** Why a byte is refused: the arguments of the error, which has a stack and costs more than all the rest. */
type Judgement = ConstructorParameters<typeof MqttError>;

function judge(sender: Sender, version: ProtocolVersion, first: number): Judgement | undefined {
  const type = first >> 4;
  const flags = first & 0x0f;
  const row = types[type] as TypeRow;
  if (type === 0) return [ReasonCode.malformedPacket, 'packet type 0 is reserved'];
  if (row.only !== undefined && row.only !== sender) {
    return [ReasonCode.protocolError, `${row.name} is not for a ${sender} to send`];
  }
  if (type === packetType.auth && version !== 5) {
    return [ReasonCode.protocolError, 'there is no AUTH before MQTT 5.0'];
  }
  if (type === packetType.disconnect && version !== 5 && sender === 'server') {
    return [ReasonCode.protocolError, 'before MQTT 5.0 DISCONNECT is not for a server to send'];
  }
  if (type === packetType.connect && sender === 'client') {
    return [ReasonCode.protocolError, 'a second CONNECT', 'MQTT-3.1.0-2'];
  }
  if (type === packetType.publish) {
    if ((flags & 6) === 6) return [ReasonCode.malformedPacket, 'PUBLISH: QoS 3', row.statement];
    if ((flags & 6) === 0 && (flags & dup) !== 0) {
      return [ReasonCode.malformedPacket, 'PUBLISH: DUP at QoS 0', 'MQTT-3.3.1-2'];
    }
    return undefined;
  }
  // MQTT 3.1 sets DUP on these when it sends them again [3.1 §2.1].
  const judged = version === 3 && row.flags === 2 ? flags & ~dup : flags;
  if (judged === row.flags) return undefined;
  return [ReasonCode.malformedPacket, `${row.name}: reserved flags are set`, row.statement];
}

/** 1 for each first byte that is admitted. */
function admittedBytes(sender: Sender, version: ProtocolVersion): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, first) => (judge(sender, version, first) === undefined ? 1 : 0));
}

function admittedVersions(sender: Sender): Record<ProtocolVersion, Uint8Array> {
  return { 3: admittedBytes(sender, 3), 4: admittedBytes(sender, 4), 5: admittedBytes(sender, 5) };
}

const admitted: Record<Sender, Record<ProtocolVersion, Uint8Array>> = {
  client: admittedVersions('client'),
  server: admittedVersions('server'),
};

/** The first bytes that a packet of an open connection may have: a 1 for each. */
export function admittedFirstBytes(sender: Sender, version: ProtocolVersion): Uint8Array {
  return admitted[sender][version];
}

/** Why a first byte is not among {@link admittedFirstBytes}. */
export function refuseFirstByte(sender: Sender, version: ProtocolVersion, first: number): MqttError {
  const judgement = judge(sender, version, first);
  if (judgement === undefined) throw new Error(`first byte ${first} was refused without a reason`);
  return new MqttError(...judgement);
}

/**
 * Holds a Client's first bytes to the one packet that may come first.
 *
 * @throws MqttError Protocol Error unless that is a CONNECT; says what it is instead, where that can be told
 */
export function expectConnect(bytes: Bytes, at: number, end: number): void {
  const first = uint8(bytes, at);
  if (first === packetType.connect << 4) return;
  const like = foreignProtocol(bytes, at, end);
  const what = like === undefined ? nameOfFirst(first) : `bytes that look like ${like}`;
  throw new MqttError(
    ReasonCode.protocolError,
    `a connection begins with CONNECT, this one with ${what}`,
    'MQTT-3.1.0-1',
  );
}

function nameOfFirst(first: number): string {
  const type = first >> 4;
  if (type === packetType.connect) return 'one that has reserved flags set';
  return type === 0 ? 'no packet of MQTT' : (types[type] as TypeRow).name;
}

/**
 * The Remaining Length that begins at `at`.
 *
 * @returns -1 if it goes on past `end`
 * @throws MqttError if it has more than four bytes, or more than it needs [MQTT-1.5.5-1]
 */
export function remainingLength(bytes: Bytes, at: number, end: number): number {
  let value = 0;
  for (let i = 0; i < 4; i++) {
    if (at + i >= end) return -1;
    const byte = uint8(bytes, at + i);
    value += (byte & 0x7f) << (7 * i);
    if (byte >= 0x80) continue;
    if (byte === 0 && i > 0) {
      throw new MqttError(ReasonCode.malformedPacket, 'Remaining Length has more bytes than it needs', 'MQTT-1.5.5-1');
    }
    return value;
  }
  throw new MqttError(ReasonCode.malformedPacket, 'Remaining Length has more than four bytes', 'MQTT-1.5.5-1');
}
