import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { credentials, Metadata, type ServiceError, type StatusObject, status } from '@grpc/grpc-js';
import type { Clock, Member, Peers } from '@skein/broker';
import { afterEach, describe, expect, it } from 'vitest';
import { BreakableWay } from '../testing/breakable-way.ts';
import { memberOf, systemClock, until } from '../testing/place.ts';
import { deliveryOf, inboxOf, messageOf } from '../testing/said.ts';
import { type BoundPeers, bindPeers, windowBytes } from './bind.ts';
import { credentialsFor } from './credentials.ts';
import type { PeersEvent } from './event.ts';
import { type Ack, type Batch, PeerClient } from './generated/peer.ts';
import { PeersListenError } from './listen-error.ts';

interface Node {
  readonly bound: BoundPeers;
  readonly self: Member;
  readonly peers: Peers;
  readonly inbox: ReturnType<typeof inboxOf>;
  readonly events: PeersEvent[];
}

/** What a test leaves open, closed in the order of opening. */
const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});

/** Something that a test leaves open. */
function leave<Thing extends { close(): unknown }>(thing: Thing): Thing {
  opened.push(thing);
  return thing;
}

async function node(name: string, clock: Clock = systemClock): Promise<Node> {
  const events: PeersEvent[] = [];
  const bound = leave(await bindPeers({ host: '127.0.0.1', port: 0, onEvent: (event) => events.push(event) }));
  return { bound, events, ...begin(bound, name, clock) };
}

/** A start of a node behind a door that is there. */
function begin(bound: BoundPeers, name: string, clock = systemClock): Pick<Node, 'self' | 'peers' | 'inbox'> {
  const self = memberOf(name, bound.port);
  const peers = bound.peers({ self, clock });
  const inbox = inboxOf();
  peers.start(inbox);
  return { self, peers, inbox };
}

function clientOf({ bound }: Node): PeerClient {
  return leave(new PeerClient(`127.0.0.1:${bound.port}`, credentials.createInsecure()));
}

/** How a call to open a way ends. */
function outcomeOf(client: PeerClient, metadata: Metadata, ...batches: Batch[]): Promise<StatusObject> {
  const stream = client.link(metadata);
  stream.on('error', () => undefined);
  stream.on('data', () => undefined);
  for (const batch of batches) stream.write(batch);
  return new Promise((resolve) => stream.on('status', resolve));
}

describe('a door', () => {
  it('that cannot be opened says so, and names the address', async () => {
    const { bound } = await node('a');
    const { port } = bound;
    const second = bindPeers({ host: '127.0.0.1', port, onEvent: () => undefined });
    const error = await second.catch((each: unknown) => each);
    expect(error).toBeInstanceOf(PeersListenError);
    expect(error).toMatchObject({ address: `127.0.0.1:${port}`, code: 'EADDRINUSE' });
    expect(String(error)).toContain(`127.0.0.1:${port}: the port is in use`);
    const elsewhere = bindPeers({ host: '192.0.2.1', port: 0, onEvent: () => undefined });
    await expect(elsewhere).rejects.toThrow('192.0.2.1:0: this machine does not have that address (EADDRNOTAVAIL)');
  });

  it('leads to one start of a node at a time', async () => {
    const { bound, peers } = await node('a:1');
    const again = { self: memberOf('a:2', bound.port), clock: systemClock };
    expect(() => bound.peers(again)).toThrow('have not been closed');
    await peers.close();
    expect(bound.peers(again)).toBeDefined();
  });

  it('a node that has started anew gets nothing that was meant for the one before it', async () => {
    const sender = await node('sender');
    const old = await node('old');
    sender.peers.meet([old.self]);
    expect(await sender.peers.deliver('old', [deliveryOf('1')])).toBe(true);
    await old.peers.close();
    const { self, inbox } = begin(old.bound, 'new');
    const late = sender.peers.deliver('old', [deliveryOf('2')]);
    sender.peers.publish('old', messageOf('3'));
    await until(() => old.events.some(({ is }) => is === 'refused'));
    expect(old.events).toContainEqual({ is: 'refused', from: 'sender', why: 'another node is at this address' });
    sender.peers.meet([self]);
    expect(await late).toBe(false);
    expect(await sender.peers.deliver('new', [deliveryOf('4')])).toBe(true);
    expect(inbox.said).toEqual(['deliver 4']);
  });

  it('closes, whoever is connected', async () => {
    const { bound } = await node('a');
    const socket = connect(bound.port, '127.0.0.1');
    await once(socket, 'connect');
    const closed = once(socket, 'close');
    await bound.close();
    await closed;
    await bound.close();
  });
});

