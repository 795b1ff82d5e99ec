import { describe, expect, it } from 'vitest';
import { acquireOf, memberOf, subscriptionTo, willOn } from './contract/samples.ts';
import { SeededRandom } from './contract/seeded-random.ts';
import { unfenced } from './contract/trial.ts';
import { defaultLimits } from './limits.ts';
import { Membership, NodeIdTaken } from './membership.ts';
import { memoryStore } from './memory/store.ts';
import type { ClusterPorts, Member, Peers } from './peer-ports.ts';
import { mark, type Store } from './ports.ts';
import { Router } from './router.ts';
import { Surroundings } from './testing/surroundings.ts';
import { type PendingCall, UnreliableStore } from './testing/unreliable-store.ts';

/** A node that only minds the others. */
class Node {
  readonly around: Surroundings;
  readonly self: Member;
  readonly router: Router;
  readonly membership: Membership;
  readonly happened: string[] = [];
  met: readonly string[] = [];
  /** What happens to a call of the store. */
  meet: (call: PendingCall) => unknown = (call) => call.answer();
  /** What the others say when asked whether the store answers them. */
  answers: boolean | undefined = undefined;
  readonly unreachable: Map<string, number> = new Map();
  readonly #store: UnreliableStore;

  constructor(store: Store, around: Surroundings, self: Member) {
    this.around = around;
    this.self = self;
    this.router = new Router(self.node);
    this.#store = new UnreliableStore(store, (call) => this.meet(call));
    const peers: Partial<Peers> = {
      meet: (members) => {
        this.met = members.map(({ node }) => node).sort();
      },
      asksStore: async () => this.answers,
      unreachableMs: (node) => this.unreachable.get(node) ?? 0,
      giveUp: (node) => {
        this.happened.push(`gave up ${node}`);
        this.unreachable.delete(node);
      },
    };
    const cluster: ClusterPorts = { self, peers: peers as Peers, fenced: () => {} };
    this.membership = new Membership({
      members: this.#store.members,
      routes: this.#store.routes,
      router: this.router,
      cluster,
      clock: around.clock,
      persistence: around.persistence,
      counters: around.counters,
      observer: around.observer,
      missed: () => this.happened.push('missed'),
      willsDue: () => this.happened.push('wills due'),
      fence: (why) => {
        this.happened.push(`fenced: ${why}`);
        this.membership.stop();
      },
    });
  }

  async join(): Promise<void> {
    await this.#store.routes.follow((changes, version) => this.router.apply(changes, version));
    const joined = this.membership.join().then(() => this.membership.begin());
    await this.around.clock.settle();
    await joined;
  }
}

/** One store, one time, several nodes. */
class Trial {
  readonly around = new Surroundings();
  readonly store: Store = memoryStore(this.around.clock, new SeededRandom(1), defaultLimits);

  node(nodeId: string, start?: string): Node {
    return new Node(this.store, this.around, memberOf(nodeId, start));
  }

  async nodes(...nodeIds: string[]): Promise<Node[]> {
    const nodes = nodeIds.map((nodeId) => this.node(nodeId));
    for (const node of nodes) await node.join();
    await this.around.clock.advance(1000);
    return nodes;
  }

  facts(...kinds: string[]): string[] {
    return this.around.observer.facts
      .filter(({ is }) => kinds.includes(is))
      .map((fact) => `${fact.is} ${'node' in fact ? fact.node : ''}`);
  }
}

describe('membership', () => {
  it('names the others that are alive to the peers, and forgets those that leave', async () => {
    const trial = new Trial();
    const [a, b, c] = (await trial.nodes('a', 'b', 'c')) as [Node, Node, Node];
    expect(a.met).toEqual([b.self.node, c.self.node]);
    expect(b.met).toEqual([a.self.node, c.self.node]);
    expect(a.membership.size).toBe(3);
    await c.membership.leave();
    await trial.around.clock.advance(5000);
    expect(a.met).toEqual([b.self.node]);
    expect(a.membership.knows(c.self.node)).toBe(false);
    expect((await trial.store.members.renew(a.self.node)).members.map(({ node }) => node).sort()).toEqual([
      a.self.node,
      b.self.node,
    ]);
  });

  it('reads the register after it is asked to: a node that has just come is known then', async () => {
    const trial = new Trial();
    const [a] = (await trial.nodes('a')) as [Node];
    const b = trial.node('b');
    await b.join();
    expect(a.membership.knows(b.self.node)).toBe(false);
    await a.membership.refresh();
    expect(a.membership.knows(b.self.node)).toBe(true);
  });
});

