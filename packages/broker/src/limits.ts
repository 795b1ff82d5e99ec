// Everything that is bounded, with the bound that holds when nobody says otherwise.

/** The limits of one node. Sizes in bytes, times in seconds unless the name says otherwise. */
export interface Limits {
  /** Largest packet a Client may send, once connected [§3.2.2.3.6]. */
  readonly maximumPacketSize: number;
  /** QoS 1 and 2 publishes a Client may have unanswered [§3.2.2.3.3]. */
  readonly receiveMaximum: number;
  /** The same for 3.x Clients, which cannot be told: reading stops at it. */
  readonly inboundInflightMax3: number;
  /** QoS 1 and 2 messages in flight to a Client, whatever larger Receive Maximum it names. */
  readonly outboundInflightMax: number;
  /** QoS 1 and 2 messages in flight to a 3.x Client, which cannot name a Receive Maximum. */
  readonly outboundInflightMax3: number;
  /** Topic Aliases a Client may set, and the most the server sets towards one [§3.2.2.3.8]. */
  readonly topicAliasMaximum: number;
  /** Longest Keep Alive; longer ones, and none, are replaced by it. 0 leaves them alone [MQTT-3.1.2-21]. */
  readonly keepAliveMaxSeconds: number;
  /** Longest Session Expiry Interval; 0xFFFFFFFF leaves it alone [§3.2.2.3.2]. */
  readonly sessionExpiryMaxSeconds: number;
  /** Messages a Session may have queued. */
  readonly queueMaxMessages: number;
  readonly queueMaxBytes: number;
  /** What happens to a message for a full queue: it is dropped, the oldest makes room, or its publisher is refused. */
  readonly queueFull: 'drop-new' | 'drop-old' | 'refuse';
  readonly subscriptionsMax: number;
  /** Levels of a Topic Name or Filter. */
  readonly topicLevelsMax: number;
  /** Length of a Topic Name or Filter in UTF-8. */
  readonly topicBytesMax: number;
  readonly clientIdBytesMax: number;
  readonly userPropertiesMax: number;
  readonly willMaxBytes: number;
  readonly retainedMaxMessages: number;
  /** How long a call to the store may take, in milliseconds. */
  readonly storeDeadlineMs: number;
  /** How long QoS 1 and 2 publishes that follow others closely are gathered before they are stored, in milliseconds. */
  readonly gatherMs: number;
  /** How long a Client whose publishes wait for the store is kept. */
  readonly storeAwayCloseSeconds: number;
}

export const defaultLimits: Limits = {
  maximumPacketSize: 1024 * 1024,
  receiveMaximum: 1024,
  inboundInflightMax3: 1024,
  outboundInflightMax: 1024,
  outboundInflightMax3: 32,
  topicAliasMaximum: 32,
  keepAliveMaxSeconds: 0,
  sessionExpiryMaxSeconds: 0xffffffff,
  queueMaxMessages: 1000,
  queueMaxBytes: 8 * 1024 * 1024,
  queueFull: 'drop-new',
  subscriptionsMax: 1000,
  topicLevelsMax: 32,
  topicBytesMax: 1024,
  clientIdBytesMax: 256,
  userPropertiesMax: 32,
  willMaxBytes: 64 * 1024,
  retainedMaxMessages: 1_000_000,
  storeDeadlineMs: 5000,
  gatherMs: 0,
  storeAwayCloseSeconds: 60,
};
