// The scenarios, as steps.

import { nowMs } from './clock.ts';
import type { Role } from './dialler.ts';
import { tickOf } from './load.ts';
import { fanOut, linesOfPublisher, type Plan } from './plan.ts';
import type { Checked } from './scenario.ts';
import type { Script } from './script.ts';

/** Plays the scenario of the plan to its end; then the script has its phases. */
export async function playScenario(script: Script): Promise<Checked> {
  switch (script.plan.scenario) {
    case 'p2p':
    case 'fan-in':
    case 'fan-out':
    case 'shared':
    case 'subs':
      return stream(script);
    case 'connect':
      return connections(script);
    case 'retained':
      return retained(script);
    case 'offline':
      return offline(script);
  }
}

/** Subscribers are there, publishers publish. */
async function stream(script: Script): Promise<Checked> {
  const { plan, crew } = script;
  await script.connect(['subscribers', 'publishers']);
  if (plan.scenario === 'subs') await subscribeAll(script);
  else await script.subscribe();
  await crew.pause(plan.settleSeconds * 1000);
  await load(script);
  const checked = await script.judge();
  await leave(script);
  return checked;
}

/** SUBSCRIBE after SUBSCRIBE; that is a phase. */
async function subscribeAll(script: Script): Promise<void> {
  const { filters } = script.plan;
  script.enter(
    'subscribe',
    'filter',
    (totals) => totals.filters,
    (count) => count / filters,
  );
  const before = script.moment();
  const acknowledgements = await script.subscribe();
  script.leave({ before, after: script.moment(), count: filters, acknowledgements });
}

async function load(script: Script): Promise<void> {
  const { plan, crew } = script;
  const { count, warmupSeconds, durationSeconds } = plan;
  const each = fanOut(plan);
  const timed = count === 0;
  const whole = warmupSeconds + durationSeconds;
  script.enter(
    'load',
    'message',
    ({ delivered }) => delivered,
    (delivered, seconds) => (timed ? seconds / whole : delivered / (count * each)),
  );
  const limits = timed ? undefined : divided(count, plan.publishers);
  let before = script.moment();
  const begun = await script.begin({ rate: plan.rate, tickMs: tickOf(plan.rate), fanOut: each, limits }, timed);
  let after = before;
  if (timed) {
    await crew.pause(begun.recordFromMs - nowMs());
    before = script.moment();
    await crew.pause(plan.rate > 0 ? begun.recordToMs - nowMs() : durationSeconds * 1000);
    after = script.moment();
    await crew.all('halting', 'halt');
    await script.drain(each);
  } else {
    await script.drain(each, count);
    after = script.moment();
    await crew.all('halting', 'halt');
  }
  const accounts = await crew.all('adding up', 'account');
  script.leave({
    before,
    after,
    count: after.totals.delivered - before.totals.delivered,
    sent: after.totals.sent - before.totals.sent,
    ...(timed ? {} : { endMs: Math.max(after.totals.deliveredLastMs, after.totals.completedLastMs) }),
    latencies: accounts.map(({ latencies }) => latencies),
    acknowledgements: accounts.map(({ acknowledgements }) => acknowledgements),
    ...(plan.rate > 0 ? { sentLateMsMax: Math.max(...accounts.map(({ sentLateMsMax }) => sentLateMsMax)) } : {}),
  });
}

/** Many connect, and then do nothing. */
async function connections(script: Script): Promise<Checked> {
  const { plan, crew } = script;
  const empty = script.moment();
  await script.connect(['clients'], plan.rate);
  script.enter(
    'idle',
    'connection',
    ({ connected }) => connected,
    (_, seconds) => seconds / plan.holdSeconds,
  );
  const before = script.moment();
  await crew.pause(plan.holdSeconds * 1000);
  script.leave({ before, after: script.moment(), count: plan.clients, grownSince: empty });
  const checked = await script.judge();
  await leave(script, ['clients']);
  return checked;
}