describe('rule: Reap', () => {
  it('a lease that stands still for 6 seconds is dead: its Sessions, its routes and its name go', async () => {
    const trial = new Trial();
    const [a, b] = (await trial.nodes('a', 'b')) as [Node, Node];
    const lamp = await trial.store.sessions.acquire(
      acquireOf('lamp', { owner: b.self.node, will: willOn('status/lamp') }),
    );
    unfenced(await trial.store.sessions.subscribe(lamp.claim, [subscriptionTo('a')]));
    await trial.store.routes.put([{ topicFilter: 'x', node: b.self.node, marks: mark.any }]);
    b.membership.stop(); // killed
    await trial.around.clock.advance(5500);
    expect(trial.facts('node_dead')).toEqual([]);
    await trial.around.clock.advance(1500);
    expect(trial.facts('node_dead', 'node_reaped')).toEqual([`node_dead ${b.self.node}`, `node_reaped ${b.self.node}`]);
    expect(a.happened).toContain('wills due');
    expect(a.met).toEqual([]);
    expect(a.router.routesTo(b.self.node)).toEqual([]);
    expect(trial.around.counters.sessionsReaped).toBe(1);
    expect((await trial.store.members.renew(a.self.node)).members).toHaveLength(1);
    expect(await trial.store.wills.claim(10)).toHaveLength(1);
    expect((await trial.store.sessions.acquire(acquireOf('lamp'))).previousOwner).toBeUndefined();
  });

  it('a store that was away for everybody makes nobody look dead', async () => {
    const trial = new Trial();
    const nodes = await trial.nodes('a', 'b', 'c');
    for (const node of nodes) {
      node.meet = (call) => call.fail();
      node.answers = false;
    }
    await trial.around.clock.advance(60_000);
    for (const node of nodes) node.meet = (call) => call.answer();
    await trial.around.clock.advance(10_000);
    expect(trial.facts('node_dead', 'node_left')).toEqual([]);
    for (const node of nodes) expect(node.happened).toEqual([]);
  });

  it('a reap that its survivor did not live to finish is finished by the next one', async () => {
    const trial = new Trial();
    const [a, b, c] = (await trial.nodes('a', 'b', 'c')) as [Node, Node, Node];
    c.membership.stop();
    a.meet = (call) => (call.name === 'members.reap' ? a.membership.stop() : call.answer());
    await trial.around.clock.advance(8000);
    expect(trial.facts('node_reaped')).toEqual([]);
    await trial.around.clock.advance(8000);
    expect(trial.facts('node_reaped').sort()).toEqual([`node_reaped ${a.self.node}`, `node_reaped ${c.self.node}`]);
    expect(b.happened).toEqual([]);
  });

  it('a reap that fails is tried again', async () => {
    const trial = new Trial();
    const [a, b] = (await trial.nodes('a', 'b')) as [Node, Node];
    let failures = 3;
    a.meet = (call) => (call.name === 'members.reap' && failures-- > 0 ? call.fail() : call.answer());
    b.membership.stop();
    await trial.around.clock.advance(15_000);
    expect(trial.facts('node_reaped')).toEqual([`node_reaped ${b.self.node}`]);
  });

  it('routes that a dead node put at the last moment go once nobody knows it any more', async () => {
    const trial = new Trial();
    const [a, b] = (await trial.nodes('a', 'b')) as [Node, Node];
    b.membership.stop();
    await trial.around.clock.advance(9000);
    await trial.store.routes.put([{ topicFilter: 'late', node: b.self.node, marks: mark.any }]);
    expect(a.router.routesTo(b.self.node)).toHaveLength(1);
    await trial.around.clock.advance(31_000);
    expect(a.router.routesTo(b.self.node)).toEqual([]);
  });
});

