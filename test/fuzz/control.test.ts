// Does the fuzzer find anything? Each rule it keeps is broken here on purpose, by a defect put before or behind the
// product, and it must find that one within a bound, from a fixed seed. A check that never failed proves nothing.

import { encode, type Packet } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import type { Receiver } from '../../packages/edge/src/listen/transport.ts';
import { tryConnection } from './connection-target.ts';
import { type Conversation, fromText, inText, sizeOf } from './conversation.ts';
import { type DecoderLike, type DecoderParts, ownDecoder, tryDecoder } from './decoder-target.ts';
import { type Found, Fuzzer, type Target } from './fuzzer.ts';
import { minimised } from './minimise.ts';
import type { PlayedBroker, PlayedTransport, Spoil } from './played-broker.ts';
import { connectionSeeds, decoderSeeds } from './seeds.ts';

const seed = 3;
/** So long a search may take on a busy machine, in milliseconds. */
const timeout = 120_000;

/** Fuzzes until a rule is broken. */
async function firstBreach(
  rule: string,
  target: Target,
  seeds: readonly Conversation[],
  executions: number,
): Promise<Found> {
  const fuzzer = new Fuzzer(target, seed);
  await fuzzer.replay(seeds);
  for (;;) {
    const found = fuzzer.found.find((each) => each.rule === rule);
    if (found !== undefined) return found;
    if (fuzzer.executions > executions) {
      throw new Error(`not found in ${executions} executions; but ${fuzzer.found.map((each) => each.rule)}`);
    }
    await fuzzer.run({ executions: 100 });
  }
}

/** The product's decoder, one part of it replaced. */
function spoilt(change: (decoder: DecoderLike) => Partial<DecoderLike>): DecoderParts {
  return {
    ...ownDecoder,
    decoder: (from, version) => {
      const decoder = ownDecoder.decoder(from, version);
      const changed = change(decoder);
      return new Proxy(decoder, {
        get: (own, name) => {
          const value = name in changed ? changed[name as keyof DecoderLike] : Reflect.get(own, name);
          return typeof value === 'function' ? value.bind(name in changed ? changed : own) : value;
        },
      });
    },
  };
}

/** @param spoil what each packet becomes */
function packetByPacket(spoil: (packet: Packet) => Packet): DecoderParts {
  return spoilt((decoder) => ({
    next: () => {
      const packet = decoder.next();
      return packet && spoil(packet);
    },
  }));
}

const decoderDefects: readonly { rule: string; defect: string; parts: DecoderParts }[] = [
  {
    rule: 'nothing but an MqttError is thrown',
    defect: 'a TypeError at a User Property that stands there twice, value and all',
    parts: packetByPacket((packet) => {
      const pairs = (
        'properties' in packet ? (packet.properties as { userProperties?: [string, string][] }) : undefined
      )?.userProperties;
      if (pairs?.[1] !== undefined && String(pairs[1]) === String(pairs[0])) {
        throw new TypeError('no such thing');
      }
      return packet;
    }),
  },
  {
    rule: 'how bytes are cut does not matter',
    defect: 'a chunk that begins with the second byte of a length is lost',
    parts: spoilt((decoder) => ({ feed: (chunk) => (chunk[0] === 0x80 ? undefined : decoder.feed(chunk)) })),
  },
  {
    rule: 'no memory is taken for what was only announced',
    defect: 'memory for all of a packet at its first bytes',
    parts: spoilt((decoder) => ({
      feed: (chunk) => {
        if ((chunk[1] ?? 0) >= 0x80 && (chunk[2] ?? 0x80) < 0x80) Buffer.allocUnsafeSlow((chunk[2] as number) * 128);
        decoder.feed(chunk);
      },
    })),
  },
  {
    rule: 'nothing is kept after an error',
    defect: 'a byte stays behind when a string is bad',
    parts: spoilt((decoder) => {
      let isBad = false;
      return {
        next: () => {
          try {
            return decoder.next();
          } catch (error) {
            isBad = String(error).includes('UTF-8');
            throw error;
          }
        },
        get pendingBytes() {
          return isBad ? 1 : decoder.pendingBytes;
        },
      };
    }),
  },
  {
    rule: 'what came in goes out and comes in as the same',
    defect: 'the Will Retain flag is forgotten where there is a User Name',
    parts: {
      ...ownDecoder,
      encode: (packet, version, out) =>
        packet.type === 'connect' && packet.will !== undefined && packet.username !== undefined
          ? encode({ ...packet, will: { ...packet.will, retain: false } }, version, out)
          : encode(packet, version, out),
    },
  },
];

