// A broker under fire: whatever comes on a connection, nothing escapes it, nobody else feels it, and it ends as the
// specification has it end: once, with a Reason Code that may stand there, and with nothing after it.
//
// Every conversation is held three times, each time with a broker of its own: all bytes at once; the same bytes cut
// anywhere, which must not change a byte of the answer; and packet by packet with time for answers in between, while
// others watch. What happens at once differs from what happens in time, so only the first two are compared.

import { Decoder, type Packet, type ProtocolVersion } from '@skein/protocol';
import { bystanders } from './bystanders.ts';
import { cutUp } from './chunks.ts';
import { bytesOfLife, type Conversation, type Life } from './conversation.ts';
import { Judgement, type Outcome, placeOf } from './outcome.ts';
import { PlayedBroker, type PlayedConnection, type Spoil } from './played-broker.ts';

const largestPacket = 268_435_460;

/** What came of the conversation with a broker. @param spoil a defect put into the product, for the fuzzer to find */
export async function tryConnection({ lives }: Conversation, spoil?: Spoil): Promise<Outcome> {
  const judgement = new Judgement();
  const whole = await held(lives, (life) => [bytesOfLife(life)], judgement, spoil);
  const cut = await held(lives, (life) => cutUp(bytesOfLife(life)), judgement, spoil);
  judgement.demand(whole === cut, 'how bytes are cut does not matter', () => `${whole}\nin pieces\n${cut}`);
  await watched(lives, judgement, spoil);
  return judgement;
}

/** Holds it without time for answers on the way. @returns all that came in answer */
async function held(
  lives: readonly Life[],
  chunksOf: (life: Life) => readonly Uint8Array[],
  judgement: Judgement,
  spoil: Spoil | undefined,
): Promise<string> {
  const stage = await PlayedBroker.start(spoil);
  const connections: PlayedConnection[] = [];
  for (const life of lives) {
    const connection = stage.open();
    connections.push(connection);
    for (const chunk of chunksOf(life)) connection.data(chunk);
    await stage.settle();
    await finish(stage, connection, life);
  }
  lives.forEach((life, i) => {
    judge(connections[i] as PlayedConnection, life, judgement);
  });
  return connections.map(told).join(' / ');
}

/** Holds it packet by packet, among bystanders. */
async function watched(lives: readonly Life[], judgement: Judgement, spoil: Spoil | undefined): Promise<void> {
  const stage = await PlayedBroker.start(spoil);
  const others = await bystanders(stage);
  const connections: PlayedConnection[] = [];
  for (const life of lives) {
    const connection = stage.open();
    connections.push(connection);
    for (const packet of life.packets) {
      connection.data(packet);
      await stage.settle();
    }
    await finish(stage, connection, life);
  }
  await stage.pass(30);
  for (const [i, life] of lives.entries()) {
    const connection = connections[i] as PlayedConnection;
    if (connection.failures.length > 0) judgement.isRefused = true;
    note(connection, judge(connection, life, judgement), judgement);
  }
  await others.judge(judgement);
  for (const connection of connections) connection.lose();
  await stage.settle();
  for (const fact of stage.facts) {
    judgement.demand(fact.is !== 'internal_error', 'nothing goes wrong inside', () =>
      fact.is === 'internal_error'
        ? `${fact.where}: ${fact.error instanceof Error ? fact.error.stack : fact.error}`
        : '',
    );
    if (fact.is === 'client_disconnected') judgement.reached('closed', fact.reason);
  }
}

async function finish(stage: PlayedBroker, connection: PlayedConnection, { isCut }: Life): Promise<void> {
  if (!isCut) return;
  connection.lose();
  await stage.settle();
}

function told({ transport, received, failures }: PlayedConnection): string {
  const errors = failures.map(({ reasonCode, statement }) => `${reasonCode} ${statement}`);
  const sent = Buffer.from(transport.sent).toString('hex');
  return `${received.map(({ type }) => type)} ${errors} -> ${sent} ${transport.isEnded ? 'closed' : 'open'}`;
}

// How a connection ends ----------------------------------------------------------------------------------------------

