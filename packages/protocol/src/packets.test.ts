// Every row of the tables in ../cases, both ways: whole, byte by byte, next to another packet, and cut short at every
// length. After each chunk its memory is overwritten, as a read buffer's would be.

import { describe, expect, it } from 'vitest';
import {
  acknowledgements,
  badAcknowledgements,
  badConnacks,
  connacks,
  spokenAcknowledgements,
} from '../cases/acknowledgement.ts';
import type { BadCase, GoodCase, SpokenCase } from '../cases/case.ts';
import { badConnects, connects } from '../cases/connect.ts';
import { badShortPackets, shortPackets, spokenShortPackets } from '../cases/fixed-header.ts';
import { bytesOf, hexOf } from '../cases/notation.ts';
import { badPublishes, publishes } from '../cases/publish.ts';
import { badSubscribes, spokenSubscribes, subscribes } from '../cases/subscribe.ts';
import { Decoder, encode, MqttError, type Packet, type ProtocolVersion, type Sender, Slab } from './index.ts';

function decoderFor(from: Sender, protocolVersion: ProtocolVersion | undefined, maximumPacketSize = 65_536): Decoder {
  return new Decoder({ from, maximumPacketSize, protocolVersion });
}

/** Feeds a copy of the bytes, takes what comes, then spoils the copy. */
function receive(decoder: Decoder, bytes: Uint8Array, check: (packet: Packet) => void = () => {}): number {
  const chunk = Uint8Array.from(bytes);
  decoder.feed(chunk);
  let packets = 0;
  for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) {
    check(packet);
    packets++;
  }
  decoder.settle();
  chunk.fill(0xff);
  return packets;
}

function encoded(packet: Packet, version: ProtocolVersion): string {
  const out = Slab.take();
  encode(packet, version, out);
  const hex = hexOf(out.view());
  Slab.give(out);
  return hex;
}

function refusal(decoder: Decoder, bytes: Uint8Array, step: number): { error: unknown; after: number } {
  for (let at = 0; at < bytes.length; at += step) {
    try {
      receive(decoder, bytes.subarray(at, at + step));
    } catch (error) {
      return { error, after: Math.min(at + step, bytes.length) };
    }
  }
  return { error: undefined, after: bytes.length };
}

function wordOf(version: ProtocolVersion | undefined): string {
  return version === undefined ? 'at the beginning' : ({ 3: '3.1', 4: '3.1.1', 5: '5.0' } as const)[version];
}

function good(rows: readonly GoodCase[]): void {
  const each = rows.flatMap((row) => row.versions.map((version) => ({ ...row, version, word: wordOf(version) })));

  describe.each(each)('$word: $title', ({ from, version, bytes: notation, packet, decodedOnly }) => {
    const bytes = bytesOf(notation);
    const known = packet.type === 'connect' ? undefined : version;
    const isPacket = (decoded: Packet): void => expect(decoded).toStrictEqual(packet);

    it('is decoded', () => {
      const decoder = decoderFor(from, known);
      expect(receive(decoder, bytes, isPacket)).toBe(1);
      expect(decoder.pendingBytes).toBe(0);
      expect(decoder.protocolVersion).toBe(version);
    });

    it('is decoded byte by byte', () => {
      const decoder = decoderFor(from, known);
      for (let at = 0; at < bytes.length - 1; at++) {
        expect(receive(decoder, bytes.subarray(at, at + 1))).toBe(0);
        expect(decoder.pendingBytes).toBe(at + 1);
      }
      expect(receive(decoder, bytes.subarray(bytes.length - 1), isPacket)).toBe(1);
      expect(decoder.pendingBytes).toBe(0);
    });

    it('is decoded in front of another packet, and of the beginning of a third', () => {
      const ping = from === 'client' ? 'c0 00' : 'd0 00';
      const decoder = decoderFor(from, known);
      const decoded: Packet[] = [];
      const more = Uint8Array.from([...bytes, ...bytesOf(ping), (bytesOf(ping) as Uint8Array)[0] as number]);
      const chunk = Uint8Array.from(more);
      decoder.feed(chunk);
      for (let each = decoder.next(); each !== undefined; each = decoder.next()) decoded.push(each);
      expect(decoded).toStrictEqual([packet, { type: from === 'client' ? 'pingreq' : 'pingresp' }]);
      expect(decoder.pendingBytes).toBe(1);
    });

    it('is not there before its last byte is, and is completed by what was missing', () => {
      for (let length = 0; length < bytes.length; length++) {
        const decoder = decoderFor(from, known);
        expect(receive(decoder, bytes.subarray(0, length))).toBe(0);
        expect(receive(decoder, bytes.subarray(length), isPacket)).toBe(1);
      }
    });

    it('is let in by its own size, and refused by one byte less', () => {
      expect(receive(decoderFor(from, known, bytes.length), bytes, isPacket)).toBe(1);
      const refused = refusal(decoderFor(from, known, bytes.length - 1), bytes, bytes.length).error;
      expect(refused).toMatchObject({ name: 'MqttError', reasonCode: 0x95 });
    });

    if (!decodedOnly) it('is encoded', () => expect(encoded(packet, version)).toBe(hexOf(bytes)));
  });
}

