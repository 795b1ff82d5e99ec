// Who may connect, and what a Client may do: asked by the broker, answered by whoever knows users.

import type { ReasonCode } from '@skein/protocol';
import type { Credentials } from './outlet.ts';

/** The answer to a Client that wants in, or wants to stay. */
export type Authentication = Accepted | Refused;

interface Accepted {
  readonly accepted: true;
  /** Who the Client turned out to be, where that is not the User Name it gave. */
  readonly username?: string;
}

interface Refused {
  readonly accepted: false;
  readonly reasonCode: ReasonCode;
  /** Told to the Client in words, and to the log. */
  readonly why: string;
  /** Another server to use, with 0x9C or 0x9D [§4.11]. */
  readonly serverReference?: string;
}

/** Who may connect. */
export interface Authenticator {
  authenticate(credentials: Credentials): Promise<Authentication>;
}

/** What becomes of one step of enhanced authentication [§4.12]. */
export type AuthenticationStep =
  /** The Client is asked on: AUTH 0x18. */
  | { readonly is: 'continue'; readonly data: Uint8Array | undefined }
  /** Done; what CONNACK, or AUTH 0x00, brings along. */
  | { readonly is: 'done'; readonly answer: Authentication; readonly data: Uint8Array | undefined };

/** One run of a method, with one Client, from its first data to its outcome. */
export interface AuthenticationExchange {
  /** @param data what CONNECT or AUTH brought */
  next(data: Uint8Array | undefined): Promise<AuthenticationStep>;
  /** The Client is gone, or gave up. Not called after the outcome. */
  abandon(): void;
}

/** A way for a Client to show who it is, by talking to and fro [§4.12]. */
export interface AuthenticationMethod {
  /** As the Client names it: the Authentication Method. */
  readonly name: string;
  /** Begins: at CONNECT, or anew while the Client is connected, and then as the user it is. */
  begin(credentials: Credentials, connectedAs: string | undefined): AuthenticationExchange;
}

/** What an authorized Client may do; asked for every message, so it answers from memory. */
export interface Authorizer {
  mayPublish(clientId: string, username: string | undefined, topic: string): boolean;
  /** @param topicFilter of a Shared Subscription, the filter that is shared */
  maySubscribe(clientId: string, username: string | undefined, topicFilter: string): boolean;
}
