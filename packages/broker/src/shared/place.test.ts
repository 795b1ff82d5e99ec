import { ReasonCode } from '@skein/protocol';
import { expect, it } from 'vitest';
import { acquireOf, messageOn, subscriptionTo, textOf } from '../contract/samples.ts';
import type { Enqueue, EnqueueTarget } from '../ports.ts';
import { LaneTrial } from '../testing/lane-trial.ts';
import type { PendingCall } from '../testing/unreliable-store.ts';
import { sharedUid } from './uid.ts';

// Placing messages with stored members where the store is slow to answer, refuses, or has to be asked again.

const sharedFilter = '$share/g/t';

/** A stored Session that shares the filter, and whose Client is away. */
async function member(trial: LaneTrial, clientId: string): Promise<void> {
  const { claim } = await trial.behind.sessions.acquire(acquireOf(clientId));
  await trial.behind.sessions.subscribe(claim, [subscriptionTo(sharedFilter)]);
  await trial.behind.routes.put([
    { topicFilter: sharedFilter, clientId, generation: claim.generation, isStored: true, heldBy: '' },
  ]);
  await trial.behind.sessions.release({ claim, sessionExpirySeconds: 3600, will: 'drop', sentSeq: 0 });
}

it('[MQTT-4.8.2-5] rule: Unknown outcome. A member had it, and is over when the store is asked once more: nobody else gets it', async () => {
  const trial = await LaneTrial.open();
  for (const clientId of ['ann', 'bob']) await member(trial, clientId);
  const first: PendingCall[] = [];
  trial.meet = (call) => {
    if (call.name !== 'queues.enqueue' || first.push(call) > 1) return call.answer();
    call.do(); // and the answer is lost
  };
  const pushed = trial.push(messageOn('t', 'm', { qos: 2 }), { uid: 'u' });
  await trial.around.clock.settle();

  const [{ targets }] = (first[0] as PendingCall).args[0] as [Enqueue];
  const { clientId, generation } = targets[0] as EnqueueTarget;
  await trial.behind.sessions.acquire(acquireOf(clientId, { cleanStart: true }));
  const left = { clientId, generation, isOver: true, sharedFilters: [sharedFilter] };
  const taken = await trial.behind.shared.take(left, [sharedFilter], 10);
  expect(taken.map(({ message }) => textOf(message))).toEqual(['m']); // others are about to get it, as its heirs

  first[0]?.fail();
  await trial.around.clock.advance(1000);
  expect(pushed.reasonCode).toBeDefined();
  expect(trial.around.dropped).toEqual({ member_gone: 1 });
  const other = clientId === 'ann' ? 'bob' : 'ann';
  const { claim } = await trial.behind.sessions.acquire(acquireOf(other));
  expect(await trial.queueOf(claim)).toEqual([]);
});

it('a store that refuses a member a message for certain costs no other message of the batch anything', async () => {
  const trial = await LaneTrial.open({ queueMaxMessages: 1 });
  for (const clientId of ['ann', 'bob', 'cyd']) await member(trial, clientId);
  const plain = await trial.stored('plain', subscriptionTo('p'));
  const filled = trial.push(messageOn('t', 'fills one'));
  await trial.around.clock.settle();
  expect(filled.reasonCode).toBe(ReasonCode.success);

  // All that goes to a second member is refused: the first round has been written by then.
  let calls = 0;
  trial.meet = (call) => {
    const isLater = call.name === 'queues.enqueue' && ++calls > 1;
    if (isLater) call.fail(new Error('this cannot be stored'));
    else call.answer();
  };
  const pushed = [
    trial.push(messageOn('p', 'plain')),
    ...['1', '2', '3'].map((text) => trial.push(messageOn('t', text))),
  ];
  for (let turn = 0; turn < 10; turn++) await trial.around.clock.settle();
  expect(pushed.map(({ reasonCode }) => reasonCode)).toEqual(Array(4).fill(ReasonCode.success));
  expect(await trial.queueOf(plain)).toEqual(['plain']);
  // Two had room, and the third was to go to the one that was full.
  expect([trial.queued, trial.around.dropped]).toEqual([4, { store_refused: 1 }]);
});

it('rule: One choice. A Session that another node has chosen is asked though its route is gone: it may have had the message, or not', async () => {
  for (const hasHad of [true, false]) {
    const trial = await LaneTrial.open();
    const { claim } = await trial.behind.sessions.acquire(acquireOf('ann b', { cleanStart: true }));
    await trial.behind.sessions.subscribe(claim, [subscriptionTo(sharedFilter)]);
    await member(trial, 'bob');
    const { clientId, generation } = claim;
    const choice = { uid: 'u', sharedFilter, member: `online ${generation} mark ${clientId}`, instead: undefined };
    await trial.behind.shared.choose([choice]);
    const message = messageOn('t', 'm', { qos: 2 });
    if (hasHad) {
      const targets = [{ clientId, generation, topicFilters: [sharedFilter], onlineOnly: true }];
      await trial.behind.queues.enqueue([{ message, targets, isRefusable: false, uid: sharedUid('u', sharedFilter) }]);
    }
    await trial.behind.sessions.unsubscribe(claim, [sharedFilter]);

    const pushed = trial.push(message, { uid: 'u' });
    for (let turn = 0; turn < 10; turn++) await trial.around.clock.settle();
    expect(pushed.reasonCode).toBe(ReasonCode.success);
    const bob = await trial.behind.sessions.acquire(acquireOf('bob'));
    const queues = [await trial.queueOf(claim), await trial.queueOf(bob.claim)];
    expect([queues, trial.around.dropped]).toEqual([hasHad ? [['m'], []] : [[], ['m']], {}]);
  }
});

it('what one message of a batch has found out about members, all know', async () => {
  const trial = await LaneTrial.open({ queueMaxMessages: 1 });
  const names = Array.from({ length: 40 }, (_, i) => `c${i}`);
  for (const clientId of names) await member(trial, clientId);
  const batch = async (): Promise<void> => {
    for (const name of names) trial.push(messageOn('t', name));
    for (let turn = 0; turn < 20; turn++) await trial.around.clock.settle();
  };
  await batch();
  expect([trial.queued, trial.around.dropped]).toEqual([40, {}]);
  trial.log.length = 0;
  await batch();
  expect(trial.around.dropped).toEqual({ queue_full: 40 });
  expect(trial.log).toEqual(['routes.version', 'queues.enqueue']);
});