describe('a node that finds out that it must close by what comes from a peer', () => {
  it('does not take it', async () => {
    const bound = leave(await bindPeers({ host: '127.0.0.1', port: 0, onEvent: () => undefined }));
    const self = memberOf('b', bound.port);
    let isOver = false;
    const peers = bound.peers({ self, clock: systemClock, alive: () => isOver && void peers.close() });
    const inbox = inboxOf();
    peers.start(inbox);
    const a = await node('a');
    a.peers.meet([self]);
    expect(await a.peers.deliver(self.node, [deliveryOf('1')])).toBe(true);
    isOver = true;
    const second = a.peers.deliver(self.node, [deliveryOf('2')]);
    await until(() => a.events.some(({ is }) => is === 'broken'));
    a.peers.meet([]);
    expect(await second).toBe(false);
    expect(inbox.said.filter((said) => said.includes('2'))).toEqual([]);
  });
});

describe('who is let in', () => {
  it('nobody who is not let in within seconds, whatever he goes on sending', async () => {
    const a = await node('a');
    const session = connectHttp2(`http://127.0.0.1:${a.bound.port}`);
    session.on('error', () => undefined);
    const ended = once(session, 'close');
    const stream = session.request({
      ':method': 'POST',
      ':path': '/skein.Peer/Link',
      'content-type': 'application/grpc',
    });
    stream.on('error', () => undefined);
    stream.resume();
    const pours = setInterval(() => stream.writable && stream.write(Buffer.alloc(1024)), 20);
    await ended.finally(() => clearInterval(pours));
    expect(session.destroyed).toBe(true);
  });

  it('with room for a few batches, so that none of them waits for our turns', async () => {
    const a = await node('a');
    const session = connectHttp2(`http://127.0.0.1:${a.bound.port}`);
    session.on('error', () => undefined);
    await until(() => session.remoteSettings.initialWindowSize === windowBytes);
    await until(() => (session.state.remoteWindowSize ?? 0) >= windowBytes);
    session.destroy();
  });

  it('whoever knows the secret of the node he means', async () => {
    const a = await node('a');
    const client = clientOf(a);
    const answer = await new Promise((resolve) => {
      client.ask({}, credentialsFor('b', a.self), (error, said) => resolve(error ?? said));
    });
    expect(answer).toEqual({ storeAnswers: true });
  });

  it('nobody else, and nothing of his is read', async () => {
    const a = await node('a');
    const client = clientOf(a);
    const batch = { floor: 1, first: 0, look: true, heads: Buffer.of(3), bodies: Buffer.of() };
    const old = credentialsFor('b', a.self);
    old.set('skein-version', '0');
    const cases: [Metadata, status][] = [
      [new Metadata(), status.FAILED_PRECONDITION],
      [old, status.FAILED_PRECONDITION],
      [credentialsFor('b', { ...a.self, node: 'c' }), status.FAILED_PRECONDITION],
      [credentialsFor('b', { ...a.self, secret: 'guessed' }), status.UNAUTHENTICATED],
      [credentialsFor('b', { ...a.self, secret: '' }), status.UNAUTHENTICATED],
      [credentialsFor('', a.self), status.UNAUTHENTICATED],
    ];
    for (const [metadata, code] of cases) {
      expect((await outcomeOf(client, metadata, batch)).code).toBe(code);
      const error = await new Promise<ServiceError | null>((resolve) => client.ask({}, metadata, resolve));
      expect(error?.code).toBe(code);
    }
    expect(a.inbox.looks).toBe(0);
    expect(a.inbox.said).toEqual([]);
    expect(a.events.filter(({ is }) => is === 'refused').length).toBeGreaterThan(0);
  });

  it('nobody while no node is behind the door', async () => {
    const a = await node('a');
    await a.peers.close();
    expect((await outcomeOf(clientOf(a), credentialsFor('b', a.self))).code).toBe(status.UNAVAILABLE);
  });

  it('what is not HTTP/2 at all does no harm', async () => {
    const a = await node('a');
    const socket = connect(a.bound.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.resume();
    socket.write('GET / HTTP/1.1\r\n\r\n'.repeat(100));
    await once(socket, 'close');
    const b = await node('b');
    b.peers.meet([a.self]);
    expect(await b.peers.deliver('a', [deliveryOf('1')])).toBe(true);
  });
});

describe('a peer that breaks the protocol', () => {
  it('is told so, and its stream ends', async () => {
    const a = await node('a');
    const client = clientOf(a);
    const gap = {
      floor: 1,
      first: 3,
      look: false,
      heads: Buffer.of(1, 0, 0),
      bodies: Buffer.of(0x32, 6, 0, 1, 97, 0, 1, 0),
    };
    const outcome = await outcomeOf(client, credentialsFor('b', a.self), gap);
    expect(outcome).toMatchObject({ code: status.DATA_LOSS, details: 'delivery 3 came instead of 1' });
    expect(a.events).toContainEqual({ is: 'malformed', from: 'b', why: 'delivery 3 came instead of 1' });
    const rubbish = { ...gap, first: 1, bodies: Buffer.of(0xff, 0xff) };
    expect((await outcomeOf(client, credentialsFor('b', a.self), rubbish)).code).toBe(status.DATA_LOSS);
    expect(
      (await outcomeOf(client, credentialsFor('b', a.self), { ...gap, first: 1 }, { ...gap, first: 9 })).details,
    ).toBe('delivery 9 came instead of 2');
    expect(a.inbox.said).toEqual(['deliver ']);
  });

  it('a newer stream of a node takes the place of the older one', async () => {
    const a = await node('a');
    const client = clientOf(a);
    const older = outcomeOf(client, credentialsFor('b', a.self));
    await until(() => a.inbox.looks === 1);
    const newer = client.link(credentialsFor('b', a.self));
    newer.on('error', () => undefined);
    const [ack] = (await once(newer, 'data')) as [Ack];
    expect(ack).toEqual({ taken: 0 });
    expect((await older).code).toBe(status.ABORTED);
    newer.cancel();
  });
});

describe('a way that carries nothing any more', () => {
  it('is noticed at both ends within some seconds, and opened anew', async () => {
    const a = await node('a');
    const b = await node('b');
    const way = await BreakableWay.to(b.bound.port);
    leave({ close: () => way[Symbol.asyncDispose]() });
    a.peers.meet([{ ...b.self, address: `127.0.0.1:${way.port}` }]);
    expect(await a.peers.deliver('b', [deliveryOf('1')])).toBe(true);
    const { looks } = b.inbox;
    way.stall();
    const outcome = a.peers.deliver('b', [deliveryOf('2')]);
    const stalledMs = performance.now();
    await until(() => a.peers.unreachableMs('b') > 0);
    await until(() => b.inbox.looks > looks);
    expect(performance.now() - stalledMs).toBeLessThan(8000);
    way.heal();
    expect(await outcome).toBe(true);
    expect(b.inbox.said).toEqual(['deliver 1', 'deliver 2']);
    expect(a.events.map(({ is }) => is)).toEqual(['opened', 'broken', 'opened']);
  });
});

describe('a way that ends', () => {
  it('leaves no connection', async () => {
    const a = await node('a');
    const b = await node('b');
    const way = await BreakableWay.to(b.bound.port);
    leave({ close: () => way[Symbol.asyncDispose]() });
    const peer = { ...b.self, address: `127.0.0.1:${way.port}` };
    for (let i = 0; i < 5; i++) {
      a.peers.meet([peer]);
      expect(await a.peers.deliver('b', [deliveryOf(`${i}`)])).toBe(true);
      expect(await a.peers.asksStore('b')).toBe(true);
      a.peers.meet([]);
      await until(() => way.connections === 0);
    }
    a.peers.meet([{ ...peer, secret: 'guessed' }]);
    await until(() => a.events.some(({ is }) => is === 'broken'));
    a.peers.meet([]);
    await until(() => way.connections === 0);
  });

  it('what a node has sent before it leaves arrives, if the peer is quick enough', async () => {
    // Nothing takes too long by this clock.
    const a = await node('a', { ...systemClock, after: () => () => undefined });
    const b = await node('b');
    a.peers.meet([b.self]);
    expect(await a.peers.deliver('b', [deliveryOf('1')])).toBe(true);
    const text = 'x'.repeat(100_000);
    for (let i = 0; i < 20; i++) expect(a.peers.publish('b', messageOf(text))).toBe(true);
    a.peers.kick('b', 'lamp', 2);
    await a.peers.close();
    await until(() => b.inbox.said.includes('kick 2'));
    expect(b.inbox.said).toHaveLength(22);
  });
});
