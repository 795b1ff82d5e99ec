// Clients of every kind at all nodes of a cluster, any of which may die at any moment: a Client that loses its connection
// goes to another node, as one behind a load balancer does, and goes on there.
//
// They run until the load is told to settle. Its pace is so many messages in a second, so that what happens beside it
// can be timed by how many have been published. What the Clients see is judged at the end as a whole.

import { setTimeout as pause } from 'node:timers/promises';
import type { ProtocolVersion, QoS } from '@skein/protocol';
import { History } from '../history/history.ts';
import { Random } from '../history/random.ts';
import type { Verdict } from '../history/verdict.ts';
import { LoadClient, type Wanted } from '../load/load-client.ts';
import { until } from '../support/deadline.ts';

/** What load, and where. */
export interface KillLoadPlan {
  readonly urls: readonly string[];
  readonly seed: number;
  /** How long after its Client was lost a Will Message may come, in milliseconds. */
  readonly willLateMs: number;
  /** How long any answer may take, in milliseconds: longer than the longest fault. */
  readonly answerMs: number;
}

/** What came of it. */
export interface KillLoadResult {
  readonly verdict: Verdict;
  /** The verdict in words. */
  readonly explanation: string;
  /** What the server did that no server may do, as single Clients saw it. */
  readonly problems: readonly string[];
}

interface Actor {
  readonly client: LoadClient;
  readonly wanted: readonly Wanted[];
  /** Whether its Session, if it lasts, has its Subscriptions. */
  isSubscribed: boolean;
}

/** How far the server's noticing of a lost Client may be off. */
const slackMs = 15_000;
/** A CONNECT that is not answered for so long is tried elsewhere. */
const connectMs = 4000;
/** Between two turns of a publisher. */
const tickMs = 25;

const areas = ['north', 'east', 'south'] as const;
const kinds = ['temperature', 'state', 'alarm'] as const;

/** A load that runs until it is told to settle. */
export class KillLoad {
  readonly #plan: KillLoadPlan;
  readonly #random: Random;
  readonly #history: History;
  readonly #publishers: readonly Actor[];
  readonly #subscribers: readonly Actor[];
  /** Subscribers who come and go, or take themselves over. */
  readonly #restless: readonly Actor[];
  readonly #lamps: readonly Actor[];
  readonly #tasks: Promise<void>[] = [];
  #published = 0;
  #isOver = false;
  #failure: unknown;

