// Will Messages: which must be published, which must not, and which may [MQTT 3.1.2.5, 3.1.3.2.2].
//
//   asked ──CONNACK──▶ armed ──left without DISCONNECT──▶ waiting ──delay over, or Session over──▶ due
//                        └──DISCONNECT 0x00──▶ taken back      └──Session resumed in time──▶ taken back
//
// Wherever the server may or may not have known, it is `open`: published or not, both are right, but twice never is.
// Who must get it is asked at the end, of the Subscriptions that were there before the CONNECT and still are: when the
// Client left, the server knows best, and may have given it up long before this noticed.

import type { ClientRecord } from './client-record.ts';
import type { Debts } from './debts.ts';
import type { Span } from './existence.ts';
import type { Messages } from './messages.ts';
import type { Session } from './session.ts';
import type { Findings } from './verdict.ts';

type State =
  | { readonly is: 'asked' }
  | { readonly is: 'armed' }
  | { readonly is: 'waiting'; readonly dueMs: Span }
  | { readonly is: 'due'; readonly sinceMs: number }
  | { readonly is: 'taken back' }
  | { readonly is: 'open' };

interface Will {
  readonly client: string;
  readonly message: number;
  readonly delaySeconds: number;
  state: State;
  /** When it was delivered for the first time. */
  cameMs: number | undefined;
}

interface Waiting extends Will {
  readonly state: Extract<State, { is: 'waiting' }>;
}

/** How a Client left, as its Will Message sees it. */
export interface Leaving extends Span {
  /** After this long away its Session ends, and with it the delay. */
  readonly sessionExpirySeconds: number;
  /** Whether the server took a DISCONNECT that drops the Will Message; undefined if that cannot be known. */
  readonly takenBack: boolean | undefined;
}

/** Keeps track of all Will Messages. */
export class Wills {
  readonly #messages: Messages;
  readonly #findings: Findings;
  readonly #slackMs: number;
  readonly #lateMs: number;
  readonly #byMessage = new Map<number, Will>();
  /** Those that are not decided; the last one is that of the Client's latest CONNECT. */
  readonly #undecided = new Map<string, Will[]>();

  /**
   * @param slackMs how far the server's noticing and its clock may be off
   * @param lateMs how long after it was due the first one may be told of it
   */
  constructor(messages: Messages, findings: Findings, { slackMs, lateMs }: { slackMs: number; lateMs: number }) {
    this.#messages = messages;
    this.#findings = findings;
    this.#slackMs = slackMs;
    this.#lateMs = lateMs;
  }

  /** A CONNECT carries it. */
  ask(client: string, message: number, delaySeconds: number): void {
    const will: Will = { client, message, delaySeconds, state: { is: 'asked' }, cameMs: undefined };
    this.#byMessage.set(message, will);
    const undecided = this.#undecided.get(client)?.filter(({ state }) => state.is === 'waiting') ?? [];
    this.#undecided.set(client, [...undecided, will]);
  }