function judge(connection: PlayedConnection, life: Life, judgement: Judgement): readonly Packet[] {
  const { transport, thrown, failures, received } = connection;
  judgement.demand(thrown.length === 0, 'nothing escapes a connection', () => stackOf(thrown[0]));
  judgement.demand(transport.lateBytes === 0, 'a connection that is closed gets nothing more');
  const version = versionOf(life);
  const connect = received[0]?.type === 'connect' ? received[0] : undefined;
  const sent = sentPackets(transport.sent, version, connect?.properties?.maximumPacketSize, judgement);
  const connacks = sent.filter(({ type }) => type === 'connack');
  const disconnects = sent.filter(({ type }) => type === 'disconnect');
  const greeting = sent.find(({ type }) => type !== 'auth');
  judgement.demand(
    connacks.length <= 1 && (greeting === undefined || greeting === connacks[0]),
    'CONNACK comes first but for AUTH, and once',
    () => namesOf(sent),
  );
  const isRefused = connacks[0]?.type === 'connack' && connacks[0].reasonCode !== 0;
  judgement.demand(!isRefused || sent.at(-1) === connacks[0], 'nothing follows a refusal', () => namesOf(sent));
  judgement.demand(
    disconnects.length === 0 || (disconnects.length === 1 && sent.at(-1) === disconnects[0] && version === 5),
    'DISCONNECT comes last, once, and in 5.0 alone',
    () => namesOf(sent),
  );
  judgement.demand((!isRefused && disconnects.length === 0) || transport.isEnded, 'whoever is told so is closed');
  if (connect?.properties?.requestProblemInformation === 0) {
    judgement.demand(!sent.some(explains), 'reasons in words only for whoever wants them', () => namesOf(sent));
  }
  const [error] = failures;
  if (error === undefined) return sent;
  judgement.demand(failures.length === 1, 'an error is told once');
  judgement.demand(transport.isEnded, 'an error closes the connection', () => String(error));
  const isTellable = (connect?.properties?.maximumPacketSize ?? largestPacket) >= 4;
  if (version === 5 && connect !== undefined && isTellable && received.at(-1)?.type !== 'disconnect') {
    const isTold = isRefused || disconnects[0] !== undefined;
    judgement.demand(isTold, 'in 5.0 an error is told', () => `${error}: ${namesOf(sent)}`);
  }
  const last = sent.at(-1);
  if (
    version === 5 &&
    (last?.type === 'connack' || last?.type === 'disconnect') &&
    last.reasonCode !== error.reasonCode
  ) {
    judgement.reached('told otherwise', error.reasonCode, last.type, last.reasonCode);
  }
  return sent;
}

/** Which version a connection agrees on: what a decoder has learnt from its beginning. */
function versionOf(life: Life): ProtocolVersion | undefined {
  const decoder = new Decoder({ from: 'client', maximumPacketSize: largestPacket });
  decoder.feed(bytesOfLife(life));
  try {
    decoder.next();
  } catch {
    // It may have told its version before it went wrong.
  }
  return decoder.protocolVersion;
}

/** What a Client reads; every packet must be one that a server may send, whole and not too large. */
function sentPackets(
  bytes: Uint8Array,
  version: ProtocolVersion | undefined,
  maximumPacketSize: number | undefined,
  judgement: Judgement,
): readonly Packet[] {
  if (bytes.length === 0) return [];
  judgement.demand(version !== undefined, 'nothing is said to whoever speaks no version');
  if (version === undefined) return [];
  const packets: Packet[] = [];
  const decoder = new Decoder({
    from: 'server',
    maximumPacketSize: maximumPacketSize ?? largestPacket,
    protocolVersion: version,
  });
  try {
    decoder.feed(bytes);
    for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) packets.push(packet);
    judgement.demand(decoder.pendingBytes === 0, 'packets are sent whole');
  } catch (error) {
    judgement.demand(
      false,
      'what is sent is what a server may send',
      () => `${error} in ${Buffer.from(bytes).toString('hex')}`,
    );
  }
  return packets;
}

function explains(packet: Packet): boolean {
  if (packet.type === 'publish' || packet.type === 'connack' || packet.type === 'disconnect') return false;
  const properties = 'properties' in packet ? packet.properties : undefined;
  return properties !== undefined && ('reasonString' in properties || 'userProperties' in properties);
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function namesOf(packets: readonly Packet[]): string {
  return packets.map(({ type }) => type).join(' ');
}

// What is new about it -----------------------------------------------------------------------------------------------

function note(
  { received, failures, transport }: PlayedConnection,
  sent: readonly Packet[],
  judgement: Judgement,
): void {
  const connect = received[0]?.type === 'connect' ? received[0] : undefined;
  const version = connect?.protocolVersion ?? '-';
  for (const [i, packet] of received.entries()) {
    judgement.reached(version, received[i - 1]?.type ?? 'first', packet.type);
    if (packet.type === 'publish') judgement.reached(version, 'publish', packet.qos, packet.retain, packet.dup);
    for (const name of Object.keys(('properties' in packet ? packet.properties : undefined) ?? {})) {
      judgement.reached(packet.type, name);
    }
  }
  for (const packet of sent) {
    judgement.reached(version, 'answers', packet.type, ...codesOf(packet));
    for (const name of Object.keys(('properties' in packet ? packet.properties : undefined) ?? {})) {
      judgement.reached('answers', packet.type, name);
    }
  }
  for (const error of failures) judgement.reached(connect === undefined ? 'at first' : 'later', placeOf(error));
  judgement.reached(version, transport.isEnded ? 'closed' : 'open', 'after', received.at(-1)?.type ?? 'nothing');
}

function codesOf(packet: Packet): readonly number[] {
  if (packet.type === 'publish') return [packet.qos, Number(packet.retain), Number(packet.dup)];
  if ('reasonCodes' in packet) return [...new Set(packet.reasonCodes)].slice(0, 1);
  if (packet.type === 'connack') return [packet.reasonCode, Number(packet.sessionPresent)];
  return 'reasonCode' in packet ? [packet.reasonCode] : [];
}