  constructor(plan: KillLoadPlan) {
    this.#plan = plan;
    this.#random = new Random(plan.seed);
    this.#history = new History({ slackMs, willLateMs: plan.willLateMs, qos0MayFollow: true });
    const all: readonly Wanted[] = [{ topicFilter: 'load/#', qos: 2 }];
    const shared: readonly Wanted[] = [{ topicFilter: '$share/crew/load/#', qos: 2 }];
    const wills: readonly Wanted[] = [{ topicFilter: 'will/#', qos: 2 }];
    this.#publishers = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => this.#make(`writer-${i}`, i < 6, []));
    this.#subscribers = [
      ...[0, 1, 2].map((i) => this.#make(`archive-${i}`, true, all)),
      ...[0, 1, 2].map((i) => this.#make(`watcher-${i}`, true, wills)),
      ...[0, 1, 2].map((i) => this.#make(`crew-${i}`, true, shared)),
      ...[0, 1, 2, 3].map((i) => this.#make(`stored-${i}`, true, this.#wish())),
      ...[0, 1, 2, 3].map((i) => this.#make(`volatile-${i}`, false, this.#wish())),
    ];
    this.#restless = [
      ...[0, 1, 2].map((i) => this.#make(`sleeper-${i}`, true, this.#wish())),
      ...[0, 1].map((i) => this.#make(`mover-${i}`, true, this.#wish())),
      this.#make('mover-2', false, this.#wish()),
      this.#make('crew-3', true, shared),
    ];
    this.#lamps = [0, 1, 2, 3, 4, 5].map((i) => this.#make(`lamp-${i}`, i === 5, []));
  }

  /** Messages published so far. */
  get published(): number {
    return this.#published;
  }

  /** Brings everybody in, and lets the publishers begin. */
  async start(): Promise<void> {
    for (const actor of [...this.#subscribers, ...this.#restless]) {
      await until(`${actor.client.clientId} to be there`, async () => (await this.#comeIn(actor)) || undefined);
    }
    for (const actor of this.#subscribers) this.#run(this.#attend(actor));
    for (const [i, actor] of this.#restless.entries()) this.#run(i < 3 ? this.#sleep(actor) : this.#move(actor));
    for (const [i, actor] of this.#lamps.entries()) this.#run(this.#shine(actor, i % 2 === 0));
    for (const actor of this.#publishers) this.#run(this.#publish(actor));
  }

  /** Waits until so many more messages have been published. */
  async progress(messages: number): Promise<void> {
    const goal = this.#published + messages;
    await until(
      `${messages} more messages to be published`,
      () => {
        if (this.#failure !== undefined) throw this.#failure;
        return this.#published >= goal || undefined;
      },
      this.#plan.answerMs + connectMs,
    );
  }

  /** Ends it: everybody comes back, everything arrives that must, and it is judged. */
  async settle(drainMs: number): Promise<KillLoadResult> {
    this.#isOver = true;
    await Promise.all(this.#tasks);
    for (const { client } of this.#publishers) await this.#finish(client);
    const readers = [...this.#subscribers, ...this.#restless];
    for (const actor of readers) {
      await until(
        `${actor.client.clientId} to be there`,
        async () => (await this.#comeIn(actor)) || undefined,
        drainMs,
      );
    }
    try {
      await until('all that is owed', () => this.#history.outstanding === 0 || undefined, drainMs);
    } catch {
      // What is owed then is lost, and the verdict says which.
    }
    // What the server has sent before it answers has come: no second copy is still on its way.
    await Promise.all(readers.map(({ client }) => client.ping()));
    const verdict = this.#history.verdict();
    const clients = [...readers, ...this.#publishers, ...this.#lamps].map(({ client }) => client);
    for (const client of clients) client.cut();
    return {
      verdict,
      explanation: this.#history.explain(verdict),
      problems: clients.flatMap(({ problems }) => problems),
    };
  }

  #run(task: Promise<void>): void {
    this.#tasks.push(
      task.catch((error: unknown) => {
        this.#failure ??= error;
      }),
    );
  }

  // Coming and going -------------------------------------------------------------------------------------------------

  /** Connects to some node, unless it is connected, and subscribes if that is needed. @returns whether it is done */
  async #comeIn(actor: Actor, takesOver = false): Promise<boolean> {
    const { client, wanted } = actor;
    if (!client.isConnected || takesOver) {
      try {
        await client.connect();
      } catch {
        client.cut(); // nobody listens there, or nobody answers
        await pause(tickMs);
      }
      if (!client.isConnected) return false;
      if (!client.isPersistent) actor.isSubscribed = false;
    }
    if (!actor.isSubscribed && wanted.length > 0) actor.isSubscribed = await client.subscribe(wanted);
    return client.isConnected && (actor.isSubscribed || wanted.length === 0);
  }

  /** Is there, all the time that it can be. */
  async #attend(actor: Actor): Promise<void> {
    while (!this.#isOver) {
      if (await this.#comeIn(actor)) await this.#stays(actor, Number.POSITIVE_INFINITY);
    }
  }

  /** Is there for a while, then away for a while, without a word or with one. */
  async #sleep(actor: Actor): Promise<void> {
    while (!this.#isOver) {
      if (!(await this.#comeIn(actor))) continue;
      await this.#stays(actor, this.#random.between(100, 600));
      if (actor.client.isConnected) await this.#leave(actor.client);
      await this.#passes(this.#random.between(100, 1500));
    }
  }

  /** Comes again and again while it is there. */
  async #move(actor: Actor): Promise<void> {
    while (!this.#isOver) if (await this.#comeIn(actor, true)) await this.#stays(actor, this.#random.between(50, 300));
  }

  /** Has a Will Message. @param isHasty it is back at once when it was lost, before anybody knows why */
  async #shine({ client }: Actor, isHasty: boolean): Promise<void> {
    while (!this.#isOver) {
      await client
        .connect(() => {
          const qos = this.#random.pick([1, 1, 2] as const);
          return { n: client.nextNumber(), topic: `will/${client.clientId}`, qos, retain: false, delaySeconds: 0 };
        })
        .catch(() => client.cut());
      if (!client.isConnected) {
        await pause(tickMs);
        continue;
      }
      await this.#stays({ client, wanted: [], isSubscribed: false }, this.#random.between(1000, 8000));
      if (client.isConnected) await this.#leave(client);
      else if (!isHasty) await this.#passes(3000);
    }
  }

  async #leave(client: LoadClient): Promise<void> {
    if (this.#random.percent(50)) client.cut();
    else await client.disconnect();
  }

  /** Waits until a Client has lost its connection, or so many messages have been published. */
  async #stays({ client }: Actor, messages: number): Promise<void> {
    const goal = this.#published + messages;
    while (client.isConnected && this.#published < goal && !this.#isOver) await pause(tickMs);
  }

  async #passes(messages: number): Promise<void> {
    const goal = this.#published + messages;
    while (this.#published < goal && !this.#isOver) await pause(tickMs);
  }

  // Publishing -------------------------------------------------------------------------------------------------------

  async #publish(actor: Actor): Promise<void> {
    const { client } = actor;
    while (!this.#isOver) {
      if (!(await this.#comeIn(actor))) continue;
      for (let burst = this.#random.between(1, 3); burst > 0 && client.hasRoom; burst--) {
        client.publish({
          topic: `load/${this.#random.pick(areas)}/${this.#random.pick(kinds)}`,
          qos: this.#random.pick([0, 1, 1, 2, 2] as const),
          retain: this.#random.percent(3),
          sizeBytes: this.#random.percent(5) ? this.#random.below(4000) : this.#random.below(200),
        });
        this.#published += 1;
      }
      client.flush();
      await pause(tickMs);
      await client.whenRoomy();
    }
  }

  /** Lets a publisher have all its answers, wherever it gets them. */
  async #finish(client: LoadClient): Promise<void> {
    const actor = { client, wanted: [], isSubscribed: false };
    await until(
      `answers to ${client.clientId}`,
      async () => ((await this.#comeIn(actor)) && client.unanswered === 0) || undefined,
      this.#plan.answerMs,
    );
    await client.ping();
  }

  // Drawing ----------------------------------------------------------------------------------------------------------

  #make(clientId: string, isPersistent: boolean, wanted: readonly Wanted[]): Actor {
    const client = new LoadClient({
      url: () => this.#random.pick(this.#plan.urls),
      history: this.#history,
      clientId,
      version: this.#random.pick<ProtocolVersion>([3, 4, 5, 5, 5]),
      isPersistent,
      receiveMaximum: this.#random.between(5, 100),
      sendMaximum: this.#random.between(5, 40),
      topicAliasMaximum: 0,
      isForgiving: true,
      connectMs,
      answerMs: this.#plan.answerMs,
    });
    return { client, wanted, isSubscribed: false };
  }

  #wish(): readonly Wanted[] {
    const filters = new Set<string>();
    for (let count = this.#random.between(1, 2); count > 0; count--) filters.add(this.#filter());
    return [...filters].map((topicFilter) => ({ topicFilter, qos: this.#random.pick<QoS>([0, 1, 2, 2]) }));
  }

  #filter(): string {
    const [area, kind] = [this.#random.pick(areas), this.#random.pick(kinds)];
    return this.#random.pick([`load/${area}/${kind}`, `load/${area}/#`, `load/+/${kind}`]);
  }
}
