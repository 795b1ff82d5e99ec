// The words of the broker's ports, taken from the one type that holds them all.

import type { Store } from '@skein/broker';

export type Sessions = Store['sessions'];
export type Queues = Store['queues'];
export type Inbound2 = Store['inbound'];
export type Retained = Store['retained'];
export type Routes = Store['routes'];
export type Wills = Store['wills'];
export type Members = Store['members'];
export type Shared = Store['shared'];

export type Acquire = Parameters<Sessions['acquire']>[0];
export type Acquired = Awaited<ReturnType<Sessions['acquire']>>;
export type Release = Parameters<Sessions['release']>[0];
export type Released = Exclude<Awaited<ReturnType<Sessions['release']>>, 'fenced'>;
export type Claim = Acquired['claim'];
export type StoredSubscription = Acquired['subscriptions'][number];
export type DueWill = Acquired['wills'][number];
export type EndedSession = Awaited<ReturnType<Sessions['ended']>>[number];

export type Enqueue = Parameters<Queues['enqueue']>[0][number];
export type EnqueueTarget = Enqueue['targets'][number];
export type EnqueueOutcome = NonNullable<Awaited<ReturnType<Queues['enqueue']>>[number]>[number];
export type Owner = NonNullable<Extract<EnqueueOutcome, { is: 'queued' }>['owner']>;
export type QueueRead = Exclude<Awaited<ReturnType<Queues['read']>>, 'fenced'>;
export type QueueEntry = QueueRead['entries'][number];
export type QueueAck = Parameters<Queues['ack']>[0][number];
export type Ingress = Parameters<Inbound2['ingress']>[0][number];
export type Append = Parameters<Queues['append']>[0];
export type Appended = Awaited<ReturnType<Queues['append']>>;

export type SharedChoice = Parameters<Shared['choose']>[0][number];
export type LeftSession = Parameters<Shared['pass']>[0];
export type TakenMessage = Parameters<Shared['done']>[0][number];

export type RetainedSet = Parameters<Retained['set']>[0][number];
export type RetainedPage = Awaited<ReturnType<Retained['page']>>;

export type Route = Parameters<Routes['put']>[0][number];
export type MemberRoute = Parameters<Routes['awayIf']>[0][number];
export type RouteChange = Parameters<Parameters<Routes['follow']>[0]>[0][number];

export type Member = Parameters<Members['join']>[0];
export type Renewal = Awaited<ReturnType<Members['renew']>>;
export type Reaped = Awaited<ReturnType<Members['reap']>>;
