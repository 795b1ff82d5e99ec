// Publishers and subscribers of every kind at once, and now and then something goes wrong for one of them.
//
// Everything is drawn from one seed: who they are, what they subscribe to, what is published, and whom a disturbance
// hits. Progress is counted in messages published, not in time, so that a slow machine runs the same load. In the end
// everybody comes back, everything arrives that must, and the history is judged.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ProtocolVersion, QoS } from '@skein/protocol';
import { History } from '../history/history.ts';
import { Random } from '../history/random.ts';
import type { Verdict } from '../history/verdict.ts';
import { until } from '../support/deadline.ts';
import { LoadClient, patienceMs, type Wanted } from './load-client.ts';

/** How much load. */
export interface LoadPlan {
  /** Where the broker listens; each Client takes one of them. */
  readonly urls: readonly string[];
  readonly seed: number;
  readonly messages: number;
  readonly publishers: number;
  readonly subscribers: number;
  /** How often something goes wrong. */
  readonly disturbances: number;
  /** How long to wait in the end for what is owed. */
  readonly drainMs: number;
}

/** What came of it. */
export interface LoadResult {
  readonly verdict: Verdict;
  /** The verdict in words. */
  readonly explanation: string;
  /** What the server did that no server may do, as single Clients saw it. */
  readonly problems: readonly string[];
  /** Disturbances that happened, by kind. */
  readonly disturbed: Readonly<Record<Disturbance, number>>;
}

const disturbances = [
  'cut subscriber',
  'cut publisher',
  'take over subscriber',
  'take over publisher',
  'change Subscription',
  'will',
] as const;

type Disturbance = (typeof disturbances)[number];

interface Subscriber {
  readonly client: LoadClient;
  wanted: readonly Wanted[];
  isBusy: boolean;
}

interface Publisher {
  readonly client: LoadClient;
  takesOver: boolean;
}

/** Who has subscribed to all that is published, at QoS 2, and has a Session that stays. */
export const archiveId = 'archive';

/** Who is there from beginning to end and has subscribed to what nobody publishes. */
export const bystanderId = 'bystander';

const areas = ['north', 'east', 'south', 'west'] as const;
const rooms = ['hall', 'attic', 'cellar', 'garden', 'garage'] as const;
const kinds = ['temperature', 'state', 'alarm'] as const;

/** Runs a load to its end. */
export function runMixedLoad(plan: LoadPlan): Promise<LoadResult> {
  return new MixedLoad(plan).run();
}

class MixedLoad {
  readonly #plan: LoadPlan;
  readonly #random: Random;
  readonly #history: History = new History();
  readonly #subscribers: readonly Subscriber[];
  readonly #publishers: readonly Publisher[];
  readonly #watchers: readonly Subscriber[];
  readonly #lamps: Subscriber[];
  readonly #disturbed: Record<Disturbance, number>;
  #published = 0;
  #disturbances = 0;
  /** What goes on beside the publishers. */
  readonly #tasks: Promise<void>[] = [];
  /** What happens when so many messages are published. */
  #later: { readonly at: number; readonly run: () => void }[] = [];

