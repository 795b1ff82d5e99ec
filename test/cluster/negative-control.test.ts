// A check that never fails proves nothing: conversations that the rules carry through, each once as it is and once with
// its rule taken away. The checker must find the first one right and the second one wrong.

import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { History } from '../history/history.ts';
import { broken } from '../history/story.ts';
import { type Fault, FaultyProxy } from '../load/faulty-proxy.ts';
import { LoadClient } from '../load/load-client.ts';
import { startCluster } from '../support/cluster.ts';
import { until } from '../support/deadline.ts';
import { fresh } from '../support/fresh.ts';
import { processMs } from '../support/process.ts';
import { lasting } from '../support/sessions.ts';
import { noEpoch, tamper, unconditionalRemoval } from './faulty-store.ts';

// What is killed or cut off is found dead, and started again.
vi.setConfig({ testTimeout: 2 * processMs });

const cluster = await startCluster({ name: 'negative-control', isBreakable: true });
afterAll(() => cluster[Symbol.asyncDispose]());

/** For each conversation all nodes run, and can reach all that they should. */
beforeEach(async () => {
  for (const node of cluster.nodes) {
    node.storeWay.open();
    node.peerWay.open();
    if (!node.isRunning) await node.start();
  }
  await cluster.untilAllMeet();
}, 2 * processMs);

/** How many messages are at stake. */
const messages = 20;

/** A subscriber and a publisher whose history is judged. */
class Stage implements Disposable {
  readonly topic = fresh('news');
  readonly history = new History({ slackMs: 15_000 });
  readonly subscriber: LoadClient;
  readonly publisher: LoadClient;

  /** @param at where they connect, asked each time that they do */
  constructor(at: { readonly subscriber: () => string; readonly publisher: () => string }) {
    this.subscriber = this.#client(fresh('subscriber'), at.subscriber);
    this.publisher = this.#client(fresh('publisher'), at.publisher);
  }

  #client(clientId: string, url: () => string): LoadClient {
    return new LoadClient({
      ...{ url, history: this.history, clientId, version: 5, isPersistent: true, isForgiving: true },
      ...{ receiveMaximum: 100, sendMaximum: 50, topicAliasMaximum: 0, connectMs: 4000 },
    });
  }

  async subscribe(): Promise<void> {
    expect(await this.subscriber.subscribe([{ topicFilter: this.topic, qos: 1 }])).toBe(true);
  }

  publishAll(): void {
    const making = { topic: this.topic, qos: 1, retain: false, sizeBytes: 50 } as const;
    for (let n = 0; n < messages; n++) this.publisher.publish(making);
    this.publisher.flush();
  }

  /** Waits for all answers and all that is owed, and has it judged. @param isRight what the verdict must be */
  async conclude(isRight: boolean): Promise<void> {
    await until('the answers', () => this.publisher.unanswered === 0 || undefined);
    const owed = until('what is owed', () => this.history.outstanding === 0 || undefined, isRight ? processMs : 2000);
    await owed.catch(() => {}); // the verdict says it
    const verdict = this.history.verdict();
    expect(verdict.counts.owed).toBeGreaterThanOrEqual(messages);
    if (isRight) expect(this.history.explain(verdict)).toBe('ok');
    else expect(broken(verdict)).toEqual({ lost: messages });
  }

  [Symbol.dispose](): void {
    this.subscriber.cut();
    this.publisher.cut();
  }
}

/** Acknowledges for the broker what the broker has not seen yet. */
function acknowledgeAtOnce(): Fault {
  return {
    toServer(packet, line) {
      if (packet.type !== 'publish' || packet.qos !== 1) return false;
      line.toClient({ type: 'puback', packetId: packet.packetId, reasonCode: 0, properties: undefined });
      return false;
    },
    toClient: ({ type }) => type === 'puback',
  };
}