function bad(rows: readonly BadCase[]): void {
  const each = rows.flatMap((row) => row.versions.map((version) => ({ ...row, version, word: wordOf(version) })));

  it.each(each)('$word: $title [$statement]', ({ from, version, bytes: notation, reasonCode, statement, learns }) => {
    const bytes = bytesOf(notation);
    for (const step of [bytes.length, 1]) {
      const decoder = decoderFor(from, version);
      const { error, after } = refusal(decoder, bytes, step);
      expect(error).toBeInstanceOf(MqttError);
      expect(error).toMatchObject({ reasonCode, statement });
      expect((error as MqttError).message).not.toBe('');
      expect(decoder.protocolVersion).toBe(version ?? learns);

      // It stays refused, and keeps nothing.
      expect(() => decoder.next()).toThrow(error as MqttError);
      decoder.feed(bytes.subarray(after));
      expect(() => decoder.next()).toThrow(error as MqttError);
      expect(decoder.pendingBytes).toBe(0);
    }
  });
}

function spoken(rows: readonly SpokenCase[]): void {
  const each = rows.flatMap((row) => row.versions.map((version) => ({ ...row, version, word: wordOf(version) })));

  it.each(each)('$word: $title', ({ version, packet, bytes }) => {
    expect(encoded(packet, version)).toBe(hexOf(bytesOf(bytes)));
  });
}

describe('[MQTT-3.1] CONNECT', () => good(connects));
describe('[MQTT-3.1] a CONNECT is refused', () => bad(badConnects));

describe('[MQTT-3.2] CONNACK', () => good(connacks));
describe('[MQTT-3.2] a CONNACK is refused', () => bad(badConnacks));

describe('[MQTT-3.3] PUBLISH', () => good(publishes));
describe('[MQTT-3.3] a PUBLISH is refused', () => bad(badPublishes));

describe('[MQTT-3.4 to 3.7] PUBACK, PUBREC, PUBREL, PUBCOMP', () => good(acknowledgements));
describe('[MQTT-3.4 to 3.7] an acknowledgement is refused', () => bad(badAcknowledgements));

describe('[MQTT-3.8 to 3.11] SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK', () => good(subscribes));
describe('[MQTT-3.8 to 3.11] a SUBSCRIBE, SUBACK, UNSUBSCRIBE or UNSUBACK is refused', () => bad(badSubscribes));

describe('[MQTT-3.12 to 3.15] PINGREQ, PINGRESP, DISCONNECT, AUTH', () => good(shortPackets));
describe('[MQTT-2.1] by its Fixed Header a packet is refused', () => bad(badShortPackets));

describe('what a version has no word for is left out', () => {
  spoken(spokenAcknowledgements);
  spoken(spokenSubscribes);
  spoken(spokenShortPackets);
});
