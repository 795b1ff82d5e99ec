// What a PUBLISH costs the codec, in nanoseconds: `npx tsc -b && node packages/protocol/bench/codec.mjs`.
//
// Each line is the best of several rounds, which is what the code can do when the machine leaves it alone.

import { appendFrame, Decoder, encode, encodePublishFrame, Slab, TopicTable } from '../dist/index.js';

const rounds = 15;
const batch = 800; // what one read of 64 KiB brings

const text = (string) => new TextEncoder().encode(string);

/** A PUBLISH of 75 bytes at QoS 0 before 5.0. */
function publish(topic, overrides = {}) {
  const payload = new Uint8Array(71 - topic.length).fill(0x78);
  return {
    type: 'publish',
    topic,
    payload,
    qos: 0,
    retain: false,
    dup: false,
    packetId: 0,
    properties: undefined,
    ...overrides,
  };
}

function chunkOf(packets, version) {
  const out = new Slab();
  for (const packet of packets) encode(packet, version, out);
  return Buffer.from(out.view());
}

function measure(name, operations, run) {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const repeats = 250;
    const start = process.hrtime.bigint();
    for (let i = 0; i < repeats; i++) run();
    best = Math.min(best, Number(process.hrtime.bigint() - start) / (repeats * operations));
  }
  console.log(`${name.padEnd(64)} ${best.toFixed(0).padStart(6)} ns`);
}

function measureDecode(name, packets, version, topics) {
  const chunk = chunkOf(packets, version);
  const options = { from: 'client', maximumPacketSize: 1 << 20, protocolVersion: version };
  const decoder = new Decoder(topics === undefined ? options : { ...options, topics });
  measure(name, packets.length, () => {
    decoder.feed(chunk);
    let count = 0;
    while (decoder.next() !== undefined) count++;
    if (count !== packets.length) throw new Error(`${count} packets came out`);
    decoder.settle();
  });
}

function measureEncode(name, write) {
  const out = Slab.take();
  measure(name, batch, () => {
    out.length = 0;
    for (let i = 0; i < batch; i++) write(out);
  });
}

const topic = 'site/berlin/hall/7';
const same = Array.from({ length: batch }, () => publish(topic));
const many = Array.from({ length: batch }, (_, i) => publish(`site/berlin/hall/${i}`));
const properties = { messageExpiryInterval: 60, contentType: 'text/plain', userProperties: [['unit', 'kelvin']] };

measureDecode('decode QoS 0, the same topic', same, 4);
measureDecode('decode QoS 0, 800 topics by turns, in the table', many, 4, new TopicTable());
measureDecode('decode QoS 0, 800 topics by turns, no table', many, 4);
measureDecode('decode QoS 0 of 5.0, the same topic', same, 5);
measureDecode(
  'decode QoS 1, the same topic',
  same.map((each) => ({ ...each, qos: 1, packetId: 7 })),
  4,
);
measureDecode(
  'decode QoS 0 of 5.0 with three properties',
  same.map((each) => ({ ...each, properties })),
  5,
);
measureDecode(
  'decode PUBACK',
  same.map(() => ({ type: 'puback', packetId: 7, reasonCode: 0, properties: undefined })),
  5,
);

const one = publish(topic);
const utf8 = publish('site/zürich/halle/7');
measureEncode('encode QoS 0', (out) => encode(one, 4, out));
measureEncode('encode QoS 0, a topic beyond ASCII', (out) => encode(utf8, 4, out));
const ofFive = { ...one, qos: 1, packetId: 7 };
measureEncode('encode QoS 1 of 5.0', (out) => encode(ofFive, 5, out));
const withProperties = { ...one, properties };
measureEncode('encode QoS 0 of 5.0 with three properties', (out) => encode(withProperties, 5, out));
const long = { ...one, payload: text('x'.repeat(200)) };
measureEncode('encode QoS 0, 200 bytes of payload', (out) => encode(long, 4, out));
const puback = { type: 'puback', packetId: 7, reasonCode: 0, properties: undefined };
measureEncode('encode PUBACK of 5.0', (out) => encode(puback, 5, out));
measureEncode('make a frame', () => encodePublishFrame(one, 4));
const frame = encodePublishFrame(ofFive, 4);
let packetId = 0;
const flags = { qos: 1, retain: false, dup: false };
measureEncode('append a frame at QoS 1', (out) => appendFrame(out, frame, flags, (packetId++ & 0x7fff) + 1));