describe('rule: Fence', () => {
  it('a node whose lease was ended lets go', async () => {
    const trial = new Trial();
    const [a, b] = (await trial.nodes('a', 'b')) as [Node, Node];
    const { members } = await trial.store.members.renew(b.self.node);
    const renewals = members.find(({ node }) => node === b.self.node)?.renewals ?? 0;
    expect(await trial.store.members.bury(b.self.node, renewals)).toBe(true);
    await trial.around.clock.advance(1000);
    expect(b.happened).toEqual(['fenced: its lease was ended']);
    expect(a.happened.filter((what) => what.startsWith('fenced'))).toEqual([]);
  });

  it('a node that alone cannot reach the store lets go before the others find it dead', async () => {
    const trial = new Trial();
    const [, b] = (await trial.nodes('a', 'b')) as [Node, Node];
    b.answers = true;
    b.meet = (call) => call.fail();
    await trial.around.clock.advance(3900);
    expect(b.happened).toEqual([]);
    await trial.around.clock.advance(1200);
    expect(b.happened).toEqual(['fenced: the store answers others and not this node']);
    expect(trial.facts('node_dead')).toEqual([]);
  });

  it('a node that reaches neither the store nor anybody lets go', async () => {
    const trial = new Trial();
    const [, b] = (await trial.nodes('a', 'b')) as [Node, Node];
    b.meet = (call) => call.fail();
    await trial.around.clock.advance(5100);
    expect(b.happened).toEqual(['fenced: neither the store nor any other node answers']);
  });

  it('a store that answers nobody fences nobody, and a node that is alone is never fenced', async () => {
    const trial = new Trial();
    const [a, b] = (await trial.nodes('a', 'b')) as [Node, Node];
    for (const node of [a, b]) {
      node.answers = false;
      node.meet = (call) => call.fail();
    }
    await trial.around.clock.advance(60_000);
    expect([...a.happened, ...b.happened]).toEqual([]);

    const alone = new Trial();
    const [only] = (await alone.nodes('only')) as [Node];
    only.meet = (call) => call.fail();
    await alone.around.clock.advance(60_000);
    only.meet = (call) => call.answer();
    await alone.around.clock.advance(5000);
    expect(only.happened).toEqual([]);
  });

  it('renews as soon as the store answers again, and does not press a store that does not', async () => {
    const trial = new Trial();
    const [a] = (await trial.nodes('a')) as [Node];
    let asked = 0;
    a.meet = (call) => {
      if (call.name === 'members.renew') asked++;
      call.fail();
    };
    await trial.around.clock.advance(30_000);
    expect(asked).toBeGreaterThan(150);
    expect(asked).toBeLessThan(350);
    a.meet = (call) => call.answer();
    const { renewals = 0 } = (await trial.store.members.renew(a.self.node)).members[0] ?? {};
    await trial.around.clock.advance(100);
    expect((await trial.store.members.renew(a.self.node)).members[0]?.renewals).toBe(renewals + 2);
  });

  it('says that the store answers only when it has for a while, lest others let go too early when it is back', async () => {
    const trial = new Trial();
    const [a] = (await trial.nodes('a')) as [Node];
    await trial.around.clock.advance(5000);
    expect(a.membership.storeAnswers).toBe(true);
    a.meet = (call) => call.fail();
    await trial.around.clock.advance(3000);
    expect(a.membership.storeAnswers).toBe(false);
    a.meet = (call) => call.answer();
    await trial.around.clock.advance(2000);
    expect(a.membership.storeAnswers).toBe(false);
    await trial.around.clock.advance(3000);
    expect(a.membership.storeAnswers).toBe(true);
  });
});

describe('a node that lives and cannot be reached', () => {
  it('is waited for no longer after 5 seconds', async () => {
    const trial = new Trial();
    const [a, b] = (await trial.nodes('a', 'b')) as [Node, Node];
    a.unreachable.set(b.self.node, 4900);
    await trial.around.clock.advance(1000);
    expect(a.happened).toEqual([]);
    a.unreachable.set(b.self.node, 5000);
    await trial.around.clock.advance(1000);
    expect(a.happened).toEqual([`gave up ${b.self.node}`]);
  });

  it('hears with its next renewal that it has missed messages', async () => {
    const trial = new Trial();
    const [a, b] = (await trial.nodes('a', 'b')) as [Node, Node];
    await trial.store.members.miss(b.self.node);
    await trial.around.clock.advance(2000);
    expect([a.happened, b.happened]).toEqual([[], ['missed']]);
  });
});

describe('two nodes of one name', () => {
  it('the second is refused while the first is alive, and the first goes on', async () => {
    const trial = new Trial();
    const [first] = (await trial.nodes('a')) as [Node];
    await trial.around.clock.advance(5000);
    const second = trial.node('a', '2');
    const joined = second.membership.join().catch((error: unknown) => error);
    await trial.around.clock.advance(3000);
    expect(await joined).toBeInstanceOf(NodeIdTaken);
    await trial.around.clock.advance(5000);
    expect(first.happened).toEqual([]);
    expect((await trial.store.members.renew(first.self.node)).members).toHaveLength(1);
  });

  it('what a killed node left behind under the same name is buried by the one that comes after it', async () => {
    const trial = new Trial();
    const [first] = (await trial.nodes('a')) as [Node];
    first.membership.stop();
    const second = trial.node('a', '2');
    const joined = second.membership.join().then(() => second.membership.begin());
    await trial.around.clock.advance(3500);
    await joined;
    await trial.around.clock.advance(1000);
    expect(trial.facts('node_dead', 'node_reaped')).toEqual([
      `node_dead ${first.self.node}`,
      `node_reaped ${first.self.node}`,
    ]);
  });

  it('of two that start at the same time one is refused', async () => {
    const trial = new Trial();
    const joined = [trial.node('a', '1'), trial.node('a', '2')].map((node) =>
      node.membership
        .join()
        .then(() => node.membership.begin())
        .then(
          () => 'in',
          (error: unknown) => error instanceof NodeIdTaken && 'refused',
        ),
    );
    await trial.around.clock.advance(4000);
    expect((await Promise.all(joined)).sort()).toEqual(['in', 'refused']);
  });
});
