// The decoder under fire: whatever it is fed, it gives packets and then perhaps one MqttError, and it gives the same
// however the bytes were cut. It takes no memory for what has only been announced, and what it gives can be said again.

import { isDeepStrictEqual } from 'node:util';
import {
  Decoder,
  encode,
  MqttError,
  type Packet,
  type ProtocolVersion,
  type Sender,
  Slab,
  TopicTable,
} from '@skein/protocol';
import { cutUp, type Memory, watchMemory } from './chunks.ts';
import { bytesOfLife, type Conversation } from './conversation.ts';
import { Judgement, type Outcome, placeOf } from './outcome.ts';

/** As much of a Decoder as is under fire. */
export type DecoderLike = Pick<Decoder, 'feed' | 'next' | 'settle' | 'pendingBytes' | 'protocolVersion'>;

/** What is under fire: the product's own, or one with a defect. */
export interface DecoderParts {
  decoder(from: Sender, version: ProtocolVersion | undefined): DecoderLike;
  encode: typeof encode;
}

const topics = new TopicTable({ slots: 64, seed: 1 });
const maximumPacketSize = 100_000;

/** The product's own. */
export const ownDecoder: DecoderParts = {
  decoder: (from, protocolVersion) => new Decoder({ from, maximumPacketSize, protocolVersion, topics }),
  encode,
};

interface Decoded {
  readonly packets: readonly Packet[];
  readonly error: unknown;
  readonly version: ProtocolVersion | undefined;
  readonly pendingBytes: number;
  /** Bytes fed before it was refused. */
  readonly fedBytes: number;
  readonly memory: Memory;
}

/** Feeds chunks, and after each takes what there is. Their memory is spoilt afterwards, as a socket would. */
function decoded(decoder: DecoderLike, chunks: readonly Uint8Array[], judgement: Judgement): Decoded {
  const packets: Packet[] = [];
  let error: unknown;
  let fedBytes = 0;
  const memory = watchMemory(() => {
    for (const chunk of chunks) {
      const memoryOfChunk = Buffer.from(chunk);
      fedBytes += chunk.length;
      try {
        decoder.feed(memoryOfChunk);
        for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) {
          packets.push(structuredClone(packet));
        }
        decoder.settle();
      } catch (thrown) {
        error = thrown;
        break;
      }
      judgement.demand(decoder.pendingBytes <= fedBytes, 'no more is held than was fed');
      memoryOfChunk.fill(0xee);
    }
  });
  return { packets, error, version: decoder.protocolVersion, pendingBytes: decoder.pendingBytes, fedBytes, memory };
}

/** What came of the bytes on a decoder. */
export function tryDecoder({ from, version, lives }: Conversation, parts: DecoderParts = ownDecoder): Outcome {
  const judgement = new Judgement();
  for (const life of lives) {
    const bytes = bytesOfLife(life);
    const whole = decoded(parts.decoder(from, version), [bytes], judgement);
    const cut = decoded(parts.decoder(from, version), cutUp(bytes), judgement);
    judge(whole, judgement);
    judge(cut, judgement);
    judgement.demand(
      saidAlike(whole, cut),
      'how bytes are cut does not matter',
      () => `${told(whole)}; in pieces ${told(cut)}`,
    );
    for (const packet of whole.packets) sayAgain(packet, from, whole.version, parts, judgement);
    if (whole.error !== undefined) judgement.isRefused = true;
    note(whole, from, judgement);
  }
  return judgement;
}

function judge({ error, pendingBytes, fedBytes, memory }: Decoded, judgement: Judgement): void {
  if (error !== undefined) {
    judgement.demand(error instanceof MqttError, 'nothing but an MqttError is thrown', () => String(error));
    const { reasonCode = 0x80, message = '' } = error as Partial<MqttError>;
    judgement.demand(
      reasonCode >= 0x80 && reasonCode <= 0xa2,
      'an error has a Reason Code of failure',
      () => `${reasonCode}`,
    );
    judgement.demand(/^[ -~]+$/.test(message), 'an error is told without the bytes of the other side', () => message);
    judgement.demand(pendingBytes === 0, 'nothing is kept after an error', () => `${pendingBytes}`);
  }
  // Memory of its own grows by doubling; each packet in pieces has some to begin with.
  judgement.demand(
    memory.largest <= Math.max(16, 2 * fedBytes) && memory.total <= 64 + 16 * fedBytes,
    'no memory is taken for what was only announced',
    () => `${memory.largest} and in all ${memory.total} for ${fedBytes} bytes`,
  );
}

function saidAlike(one: Decoded, other: Decoded): boolean {
  return (
    isDeepStrictEqual(one.packets, other.packets) &&
    told(one) === told(other) &&
    one.version === other.version &&
    one.pendingBytes === other.pendingBytes
  );
}

function told({ error, packets, pendingBytes }: Decoded): string {
  // What a first byte looks like depends on how much has come with it: that is for the log.
  const why = String(error ?? 'no error').replace(/, this one with .* \[/, ' [');
  return `${packets.map(({ type }) => type).join(' ')}, ${pendingBytes} pending, ${why}`;
}

/** A packet that came in can go out again, and comes in as the same; and then it goes out as the same bytes. */
function sayAgain(
  packet: Packet,
  from: Sender,
  version: ProtocolVersion | undefined,
  parts: DecoderParts,
  judgement: Judgement,
): void {
  if (version === undefined) return;
  const first = encoded(packet, version, parts);
  const decoder = parts.decoder(from, packet.type === 'connect' ? undefined : version);
  const { packets, error } = decoded(decoder, [first], judgement);
  const isSame = packets.length === 1 && isDeepStrictEqual(packets[0], packet);
  judgement.demand(
    isSame,
    'what came in goes out and comes in as the same',
    () => `${packet.type}: ${error ?? 'another'}`,
  );
  if (!isSame) return;
  const again = encoded(packets[0] as Packet, version, parts);
  judgement.demand(Buffer.compare(first, again) === 0, 'the same packet is the same bytes', () => packet.type);
}

function encoded(packet: Packet, version: ProtocolVersion, parts: DecoderParts): Uint8Array {
  const slab = Slab.take();
  parts.encode(packet, version, slab);
  const bytes = Uint8Array.from(slab.view());
  Slab.give(slab);
  return bytes;
}

function note({ packets, error, version, pendingBytes }: Decoded, from: Sender, judgement: Judgement): void {
  const side = `${from} ${version ?? '-'}`;
  for (const packet of packets) {
    const properties = 'properties' in packet ? Object.keys(packet.properties ?? {}) : [];
    if (packet.type === 'connect' && packet.will !== undefined)
      properties.push(...Object.keys(packet.will.properties ?? {}));
    judgement.reached(side, packet.type, 'reasonCode' in packet ? packet.reasonCode : '');
    for (const name of properties) judgement.reached(side, packet.type, name);
    for (const [name, count] of repeated(packet)) judgement.reached(packet.type, name, Math.min(count, 4));
  }
  if (error !== undefined) judgement.reached(from, placeOf(error));
  else if (pendingBytes > 0) judgement.reached(side, 'pending after', packets.at(-1)?.type ?? 'nothing');
}

/** Which of its fields there are several of, and how many. */
function repeated(packet: Packet): [string, number][] {
  const fields = { ...packet, ...('properties' in packet ? packet.properties : undefined) };
  return Object.entries(fields).flatMap(([name, value]) =>
    Array.isArray(value) && value.length > 1 ? [[name, value.length] as [string, number]] : [],
  );
}
