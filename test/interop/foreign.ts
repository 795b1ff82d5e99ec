// A Client that others wrote, as the stories see it: connect, subscribe, publish, what has arrived, disconnect, kill.
//
// Each kind of Client has one adapter behind this seam; a story is written once and told by every kind, over every
// transport, in every version, on one node and on two. What a kind cannot do it says, with the reason.

/** The versions of MQTT, by the name that everybody uses. */
export type Version = '3.1' | '3.1.1' | '5.0';

/** What carries MQTT. */
export type Transport = 'tcp' | 'websocket';

/** The QoS of a message or a subscription. */
export type Qos = 0 | 1 | 2;

/** Properties of a message, those of 5.0 that go from end to end and those of the hop [MQTT5 3.3.2.3]. */
export interface MessageProperties {
  readonly userProperties?: readonly (readonly [string, string])[];
  readonly contentType?: string;
  readonly responseTopic?: string;
  /** Binary by the specification; text here, since one of the Clients takes it as an argument. */
  readonly correlationData?: string;
  readonly messageExpirySeconds?: number;
  readonly payloadFormat?: number;
  /** Only in what a Client sends: whoever receives sees the Topic Name. */
  readonly topicAlias?: number;
  /** Only in what arrives. */
  readonly subscriptionIdentifiers?: readonly number[];
}

/** A message to be published. */
export interface Message extends MessageProperties {
  /** May be empty where `topicAlias` stands for it. */
  readonly topic: string;
  readonly payload: string | Uint8Array;
  readonly qos: Qos;
  /** Default false. */
  readonly retain?: boolean;
}

/** A message as it arrived. */
export interface Arrived {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: number;
  readonly retain: boolean;
  readonly properties: MessageProperties;
}

/** What a subscription is asked for with. */
export interface Subscribing {
  readonly qos: Qos;
  readonly subscriptionIdentifier?: number;
}

/** How a Client connects. */
export interface Connecting {
  /** `mqtt://host:port` or `ws://host:port/mqtt`. */
  readonly url: string;
  readonly version: Version;
  readonly clientId: string;
  /** Clean Session in 3.1 and 3.1.1, Clean Start in 5.0. Default true. */
  readonly clean?: boolean;
  /** 5.0 only. Default 0. */
  readonly sessionExpirySeconds?: number;
  /** Default 30. */
  readonly keepAliveSeconds?: number;
  readonly receiveMaximum?: number;
  readonly topicAliasMaximum?: number;
  readonly will?: { readonly topic: string; readonly payload: string; readonly qos: Qos };
}

/** That the Server ended the Network Connection. */
export interface Ended {
  /** Of its DISCONNECT, if there was one and the Client tells it: see {@link Kind.tellsReasonCode}. */
  readonly reasonCode: number | undefined;
}

/** A Client that is connected, or was. Disposing of it ends it, gently or not. */
export interface ForeignClient extends AsyncDisposable {
  /** What the CONNACK said; undefined if this kind of Client does not tell. */
  readonly sessionPresent: boolean | undefined;
  /** All that has arrived, in order. */
  readonly arrived: readonly Arrived[];
  /** Set once the Server has ended the Network Connection. */
  readonly ended: Ended | undefined;
  /** How many PINGRESPs it has heard. */
  readonly pings: number;
  /** Subscribes, and waits for the SUBACK. @returns the QoS that was granted */
  subscribe(topicFilter: string, options: Subscribing): Promise<number>;
  /** Unsubscribes, and waits for the UNSUBACK. */
  unsubscribe(topicFilter: string): Promise<void>;
  /**
   * Publishes on one Network Connection, one after the other or together, and waits for all acknowledgements. Several
   * messages differ in their payload only, except that the first may name the Topic which the others give by its alias.
   */
  publish(...messages: readonly Message[]): Promise<void>;
  /** Sends DISCONNECT and closes. */
  disconnect(): Promise<void>;
  /** Ends it as a power cut does: kill -9 of a program, a destroyed socket where it lives in this process. */
  kill(): void;
}

/** A kind of Client: an adapter. */
export interface Kind extends AsyncDisposable {
  readonly name: string;
  /** Why it cannot be had on this machine, and how to get it; else undefined. */
  readonly missing: string | undefined;
  /** The transports it lacks, with the reason. */
  readonly lacks: Partial<Readonly<Record<Transport, string>>>;
  /** Whether it tells the Reason Code of a DISCONNECT that has no properties. */
  readonly tellsReasonCode: boolean;
  /** Why it cannot tell a story, if so. */
  cannot(story: string, version: Version): string | undefined;
  /** Connects a Client. @throws Error if it is refused */
  connect(options: Connecting): Promise<ForeignClient>;
}
