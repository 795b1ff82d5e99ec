export { Broker } from './broker.ts';
export { Client } from './client.ts';
export type { Limits } from './limits.ts';
export { defaultLimits } from './limits.ts';
export { NodeIdTaken } from './membership.ts';
export { memoryStore } from './memory/store.ts';
export type { Delivery, Message } from './message.ts';
export type { DropReason, Fact, Gauges, Observer, StoredGauges, WillOutcome } from './observer.ts';
export { Counters, dropReasons, willOutcomes } from './observer.ts';
export type { Accepted, CloseReason, Credentials, Origin, Outlet } from './outlet.ts';
export { closeReasons } from './outlet.ts';
export type { Policy, SharedStrategy } from './policy.ts';
export { defaultPolicy, sharedStrategies } from './policy.ts';
export type {
  Authentication,
  AuthenticationExchange,
  AuthenticationMethod,
  AuthenticationStep,
  Authenticator,
  Authorizer,
  BrokerPorts,
  Clock,
  Random,
  Store,
} from './ports.ts';
export type {
  ClusterPorts,
  Member,
  MemberLease,
  Members,
  PeerInbox,
  PeerMessage,
  PeerPush,
  Peers,
  Renewal,
} from './peer-ports.ts';
export { mark, StoreUnavailable } from './ports.ts';
