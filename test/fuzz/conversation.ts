// What is fed to the decoder or the broker: what one side says, on one Network Connection after the other.
//
// In a file it is a line: packets in hexadecimal, connections parted by `/`, and an `x` where the network is lost before
// the next connection opens (else the earlier one is still there). Before that, who speaks and since when the version is
// known: `client -` begins with a CONNECT, `server 5` is in the middle of a connection.

import type { ProtocolVersion, Sender } from '@skein/protocol';
import { joined } from './structure.ts';

/** What is said on one Network Connection. */
export interface Life {
  /** What was one packet once; a mutation may have made anything of it. */
  readonly packets: readonly Uint8Array[];
  /** Whether it is lost before the next begins. */
  readonly isCut: boolean;
}

/** All that is said. */
export interface Conversation {
  readonly from: Sender;
  /** Undefined if each connection begins with CONNECT. */
  readonly version: ProtocolVersion | undefined;
  readonly lives: readonly Life[];
}

/** Packets on one connection. */
export function conversation(
  packets: readonly Uint8Array[],
  version: ProtocolVersion | undefined = undefined,
  from: Sender = 'client',
): Conversation {
  return { from, version, lives: [{ packets, isCut: false }] };
}

/** The bytes of a connection. */
export function bytesOfLife({ packets }: Life): Uint8Array {
  return joined(packets);
}

/** How many bytes there are in all. */
export function sizeOf({ lives }: Conversation): number {
  return lives.reduce((sum, { packets }) => sum + packets.reduce((bytes, packet) => bytes + packet.length, 0), 0);
}

/** As a line of text. */
export function inText({ from, version, lives }: Conversation): string {
  const said = lives.map(({ packets, isCut }) =>
    [
      ...packets.filter(({ length }) => length > 0).map((packet) => Buffer.from(packet).toString('hex')),
      isCut ? 'x' : '',
    ]
      .filter((word) => word !== '')
      .join(' '),
  );
  return `${from} ${version ?? '-'} ${said.join(' / ')}`;
}

/** From a line of text. @throws Error if it is none */
export function fromText(line: string): Conversation {
  const [from, version, ...words] = line.trim().split(/\s+/);
  if ((from !== 'client' && from !== 'server') || !/^[-345]$/.test(version ?? ''))
    throw new Error(`not a line: ${line}`);
  const lives: { packets: Uint8Array[]; isCut: boolean }[] = [{ packets: [], isCut: false }];
  for (const word of words) {
    const life = lives.at(-1) as (typeof lives)[number];
    if (word === '/') lives.push({ packets: [], isCut: false });
    else if (word === 'x') life.isCut = true;
    else if (/^([0-9a-f]{2})+$/.test(word)) life.packets.push(new Uint8Array(Buffer.from(word, 'hex')));
    else throw new Error(`${word} is no hexadecimal in ${line}`);
  }
  return { from, version: version === '-' ? undefined : (Number(version) as ProtocolVersion), lives };
}
