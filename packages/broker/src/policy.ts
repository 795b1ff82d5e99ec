// How the broker behaves where the specification leaves a choice, and no limit is meant.

/** How the next member of a shared group is chosen, among those that are online. */
export const sharedStrategies = ['round-robin', 'local', 'hash', 'sticky'] as const;

/** How the next member of a shared group is chosen. */
export type SharedStrategy = (typeof sharedStrategies)[number];

/** Choices of one node. */
export interface Policy {
  /**
   * `round-robin`: one after the other. `local`: the same, of those connected to the publisher's node if there are any.
   * `hash`: the same member for the same publisher. `sticky`: one member until it is gone.
   */
  readonly sharedStrategy: SharedStrategy;
  /**
   * What a Client is told that asks for Response Information, `%c` standing for its Client Identifier: where it may have
   * responses sent to [§3.2.2.3.14]. Undefined: nothing.
   */
  readonly responseInformation: string | undefined;
  /** Another server, named to Clients when this one shuts down [§4.11]. Undefined: none. */
  readonly serverReference: string | undefined;
}

export const defaultPolicy: Policy = {
  sharedStrategy: 'round-robin',
  responseInformation: undefined,
  serverReference: undefined,
};