/** Messages are stored under many topics; then somebody asks for all of them. */
async function retained(script: Script): Promise<Checked> {
  const { plan, crew } = script;
  const { messages, subscribers } = plan;
  await script.connect(['publishers']);
  await store(script, 'store', messages);
  await crew.pause(plan.settleSeconds * 1000);
  // Their connecting is measured in scenarios of its own.
  await script.open('subscribers', !plan.storedSessions);
  const wanted = messages * subscribers;
  script.enter(
    'receive',
    'message',
    ({ delivered }) => delivered,
    (count) => count / wanted,
  );
  const before = script.moment();
  await script.subscribe();
  await script.drain(subscribers);
  const after = script.moment();
  const { delivered, deliveredLastMs } = after.totals;
  script.leave({ before, after, count: delivered, endMs: Math.max(deliveredLastMs, before.atMs) });
  const checked = await script.judge();
  await crew.all('disconnecting', 'disconnect', 'subscribers');
  if (!plan.keep) await crew.all('clearing', 'clearRetained');
  await leave(script);
  return checked;
}

/** Stored Sessions go away, messages come, the Sessions come back. */
async function offline(script: Script): Promise<Checked> {
  const { plan, crew } = script;
  const wanted = plan.subscribers * plan.messages;
  await script.connect(['subscribers']);
  await script.subscribe();
  await crew.all('disconnecting', 'disconnect', 'subscribers');
  await script.open('publishers', true);
  await crew.pause(plan.settleSeconds * 1000);
  await store(script, 'enqueue', wanted);
  await crew.all('disconnecting', 'disconnect', 'publishers');
  await crew.pause(plan.settleSeconds * 1000);
  script.enter(
    'deliver',
    'message',
    ({ delivered }) => delivered,
    (count) => count / wanted,
  );
  const before = script.moment();
  const { present } = await script.open('subscribers', false);
  script.sessionsGone += plan.subscribers - present;
  await script.drain(1);
  const after = script.moment();
  const { delivered, deliveredLastMs } = after.totals;
  script.leave({ before, after, count: delivered, endMs: Math.max(deliveredLastMs, before.atMs) });
  const checked = await script.judge();
  await leave(script);
  return checked;
}

/** Publishes so many messages that nobody receives yet. */
async function store(script: Script, name: 'store' | 'enqueue', count: number): Promise<void> {
  const { plan, crew } = script;
  const { qos } = plan;
  script.enter(
    name,
    'message',
    ({ sent, completed }) => (qos === 0 ? sent : completed),
    (done) => done / count,
  );
  const limits = limitsByLines(plan);
  const before = script.moment();
  const begun = await script.begin({ rate: plan.rate, tickMs: tickOf(plan.rate), fanOut: 0, limits }, false);
  await script.drain(0, count);
  const after = script.moment();
  const { completedLastMs } = after.totals;
  const accounts = await crew.all('adding up', 'account');
  const acknowledgements = accounts.map((account) => account.acknowledgements);
  await crew.all('halting', 'halt');
  const sent = after.totals.sent;
  script.leave({
    before: { ...before, atMs: begun.startMs },
    after,
    count: qos === 0 ? sent : after.totals.completed - after.totals.refused,
    sent,
    ...(qos === 0 ? {} : { endMs: Math.max(completedLastMs, begun.startMs), acknowledgements }),
  });
}

/** Everybody goes, and nothing stays behind. */
async function leave(script: Script, roles: readonly Role[] = ['publishers', 'subscribers']): Promise<void> {
  const { plan, crew } = script;
  for (const role of roles) {
    await crew.all('disconnecting', 'disconnect', role);
    if (!plan.storedSessions || plan.keep) continue;
    await script.open(role, true);
    await crew.all('disconnecting', 'disconnect', role);
  }
}

/** As many messages to each publisher as it has lines, or that many for each. */
function limitsByLines(plan: Plan): number[] {
  const each = plan.scenario === 'offline' ? plan.messages : 1;
  return Array.from({ length: plan.publishers }, (_, publisher) => linesOfPublisher(plan, publisher).count * each);
}

function divided(count: number, parts: number): number[] {
  return Array.from({ length: parts }, (_, part) => Math.floor(count / parts) + (part < count % parts ? 1 : 0));
}
