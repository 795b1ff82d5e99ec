import type { Packet } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from './contract/index.ts';
import { messageOn } from './contract/samples.ts';
import { BrokerTrial, publishPacket } from './testing/broker-trial.ts';
import type { PendingCall } from './testing/unreliable-store.ts';

// A publisher replaces a retained message while somebody subscribes. What either asks of the store may be done, and
// answered, before or after anything that the other asks: all orders are tried, one after the other.

/** What is chosen among the things that may happen next: which one, of how many. */
type Choose = (count: number) => number;

interface Race {
  readonly isStored: boolean;
  readonly subscribeQos: 0 | 1;
  readonly publishQos: 0 | 1;
  /** What is published, in order; '' removes the retained message. */
  readonly values: readonly string[];
}

/** Of this call it matters when it is done and when its answer arrives: what the page says may be old by then. */
const split = 'retained.page';
/** Calls that are not raced with. */
const aside = new Set(['queues.ack', 'queues.read', 'shared.left', 'wills.claim', 'sessions.ended']);

/** What came of a race. */
interface Outcome {
  /** What the subscriber got of the topic, in order. */
  readonly got: readonly string[];
  /** What was published when it had the SUBACK, and had reached it when its page was read. */
  readonly before: readonly string[];
}

/** Runs one race. */
async function run({ isStored, subscribeQos, publishQos, values }: Race, choose: Choose): Promise<Outcome> {
  const trial = await BrokerTrial.start();
  const first = messageOn('a', '1', { retain: true, publisherId: 'publisher', qos: publishQos });
  await trial.behind.retained.set([{ message: first, uid: undefined, order: { epoch: 0, n: 1 } }]);
  const subscriber = await trial.connect('subscriber', { sessionExpirySeconds: isStored ? 3600 : 0 });
  const publisher = await trial.connect('publisher', { sessionExpirySeconds: 0 });
  const pending: PendingCall[] = [];
  trial.meet = (call) => (aside.has(call.name) ? call.answer() : pending.push(call));
  const request = { topicFilter: 'a', qos: subscribeQos, noLocal: false, retainAsPublished: false, retainHandling: 0 };
  subscriber.client.receive({
    type: 'subscribe',
    packetId: 1,
    subscriptions: [request],
    properties: undefined,
  } as Packet);
  const got: string[] = [];
  const after = new Set<string>();
  let before: string[] = [];
  let isAcknowledged = false;
  let published = 0;
  for (;;) {
    await trial.clock.settle();
    for (const packet of subscriber.outlet.take()) {
      if (packet.type === 'suback') isAcknowledged = true;
      if (packet.type !== 'publish') continue;
      got.push(packet.text);
      if (packet.qos > 0) {
        subscriber.client.receive({ type: 'puback', packetId: packet.packetId, reasonCode: 0, properties: undefined });
      }
    }
    // Each thing that may happen: the next message is published, a call is done, a call is answered.
    const events: (() => unknown)[] = [];
    if (published < values.length) {
      events.push(() => {
        const value = values[published++] as string;
        // The store has said by then where the queue ended.
        if (isAcknowledged && !pending.some(({ name }) => name === 'queues.ends')) after.add(value);
        publisher.client.receive(publishPacket('a', value, publishQos, publishQos === 0 ? 0 : published, false, true));
      });
    }
    for (const call of pending) {
      if (call.name === split && !call.isDone) {
        events.push(() => {
          before = got.filter((value) => after.has(value));
          call.do();
        });
      } else {
        events.push(() => {
          pending.splice(pending.indexOf(call), 1);
          call.answer();
        });
      }
    }
    const event = events[events.length > 1 ? choose(events.length) : 0];
    if (event === undefined) break;
    event();
  }
  await trial.clock.settle();
  return { got, before };
}

/** What is wrong with what the subscriber got; undefined if nothing is. */
function faultOf({ got, before }: Outcome, values: readonly string[]): string | undefined {
  const order = ['1', ...values];
  const numbers = got.map((value) => order.indexOf(value));
  if (numbers.some((number, i) => i > 0 && number < (numbers[i - 1] as number)))
    return 'an older value after a newer one';
  if (before.some((value) => got.indexOf(value) !== got.lastIndexOf(value)))
    return 'a value that came before its page was read, twice';
  const last = order.length - 1;
  // A removal is told to whoever had subscribed by then; to whoever comes after it, nothing.
  if (numbers.at(-1) !== last && !(order[last] === '' && numbers.length === 0)) return 'the last value is missing';
  return undefined;
}

/** Runs a race in every order. @returns how many there are */
async function runAll(race: Race): Promise<number> {
  let path: { at: number; count: number }[] = [];
  for (let runs = 1; ; runs++) {
    let depth = 0;
    const outcome = await run(race, (count) => {
      const step = path[depth] ?? { at: 0, count };
      path[depth++] = step;
      return step.at;
    });
    const fault = faultOf(outcome, race.values);
    expect(
      fault,
      `${JSON.stringify(race)} in the order ${path.map(({ at }) => at).join()}: got ${outcome.got}`,
    ).toBeUndefined();
    while (path.length > 0 && (path.at(-1) as { at: number; count: number }).at + 1 === path.at(-1)?.count) path.pop();
    const step = path.at(-1);
    if (step === undefined) return runs;
    path = [...path.slice(0, -1), { at: step.at + 1, count: step.count }];
  }
}

describe('rule: Retained, who subscribes while a retained message is replaced gets the new one, no old one after it, and once what came before its page was read', () => {
  for (const isStored of [true, false]) {
    for (const subscribeQos of [0, 1] as const) {
      for (const publishQos of [0, 1] as const) {
        const name = `a ${isStored ? 'stored' : 'volatile'} Session at QoS ${subscribeQos}, published at QoS ${publishQos}`;
        const race = { isStored, subscribeQos, publishQos };
        it(`${name}, in every order`, { timeout: 60_000 }, async () => {
          expect(await runAll({ ...race, values: ['2'] })).toBeGreaterThan(5);
        });

        it(`${name}, where it is replaced and removed, in any order`, { timeout: 60_000 }, async () => {
          const seed = Math.trunc(Math.random() * 0x7fffffff);
          const random = new SeededRandom(seed);
          for (const values of [
            ['2', '3'],
            ['2', ''],
            ['', '3'],
          ]) {
            for (let runs = 0; runs < 15; runs++) {
              const outcome = await run({ ...race, values }, (count) => random.below(count));
              const told = `seed ${seed}, run ${runs}, ${values}: got ${outcome.got}`;
              expect(faultOf(outcome, values), told).toBeUndefined();
            }
          }
        });
      }
    }
  }
});
