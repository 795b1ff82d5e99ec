// What the fuzzer begins with: every packet of the protocol's tables, alone and in conversations, good and bad.

import {
  acknowledgements,
  badAcknowledgements,
  badConnacks,
  connacks,
} from '../../packages/protocol/cases/acknowledgement.ts';
import type { BadCase, GoodCase } from '../../packages/protocol/cases/case.ts';
import { badConnects, connects } from '../../packages/protocol/cases/connect.ts';
import { badShortPackets, shortPackets } from '../../packages/protocol/cases/fixed-header.ts';
import { bytesOf } from '../../packages/protocol/cases/notation.ts';
import { badPublishes, publishes } from '../../packages/protocol/cases/publish.ts';
import { badSubscribes, subscribes } from '../../packages/protocol/cases/subscribe.ts';
import { type Conversation, conversation } from './conversation.ts';

/** A CONNECT of each version, in notation. */
const hello = {
  3: "10 ['MQIsdp' 03 00 0000 'lamp']",
  4: "10 ['MQTT' 04 00 0000 'lamp']",
  5: "10 ['MQTT' 05 00 0000 [11 0000003c 21 0005 22 0005] 'lamp']",
} as const;

const lastingWill = "10 ['MQTT' 05 2c 0000 [11 0000003c] 'lamp' [] 'a/b' <'gone'>]";

const good: readonly GoodCase[] = [
  ...connects,
  ...connacks,
  ...publishes,
  ...acknowledgements,
  ...subscribes,
  ...shortPackets,
];
const bad: readonly BadCase[] = [
  ...badConnects,
  ...badConnacks,
  ...badPublishes,
  ...badAcknowledgements,
  ...badSubscribes,
  ...badShortPackets,
];

/** Every row for the decoder alone. */
export function decoderSeeds(): Conversation[] {
  const isFirst = (row: GoodCase): boolean => row.packet.type === 'connect';
  return [
    ...good.flatMap((row) =>
      row.versions.map((version) => conversation([bytesOf(row.bytes)], isFirst(row) ? undefined : version, row.from)),
    ),
    ...bad
      .filter(({ versions, from }) => !(from === 'server' && versions.includes(undefined)))
      .flatMap((row) => row.versions.map((version) => conversation([bytesOf(row.bytes)], version, row.from))),
  ];
}

/** What a Client says to a broker. */
export function connectionSeeds(): Conversation[] {
  const rows = [...good, ...bad].filter(({ from }) => from === 'client');
  const alone = rows.flatMap((row) =>
    row.versions.map((version) =>
      version === undefined || ('packet' in row && row.packet.type === 'connect')
        ? conversation([bytesOf(row.bytes)])
        : conversation([bytesOf(hello[version]), bytesOf(row.bytes)]),
    ),
  );
  return [...alone, ...stories.map((story) => fromStory(story))];
}

/** Conversations that come to pass: packets by line, `/` for a connection beside the one before it, `x` after its loss. */
const stories: readonly string[] = [
  // At every QoS to oneself, to the end.
  ...([3, 4, 5] as const).map(
    (version) => `${hello[version]}
      ${version === 5 ? "82 [0001 [0b 07] 'a/#' 02]" : "82 [0001 'a/#' 02]"}
      ${version === 5 ? "30 ['a/b' [] 6f]" : "30 ['a/b' 6f]"}
      ${version === 5 ? "32 ['a/b' 0002 [] 6f]" : "32 ['a/b' 0002 6f]"}
      ${version === 5 ? "35 ['a/b' 0003 [] 6f]" : "35 ['a/b' 0003 6f]"}
      62 [0003]
      40 [0001]
      50 [0002]
      70 [0002]
      c0 []
      ${version === 5 ? "a2 [0004 [] 'a/#']" : "a2 [0004 'a/#']"}
      e0 []`,
  ),
  // Aliases, there and back.
  `${hello[5]}
    82 [0001 [] 'a' 00]
    30 ['a' [23 0001] 6f]
    30 ['' [23 0001] 6f]
    30 ['' [23 0002] 6f]`,
  // A Session that lasts, taken up again in the middle of an exchange, and taken over.
  `${hello[5]}
    82 [0001 [] 'a' 02]
    34 ['a' 0007 [] 6f]
    34 ['a' 0008 [] 70]
    50 [0001] x
    / ${hello[5]}
    3c ['a' 0007 [] 6f]
    62 [0007]
    70 [0001]
    / ${hello[5]}
    50 [0002 92 []]
    62 [0008]`,
  // A Will that somebody else gets, and one that is retained.
  `${lastingWill}
    82 [0001 [] 'a/+' 02] x
    / ${hello[4]}
    82 [0001 '#' 01]
    33 ['a/b' 0001 6f]
    33 ['a/b' 0002]`,
  // Subscriptions with every option, replaced and removed.
  `${hello[5]}
    82 [0001 [26 'k' 'v'] 'a' 2e '+/b' 19 '#' 04 '$share/g/a' 01 'a/#/b' 00]
    82 [0001 [0b 80 01] 'a' 00]
    a2 [0002 [] 'a' 'a' 'never']
    e0 [04 [11 00000005]]`,
  // Enhanced authentication: asked on, let in, anew, refused; and given up.
  `10 ['MQTT' 05 02 0000 [15 'echo' 16 <"c1">] 'lamp']
    f0 [18 [15 'echo' 16 <"c2">]]
    f0 [18 [15 'echo' 16 <"ok">]]
    f0 [19 [15 'echo' 16 <"c3">]]
    c0 []
    f0 [18 [15 'echo' 16 <"r">]]`,
  `10 ['MQTT' 05 02 0000 [15 'echo' 16 <"c1">] 'lamp']
    e0 []
    / 10 ['MQTT' 05 02 0000 [15 'echo' 16 <"r">] 'lamp']
    / 10 ['MQTT' 05 02 0000 [15 'echo'] 'lamp']
    f0 [19 [15 'other']]`,
  // A Client that takes little, and much.
  `10 ['MQTT' 05 02 0000 [27 00000014 21 0001 17 00] 'small']
    82 [0001 [] 'a' 01]
    32 ['a' 0002 [] 6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f]
    32 ['a' 0003 [] 6f]
    32 ['a' 0004 [02 00000005] 6f]`,
];

function fromStory(story: string): Conversation {
  const lives = story.split('/ 10').map((part, i) => {
    const text = (i === 0 ? part : `10${part}`).trim();
    const isCut = text.endsWith(' x');
    const lines = (isCut ? text.slice(0, -2) : text).split('\n');
    return { packets: lines.map(bytesOf), isCut };
  });
  return { from: 'client', version: undefined, lives };
}
