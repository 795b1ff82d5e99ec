// What a cluster must have put in order by itself when the weather has cleared, beyond what was promised to Clients.

import { textOf } from '../contract/samples.ts';
import type { MemberLease } from '../peer-ports.ts';
import type { MemberRoute, RouteChange } from '../ports.ts';
import { retainedTopics } from './simulated-connection.ts';
import type { Simulation } from './simulation.ts';

/** A lease that stands still is dead after so long; then Wills are to be published within the other. */
const leaseMs = 6000;
const publishMs = 2000;
/** Who took a Will to publish it, and has not, loses it to others after so long. */
const claimMs = 4000;
/** How long each survivor leaves a dead node to the one before it. */
const turnMs = 1500;

/** Wills of connections that were lost, published late or not at all. */
export function faultsOfWills({ history, clearedAtMs = 0, nodes }: Simulation): string[] {
  const faults: string[] = [];
  for (const { text, isForbidden, times } of history.published.values()) {
    if (times?.owedMs === undefined || isForbidden) continue;
    const fromMs = Math.max(times.owedMs, clearedAtMs);
    const isClaimed = times.claimedMs !== undefined && times.claimedMs < clearedAtMs;
    const withinMs = leaseMs + publishMs + turnMs * (nodes.length - 1) + (isClaimed ? claimMs : 0);
    if (times.doneMs === undefined) faults.push(`${text} has not been published for ${withinMs} ms and more`);
    else if (times.doneMs > fromMs + withinMs)
      faults.push(`${text} was published only after ${times.doneMs - fromMs} ms`);
  }
  return faults;
}

/** Nodes that are gone and still in the register, and Sessions that they still own. */
export async function faultsOfOwnership(simulation: Simulation): Promise<string[]> {
  const { store, gone, nodes } = simulation;
  const faults: string[] = [];
  const members = new Set((await membersOf(simulation)).map(({ node }) => node));
  for (const { name } of gone) {
    if (members.has(name)) faults.push(`${name} is still in the register`);
    const { sessions } = await store.members.reap(name, 0);
    if (sessions > 0) faults.push(`${name} is gone and still owned ${sessions} Sessions`);
  }
  for (const { name } of nodes) if (!members.has(name)) faults.push(`${name} is not in the register`);
  return faults;
}

/** What is left behind when all is quiet: in the register, in the table of routes, at the nodes. */
export async function faultsLeftBehind(simulation: Simulation): Promise<string[]> {
  return [
    ...(await faultsOfOwnership(simulation)),
    ...(await faultsOfRoutes(simulation)),
    ...(await faultsOfSessions(simulation)),
    ...(await faultsOfRetained(simulation)),
  ];
}

async function membersOf({ store }: Simulation): Promise<readonly MemberLease[]> {
  return (await store.members.renew('nobody')).members;
}

async function faultsOfRoutes(simulation: Simulation): Promise<string[]> {
  const faults: string[] = [];
  const table: RouteChange[] = [];
  await simulation.store.routes.follow((changes) => table.push(...changes));
  const members = new Set((await membersOf(simulation)).map(({ node }) => node));
  for (const route of table) {
    if ('node' in route && !members.has(route.node)) {
      faults.push(`a route for ${route.topicFilter} leads to ${route.node}`);
    }
    if ('heldBy' in route) faults.push(...faultsOfMember(simulation, route));
  }
  for (const { name, broker } of simulation.nodes) {
    if (broker.router.routes !== table.length) {
      faults.push(`${name} has ${broker.router.routes} routes of ${table.length}`);
    }
    for (const route of table) {
      const copy =
        'node' in route
          ? broker.router.routeTo(route.topicFilter, route.node)
          : broker.router.routeOf(route.topicFilter, route.generation);
      if (copy?.version !== route.version) faults.push(`${name} has another route for ${route.topicFilter}`);
    }
  }
  return faults;
}

/** A member of a shared group is where its route says. A route left over, of what is no more, says that it is nowhere. */
function faultsOfMember({ nodes }: Simulation, { clientId, topicFilter, generation, heldBy }: MemberRoute): string[] {
  const holder = nodes.find(({ broker }) => broker.sessionOf(clientId)?.claim.generation === generation);
  const isMember = holder?.broker.sessionOf(clientId)?.subscriptions.has(topicFilter) === true;
  if (heldBy === (holder?.name ?? '') || (heldBy === '' && !isMember)) return [];
  return [`a route for ${topicFilter} says that ${clientId} is at '${heldBy}', and it is at ${holder?.name}`];
}

/** Each Client is served once, by the node that the store says, and that node knows of all that is stored for it. */
async function faultsOfSessions({ store, nodes, clientIds }: Simulation): Promise<string[]> {
  const faults: string[] = [];
  for (const clientId of clientIds) {
    const serving = nodes.filter(({ broker }) => broker.sessionOf(clientId) !== undefined);
    if (serving.length !== 1) faults.push(`${clientId} is served by ${serving.map(({ name }) => name).join(' and ')}`);
    for (const { name, broker } of serving) {
      const session = broker.sessionOf(clientId);
      if (session === undefined) continue;
      const [end] = await store.queues.ends([session.claim]);
      if (end === 'fenced') faults.push(`${clientId} is another's by now, not ${name}'s`);
      else if (session.stored && end !== session.endSeq) {
        faults.push(`${name} knows ${clientId}'s messages up to ${session.endSeq}, and there are some up to ${end}`);
      }
    }
  }
  return faults;
}

/**
 * The last value of a topic is one that was published, and no older than the last one acknowledged. Of publishers whose
 * Session is stored: what another Session had on its way through another node may come later.
 */
async function faultsOfRetained({ store, history, clients }: Simulation): Promise<string[]> {
  const faults: string[] = [];
  for (const { kind } of clients) {
    if (!kind.isStored) continue;
    const topic = `${retainedTopics}${kind.clientId}`;
    const [kept] = (await store.retained.page(topic, '')).messages;
    const value = kept && textOf(kept);
    const published = [...history.published.values()].filter((message) => message.topic === topic);
    const acknowledged = published.filter(({ acknowledgedAt }) => acknowledgedAt !== undefined);
    const last = acknowledged.at(-1);
    const found = published.find(({ text }) => text === value);
    if (last !== undefined && (found?.number ?? -1) < last.number) {
      faults.push(`${topic} is ${value}, though ${last.text} was acknowledged after it`);
    }
  }
  return faults;
}
