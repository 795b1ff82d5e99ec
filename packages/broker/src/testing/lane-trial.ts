// A lane with a store behind a long way, publishers that are only functions, and Sessions that only listen.

import type { ReasonCode } from '@skein/protocol';
import { acquireOf, textOf, thisNode } from '../contract/samples.ts';
import { SeededRandom } from '../contract/seeded-random.ts';
import { unfenced } from '../contract/trial.ts';
import { Distribution } from '../distribution.ts';
import { Lane } from '../lane.ts';
import { defaultLimits, type Limits } from '../limits.ts';
import { memoryStore } from '../memory/store.ts';
import type { Message } from '../message.ts';
import type { Claim, Ingress, Store, StoredSubscription } from '../ports.ts';
import { Router } from '../router.ts';
import type { Session } from '../session/session.ts';
import { Chooser } from '../shared/choose.ts';
import { Surroundings } from './surroundings.ts';
import { type PendingCall, UnreliableStore } from './unreliable-store.ts';

/** What became of a message that was pushed. */
export interface Pushed {
  reasonCode: ReasonCode | undefined;
  isFenced: boolean;
}

/** A lane and what is around it. */
export class LaneTrial {
  readonly around: Surroundings = new Surroundings();
  readonly router: Router = new Router(thisNode);
  /** The store itself, past its unreliable way. */
  readonly behind: Store;
  readonly store: UnreliableStore;
  readonly lane: Lane;
  /** The names of the calls that were made, in order. */
  readonly log: string[] = [];
  readonly sessions: Map<string, Session> = new Map();
  /** What happens to a call. */
  meet: (call: PendingCall) => unknown = (call) => call.answer();

  constructor(limits: Partial<Limits> = {}) {
    const { clock, drops, persistence } = this.around;
    this.behind = memoryStore(clock, new SeededRandom(1), { ...defaultLimits, ...limits });
    this.store = new UnreliableStore(this.behind, (call) => {
      this.log.push(call.name);
      this.meet(call);
    });
    const counters = this.around.counters;
    const chooser = new Chooser({ strategy: 'round-robin', node: thisNode, knows: () => false });
    const distribution = new Distribution({
      routes: this.store.routes,
      drops,
      counters,
      persistence,
      refuseWhenFull: limits.queueFull === 'refuse',
      nodeId: thisNode,
      peers: undefined,
      chooser,
      sessionOf: (clientId) => this.sessions.get(clientId),
    });
    this.lane = new Lane({
      store: this.store,
      clock,
      router: this.router,
      distribution,
      drops,
      counters,
      persistence,
      chooser,
      queueFull: limits.queueFull ?? 'drop-new',
      gatherMs: limits.gatherMs ?? 0,
      uidPrefix: 'u',
      elsewhere: undefined,
    });
  }

  get queued(): number {
    return this.around.counters.queued;
  }

  get notRetained(): number {
    return this.around.counters.retainedNotStored;
  }

  static async open(limits: Partial<Limits> = {}): Promise<LaneTrial> {
    const trial = new LaneTrial(limits);
    await trial.store.routes.follow((changes, version) => trial.router.apply(changes, version));
    return trial;
  }

  /** A stored Session with Subscriptions, and the routes to it. */
  async stored(clientId: string, ...subscriptions: StoredSubscription[]): Promise<Claim> {
    const { claim } = await this.behind.sessions.acquire(acquireOf(clientId));
    unfenced(await this.behind.sessions.subscribe(claim, subscriptions));
    await this.behind.routes.put(
      subscriptions.map(({ topicFilter }) => ({ topicFilter, clientId, generation: claim.generation })),
    );
    return claim;
  }

  /** A volatile Session here, and what it gets. */
  volatile(clientId: string, subscription: StoredSubscription, isFull = false): string[] {
    const got: string[] = [];
    const session = {
      clientId,
      stored: false,
      isFull: () => isFull,
      deliver: (message: Message) => got.push(textOf(message)) > 0,
      sendQos0: (message: Message) => got.push(textOf(message)),
    } as unknown as Session;
    this.router.subscribe({ ...subscription, session }, undefined);
    return got;
  }

  /** The texts in the queue of a stored Session. */
  async queueOf(claim: Claim): Promise<string[]> {
    const { entries } = unfenced(await this.behind.queues.read(claim, 1, 1000));
    return entries.map(({ message }) => textOf(message));
  }

  readonly push = (
    message: Message | undefined,
    { ingress, uid, isRefusable = true }: { ingress?: Ingress; uid?: string; isRefusable?: boolean } = {},
  ): Pushed => {
    const pushed: Pushed = { reasonCode: undefined, isFenced: false };
    const finish = (reasonCode: ReasonCode): void => {
      if (pushed.reasonCode !== undefined) throw new Error('finished twice');
      pushed.reasonCode = reasonCode;
    };
    const fenced = (): void => {
      pushed.isFenced = true;
    };
    this.lane.push({ message, ingress, uid, isRefusable, finish, fenced });
    return pushed;
  };
}