  /** A CONNECT is sent: it may end the wait of a Will Message, and may not arrive. */
  connecting(client: string, nowMs: number): void {
    for (const will of this.#waitingOf(client)) {
      const { toMs } = will.state.dueMs;
      if (nowMs > toMs + this.#slackMs) become(will, { is: 'due', sinceMs: toMs });
    }
  }

  /** The CONNECT succeeded: its own is armed, the one before is decided, if it is known whether there is a Session. */
  connected(client: string, nowMs: number, sessionPresent: boolean | undefined): void {
    for (const will of this.#waitingOf(client)) {
      const isInTime = nowMs < will.state.dueMs.fromMs - this.#slackMs;
      // A Session that is not resumed has ended, and that ends the delay [MQTT-3.1.3-9].
      if (sessionPresent === false) become(will, { is: 'due', sinceMs: nowMs });
      else become(will, { is: sessionPresent && isInTime ? 'taken back' : 'open' });
    }
    const own = this.#ownOf(client);
    if (own?.state.is === 'asked') own.state = { is: 'armed' };
  }

  /** The CONNECT had no answer: it may have done all that, or nothing. */
  notConnected(client: string): void {
    for (const will of this.#waitingOf(client)) become(will, { is: 'open' });
    const own = this.#ownOf(client);
    if (own?.state.is === 'asked') own.state = { is: 'open' };
  }

  /** A connected Client is gone. */
  left(client: string, { fromMs, toMs, sessionExpirySeconds, takenBack }: Leaving): void {
    const own = this.#ownOf(client);
    if (own?.state.is !== 'armed') return;
    const delaySeconds = Math.min(own.delaySeconds, sessionExpirySeconds);
    if (takenBack === undefined) own.state = { is: 'open' };
    else if (takenBack) own.state = { is: 'taken back' };
    else if (delaySeconds === 0) own.state = { is: 'due', sinceMs: toMs };
    else {
      const delayMs = delaySeconds * 1000;
      own.state = { is: 'waiting', dueMs: { fromMs: fromMs + delayMs, toMs: toMs + delayMs } };
    }
  }

  /** It was delivered to somebody. */
  came(message: number, nowMs: number): void {
    const will = this.#byMessage.get(message);
    if (will !== undefined) will.cameMs ??= nowMs;
  }

  /** How many deliveries must still come, at QoS 1 and 2 and to Clients that are connected. */
  outstanding(clients: Iterable<ClientRecord>, debts: Debts): number {
    let count = 0;
    for (const [client] of this.#unpaid([...clients], debts)) if (client.connection.is === 'connected') count++;
    return count;
  }

  /** Everything has come that ever will. @returns what keeps this from being said */
  settle(clients: Iterable<ClientRecord>, debts: Debts, nowMs: number): readonly string[] {
    const { counts } = this.#findings;
    const shortcomings: string[] = [];
    for (const will of this.#byMessage.values()) {
      if (will.state.is === 'waiting' && nowMs > will.state.dueMs.toMs + this.#slackMs) {
        will.state = { is: 'due', sinceMs: will.state.dueMs.toMs };
      }
      if (will.state.is === 'due') counts.wills++;
      if (will.cameMs === undefined) continue;
      if (will.state.is === 'due' && will.cameMs > will.state.sinceMs + this.#lateMs) {
        this.#cameWrongly(will, nowMs, `${Math.round(will.cameMs - will.state.sinceMs)} ms after it was due`);
      }
      if (will.state.is === 'armed') this.#cameWrongly(will, nowMs, 'published, while its Client is connected');
      if (will.state.is === 'taken back') this.#cameWrongly(will, nowMs, 'published, though it was taken back');
    }
    for (const [client, session, message] of this.#unpaid([...clients], debts)) {
      if (client.connection.is === 'connected') debts.lose(session, message, nowMs, 'due, and never came');
      else shortcomings.push(`${client.name} did not come back for a Will Message`);
    }
    return shortcomings;
  }

  /** Each Will Message that is due, and each Session that must get it and has not. */
  *#unpaid(clients: readonly ClientRecord[], debts: Debts): Generator<[ClientRecord, Session, number]> {
    for (const { state, message } of this.#byMessage.values()) {
      if (state.is !== 'due') continue;
      for (const client of clients) {
        const { session } = client;
        if (session === undefined || session.seen.has(message)) continue;
        const qos = debts.certainQos(session, message);
        if (qos !== undefined && qos > 0) yield [client, session, message];
      }
    }
  }

  /** The Will Message of the latest CONNECT, or an older one that is decided or waits. */
  #ownOf(client: string): Will | undefined {
    return this.#undecided.get(client)?.at(-1);
  }

  #waitingOf(client: string): readonly Waiting[] {
    return this.#undecided.get(client)?.filter((will): will is Waiting => will.state.is === 'waiting') ?? [];
  }

  #cameWrongly({ client, message }: Will, atMs: number, why: string): void {
    const about = { publisher: this.#messages.publisher(message), n: this.#messages.n(message) };
    this.#findings.violation({ invariant: 'will', client, ...about, why, atMs });
  }
}

function become(will: Will, state: State): void {
  will.state = state;
}