describe('a node that is killed before it has stored what it was given', () => {
  it.each([
    { name: 'has not acknowledged it: it is published again', fault: {} as Fault, isRight: true },
    { name: 'has acknowledged it: it is lost', fault: acknowledgeAtOnce(), isRight: false },
  ])(
    '$name',
    async ({ fault, isRight }) => {
      const [dying, surviving] = [cluster.node(0), cluster.node(1)];
      await using proxy = await FaultyProxy.start(dying.url, fault);
      let url = proxy.url;
      using stage = new Stage({ subscriber: () => surviving.url, publisher: () => url });
      const { subscriber, publisher } = stage;
      await subscriber.connect();
      await stage.subscribe();
      await publisher.connect();
      dying.storeWay.holdRequests();
      stage.publishAll();
      await publisher.ping(); // the node has read them
      await dying.kill();
      url = surviving.url;
      await publisher.closed;
      await publisher.connect();
      await stage.conclude(isRight);
    },
    60_000,
  );
});

describe('a node that was not told of a takeover, and is asked to unsubscribe', () => {
  it.each([
    { name: 'is refused by a store that compares epochs', isRight: true },
    { name: 'takes the Subscription from its new owner if the store does not', isRight: false },
  ])(
    '$name',
    async ({ isRight }) => {
      await using _ = isRight ? undefined : await tamper(cluster.redis, noEpoch);
      const [old, current] = [cluster.node(0), cluster.node(1)];
      using stage = new Stage({ subscriber: () => current.url, publisher: () => cluster.node(2).url });
      const { subscriber, publisher, topic } = stage;
      await subscriber.connect();
      await stage.subscribe();
      // A connection of the same Client that its application knows nothing of any more.
      const ghost = await old.connect({ ...lasting, clientId: subscriber.clientId });
      await subscriber.closed;
      old.peerWay.cut();
      await subscriber.connect();
      ghost.send({ type: 'unsubscribe', packetId: 1, topicFilters: [topic], properties: undefined });
      if (isRight) expect(await ghost.closed).toBe(true);
      else await ghost.nextOf('unsuback');
      await publisher.connect();
      stage.publishAll();
      await stage.conclude(isRight);
    },
    60_000,
  );
});

describe('a node that hears late that it has unsubscribed, and removes the route', () => {
  it.each([
    { name: 'leaves it if another node has put it anew, and the store compares versions', isRight: true },
    { name: 'removes what another node has put if the store does not', isRight: false },
  ])(
    '$name',
    async ({ isRight }) => {
      await using _ = isRight ? undefined : await tamper(cluster.redis, unconditionalRemoval);
      const [slow, current] = [cluster.node(0), cluster.node(1)];
      let url = slow.url;
      using stage = new Stage({ subscriber: () => url, publisher: () => cluster.node(2).url });
      const { subscriber, publisher, topic } = stage;
      await subscriber.connect();
      await stage.subscribe();
      const bystander = await slow.connect();
      slow.storeWay.holdAnswers();
      const unanswered = subscriber.unsubscribe(topic);
      await untilUnsubscribed(topic);
      url = current.url;
      subscriber.cut();
      await unanswered;
      await subscriber.connect();
      await stage.subscribe();
      slow.storeWay.open();
      // What it asks the store now, it asks after that.
      for (let count = 0; count < 3; count++) await bystander.publish({ topic: 'other', qos: 1 });
      await publisher.connect();
      stage.publishAll();
      await stage.conclude(isRight);
    },
    60_000,
  );

  /** Waits until no Session in Redis has the Topic Filter any more. */
  async function untilUnsubscribed(topicFilter: string): Promise<void> {
    await until('the Subscription to be gone', async () => {
      for (const key of (await cluster.redis.ask('KEYS', '*')) as readonly string[]) {
        if ((await cluster.redis.ask('TYPE', key)) !== 'hash') continue;
        if ((await cluster.redis.ask('HEXISTS', key, topicFilter)) === 1) return undefined;
      }
      return true;
    });
  }
});