  constructor(plan: LoadPlan) {
    this.#plan = plan;
    this.#random = new Random(plan.seed);
    this.#disturbed = Object.fromEntries(disturbances.map((kind) => [kind, 0])) as Record<Disturbance, number>;
    const count = (length: number): readonly number[] => [...Array(length).keys()];
    this.#subscribers = count(plan.subscribers).map((i) => {
      if (i === 0)
        return { client: this.#make(archiveId, true), wanted: [{ topicFilter: 'load/#', qos: 2 }], isBusy: false };
      return { client: this.#make(`reader-${i}`, i % 5 < 3), wanted: this.#wish(), isBusy: false };
    });
    this.#publishers = count(plan.publishers).map((i) => ({
      client: this.#make(`writer-${i}`, i % 10 < 7),
      takesOver: false,
    }));
    this.#watchers = [
      { client: this.#make('watcher', true, 0), wanted: [{ topicFilter: 'will/#', qos: 2 }], isBusy: false },
      { client: this.#make(bystanderId, false, 0), wanted: [{ topicFilter: 'elsewhere/#', qos: 2 }], isBusy: false },
    ];
    this.#lamps = count(5).map((i) => ({ client: this.#make(`lamp-${i}`, false), wanted: [], isBusy: false }));
  }

  async run(): Promise<LoadResult> {
    for (const subscriber of [...this.#watchers, ...this.#subscribers]) await this.#comeBack(subscriber);
    const { messages, disturbances: count } = this.#plan;
    for (let i = 1; i <= count; i++) {
      this.#later.push({ at: Math.floor((i * messages) / (count + 1)), run: () => this.#disturb() });
    }
    await Promise.all(this.#publishers.map((publisher) => this.#publishAll(publisher)));
    await this.#settle();
    const verdict = this.#history.verdict();
    const clients = [...this.#subscribers, ...this.#publishers, ...this.#watchers, ...this.#lamps];
    for (const { client } of clients) client.cut();
    return {
      verdict,
      explanation: this.#history.explain(verdict),
      problems: clients.flatMap(({ client }) => client.problems),
      disturbed: this.#disturbed,
    };
  }

  // Publishing

  async #publishAll(publisher: Publisher): Promise<void> {
    const { client } = publisher;
    while (this.#published < this.#plan.messages) {
      if (!client.isConnected || publisher.takesOver) {
        publisher.takesOver = false;
        await client.connect();
      }
      for (let burst = this.#random.between(1, 10); burst > 0 && client.hasRoom; burst--) {
        client.publish({
          topic: `load/${this.#random.pick(areas)}/${this.#random.pick(rooms)}/${this.#random.pick(kinds)}`,
          qos: this.#random.below(3) as QoS,
          retain: this.#random.percent(3),
          sizeBytes: this.#random.percent(5) ? this.#random.below(8000) : this.#random.below(200),
        });
        this.#published += 1;
      }
      client.flush();
      this.#advance();
      await nextTurn();
      await client.whenRoomy();
    }
  }

  /** Does what is due by now. */
  #advance(): void {
    const due = this.#later.filter(({ at }) => at <= this.#published);
    if (due.length === 0) return;
    this.#later = this.#later.filter(({ at }) => at > this.#published);
    for (const { run } of due) run();
  }

  // Disturbing

  #disturb(): void {
    const kind = disturbances[this.#disturbances++ % disturbances.length] as Disturbance;
    const publisher = this.#random.pick(this.#publishers);
    const candidates = (kind === 'will' ? this.#lamps : this.#subscribers).filter(({ isBusy }) => !isBusy);
    const subscriber = candidates[this.#random.below(candidates.length)];
    const packets = this.#random.below(40);
    if (subscriber === undefined) return;
    this.#disturbed[kind] += 1;
    switch (kind) {
      case 'cut publisher':
        publisher.client.cutAfter(packets); // it comes back by itself
        return;
      case 'take over publisher':
        publisher.takesOver = true;
        return;
      case 'cut subscriber': {
        subscriber.isBusy = true;
        subscriber.client.cutAfter(packets);
        const at = this.#published + this.#random.between(20, 800);
        this.#later.push({ at, run: () => this.#start(this.#comeBack(subscriber)) });
        return;
      }
      case 'take over subscriber':
        subscriber.isBusy = true;
        this.#start(this.#comeBack(subscriber));
        return;
      case 'change Subscription':
        subscriber.isBusy = true;
        this.#start(this.#changeMind(subscriber));
        return;
      case 'will':
        subscriber.isBusy = true;
        this.#start(this.#blink(subscriber, this.#disturbed.will - 1));
    }
  }

  #start(task: Promise<void>): void {
    this.#tasks.push(task);
    task.catch(() => {}); // told in the end, when all tasks are awaited
  }

  /** Connects, or takes over, and has its Subscriptions. */
  async #comeBack(subscriber: Subscriber): Promise<void> {
    const { client, wanted } = subscriber;
    const isNew = !client.hasBeenConnected || !client.isPersistent;
    client.cutAfter(Number.POSITIVE_INFINITY);
    await client.connect();
    if (isNew) await client.subscribe(wanted);
    subscriber.isBusy = false;
  }

  /** Asks for the same again, at another QoS; or gives up what it has and takes something else. */
  async #changeMind(subscriber: Subscriber): Promise<void> {
    const { client, wanted } = subscriber;
    if (client.clientId === archiveId) {
      await client.subscribe(wanted);
    } else if (this.#random.percent(50)) {
      subscriber.wanted = wanted.map(({ topicFilter }) => ({ topicFilter, qos: this.#random.below(3) as QoS }));
      await client.subscribe(subscriber.wanted);
    } else {
      subscriber.wanted = this.#wish();
      for (const { topicFilter } of wanted) await client.unsubscribe(topicFilter);
      await client.subscribe(subscriber.wanted);
    }
    subscriber.isBusy = false;
  }

  /** Connects with a Will Message, and goes: with DISCONNECT, or without. @param count how many there were before */
  async #blink(lamp: Subscriber, count: number): Promise<void> {
    const { client } = lamp;
    const qos = ([1, 2, 0] as const)[(count >> 1) % 3] as QoS;
    const n = client.nextNumber();
    await client.connect({ n, topic: `will/${client.clientId}`, qos, retain: false, delaySeconds: 0 });
    if (count % 2 === 0) client.cut();
    else await client.disconnect();
    lamp.isBusy = false;
  }

  // The end

  async #settle(): Promise<void> {
    for (const { run } of this.#later.splice(0)) run();
    await Promise.all(this.#tasks);
    await Promise.all(this.#publishers.map(({ client }) => this.#finish(client)));
    for (const subscriber of this.#subscribers) {
      subscriber.client.cutAfter(Number.POSITIVE_INFINITY);
      if (!subscriber.client.isConnected) await this.#comeBack(subscriber);
    }
    const readers = [...this.#subscribers, ...this.#watchers];
    try {
      await until('all that is owed', () => this.#history.outstanding === 0 || undefined, this.#plan.drainMs);
    } catch {
      // What is owed then is lost, and the verdict says which.
    }
    // What the server has sent before it answers has come: no second copy is still on its way.
    await Promise.all(readers.map(({ client }) => client.ping()));
  }

  /** Lets a publisher have all its answers. */
  async #finish(client: LoadClient): Promise<void> {
    client.cutAfter(Number.POSITIVE_INFINITY);
    if (!client.isConnected) await client.connect();
    await until(`answers to ${client.clientId}`, () => client.unanswered === 0 || undefined, patienceMs);
    await client.ping();
  }

  // Drawing

  #make(clientId: string, isPersistent: boolean, topicAliasMaximum: number = this.#random.pick([0, 8])): LoadClient {
    return new LoadClient({
      url: this.#random.pick(this.#plan.urls),
      history: this.#history,
      clientId,
      version: this.#random.pick<ProtocolVersion>([3, 4, 4, 5, 5, 5]),
      isPersistent,
      receiveMaximum: this.#random.between(5, 100),
      sendMaximum: this.#random.between(5, 60),
      topicAliasMaximum,
    });
  }

  #wish(): readonly Wanted[] {
    const filters = new Set<string>();
    for (let count = this.#random.between(1, 3); count > 0; count--) filters.add(this.#filter());
    return [...filters].map((topicFilter) => ({ topicFilter, qos: this.#random.below(3) as QoS }));
  }

  #filter(): string {
    const [area, room, kind] = [this.#random.pick(areas), this.#random.pick(rooms), this.#random.pick(kinds)];
    return this.#random.pick([
      `load/${area}/${room}/${kind}`,
      `load/${area}/${room}/#`,
      `load/${area}/+/${kind}`,
      `load/+/${room}/${kind}`,
      `+/${area}/${room}/+`,
    ]);
  }
}