describe.each(decoderDefects)('a decoder with a defect: $defect', ({ rule, parts }) => {
  it(`is found to break the rule: ${rule}`, { timeout }, async () => {
    // Where the older versions stay out of it, there is more time for 5.0.
    const seeds = decoderSeeds().filter(({ version }) => version === undefined || version === 5);
    const found = await firstBreach(rule, (each) => tryDecoder(each, parts), seeds, 60_000);
    // Little enough to be read.
    expect(sizeOf(found.conversation), inText(found.conversation)).toBeLessThan(80);
    expect(tryDecoder(found.conversation).findings).toEqual([]);
  });
});

/** Between the network and the connection: what becomes of each chunk. */
function onData(
  change: (chunk: Uint8Array, pass: (chunk: Uint8Array) => void, transport: PlayedTransport) => void,
): Spoil {
  return (connection, transport): Receiver => ({
    data: (chunk) => change(chunk, (passed) => connection.data(passed), transport),
    broken: (why) => connection.broken(why),
    closed: () => connection.closed(),
  });
}

/** Brokers that serve one Client and nobody else any more. */
const struck = new WeakSet<PlayedBroker>();

const connectionDefects: readonly { rule: string; defect: string; spoil: Spoil }[] = [
  {
    rule: 'nothing escapes a connection',
    defect: 'a throw at a Topic Alias of 65,280 or more',
    spoil: onData((chunk, pass) => {
      if (Buffer.from(chunk).includes(Buffer.from('23ff', 'hex'))) throw new RangeError('alias');
      pass(chunk);
    }),
  },
  {
    rule: 'how bytes are cut does not matter',
    defect: 'a chunk that is one zero is lost',
    spoil: onData((chunk, pass) => (chunk.length === 1 && chunk[0] === 0 ? undefined : pass(chunk))),
  },
  {
    rule: 'a connection that is closed gets nothing more',
    defect: 'a PINGRESP for whatever comes after the end',
    spoil: onData((chunk, pass, transport) => {
      if (transport.isEnded) transport.write(Uint8Array.of(0xd0, 0), () => {});
      pass(chunk);
    }),
  },
  {
    rule: 'DISCONNECT comes last, once, and in 5.0 alone',
    defect: 'a DISCONNECT that is said twice',
    spoil: (connection, transport) => {
      const write = transport.write.bind(transport);
      transport.write = (bytes, done) => {
        write(bytes, done);
        if (bytes[0] === 0xe0) write(bytes, () => {});
      };
      return connection;
    },
  },
  {
    rule: 'an error closes the connection',
    defect: 'a close that is forgotten',
    spoil: (connection, transport) => {
      transport.end = () => {};
      return connection;
    },
  },
  {
    rule: 'others are served as ever',
    defect: 'a message that is to be retained and a repeat stops everybody else',
    spoil: (connection, transport, stage) => {
      let isCulprit = false;
      return onData((chunk, pass) => {
        if (((chunk[0] ?? 0) & 0xf9) === 0x39) {
          isCulprit = true;
          struck.add(stage);
        }
        if (isCulprit || !struck.has(stage)) pass(chunk);
      })(connection, transport, stage);
    },
  },
  {
    rule: 'what is sent is what a server may send',
    defect: 'a SUBACK that grants QoS 3',
    spoil: (connection, transport) => {
      const write = transport.write.bind(transport);
      transport.write = (bytes, done) =>
        write(bytes[0] === 0x90 ? Uint8Array.from([...bytes.subarray(0, -1), 3]) : bytes, done);
      return connection;
    },
  },
];

describe.each(connectionDefects)('a connection with a defect: $defect', ({ rule, spoil }) => {
  it(`is found to break the rule: ${rule}`, { timeout }, async () => {
    const seeds = connectionSeeds().slice(-10);
    const found = await firstBreach(rule, (each) => tryConnection(each, spoil), seeds, 6000);
    expect(sizeOf(found.conversation), inText(found.conversation)).toBeLessThan(120);
    expect((await tryConnection(found.conversation)).findings).toEqual([]);
  });
});

describe('a finding', () => {
  it('is made small: whoever reads it sees what matters and nothing else', async () => {
    const long = fromText('client - 1010 c000 30050003612f62 e000 x / 1010 c0ffee00 c000 / c000');
    const smallest = await minimised(long, async ({ lives }) =>
      lives.some(({ packets }) => packets.some((packet) => Buffer.from(packet).includes(0xee))),
    );
    expect(inText(smallest)).toBe('client - ee');
  });
});
