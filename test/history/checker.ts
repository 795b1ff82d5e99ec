// Judges a history, event by event, without keeping it.
//
// It knows nothing of how a server works, only what Clients were promised: an acknowledged message arrives, QoS 2
// arrives once, nothing arrives that was not sent, in order, to Sessions that are there when they should be. Where the
// Clients cannot know what the server did, because an answer never came, every outcome is right. It is mean in what it
// takes for certain and generous in what it takes for possible, so that what it calls a violation is one.

import { type Attempt, ClientRecord } from './client-record.ts';
import { Debts } from './debts.ts';
import { Deliveries } from './deliveries.ts';
import type { Happening, HistoryEvent } from './event.ts';
import { Groups } from './groups.ts';
import { Messages } from './messages.ts';
import { Session } from './session.ts';
import { isShared } from './topic-match.ts';
import { Findings, type Verdict } from './verdict.ts';
import { Wills } from './wills.ts';

/** How a history is judged. */
export interface CheckerOptions {
  /** How late the server may notice that a Client left, and how far its clock may be off. Default 2000. */
  readonly slackMs?: number;
  /** How long after it was due a Will Message may reach the first of those who watch. Default: for ever. */
  readonly willLateMs?: number;
  /**
   * Whether a QoS 0 message may come late, or once more, to a Client that has connected anew since it was sent: several
   * nodes pass it on, each at its time, and the Client may move from one to another meanwhile. Default false.
   */
  readonly qos0MayFollow?: boolean;
  /** Of all messages at QoS 1 and 2, how many must be acknowledged for the history to prove anything. Default 0.7. */
  readonly acknowledgedShareMin?: number;
  /** Violations told one by one. Default 100. */
  readonly listedMax?: number;
}

/** Any event of one kind. */
type Of<Is extends Happening['is']> = Extract<HistoryEvent, { is: Is }>;

/** Judges one history. */
export class Checker {
  readonly #clients = new Map<string, ClientRecord>();
  readonly #messages: Messages = new Messages();
  readonly #findings: Findings;
  readonly #debts: Debts;
  readonly #groups: Groups;
  readonly #deliveries: Deliveries;
  readonly #wills: Wills;
  readonly #slackMs: number;
  readonly #acknowledgedShareMin: number;
  /** The place of the current event, from 1. */
  #at = 0;
  #nowMs = 0;
  /** Messages at QoS 1 and 2, and those of them that were acknowledged. */
  #asked = 0;
  #answered = 0;

  constructor(options: CheckerOptions = {}) {
    const { slackMs = 2000, willLateMs = Number.POSITIVE_INFINITY } = options;
    const { acknowledgedShareMin = 0.7, listedMax = 100 } = options;
    this.#findings = new Findings(listedMax);
    this.#debts = new Debts(this.#messages, this.#clients, this.#findings);
    this.#groups = new Groups(this.#messages, this.#clients, this.#findings);
    this.#wills = new Wills(this.#messages, this.#findings, { slackMs, lateMs: willLateMs });
    this.#deliveries = new Deliveries(this.#messages, this.#findings, {
      willCame: (message) => this.#wills.came(message, this.#nowMs),
      sharedCame: (session, filter, message) => this.#groups.came(session, filter, message, this.#nowMs),
      qos0MayFollow: options.qos0MayFollow ?? false,
    });
    this.#slackMs = slackMs;
    this.#acknowledgedShareMin = acknowledgedShareMin;
  }

  /** Takes the next event. */
  observe(event: HistoryEvent): void {
    this.#at++;
    this.#nowMs = event.atMs;
    this.#findings.counts.events++;
    switch (event.is) {
      case 'published':
        this.#published(event);
        return;
      case 'acknowledged':
        this.#answer(event, true);
        return;
      case 'refused':
        this.#answer(event, false);
        return;
      case 'connecting':
        this.#connecting(event);
        return;
      case 'connected':
        this.#connected(event);
        return;
      case 'disconnected':
        this.#disconnected(event);
        return;
      default:
        this.#observeConnected(event);
    }
  }

  /** Deliveries at QoS 1 and 2 that must still come: once this is 0, all is there that was promised until now. */
  get outstanding(): number {
    return (
      this.#debts.outstanding() +
      this.#groups.outstanding() +
      this.#wills.outstanding(this.#clients.values(), this.#debts)
    );
  }

  /** Deliveries at QoS 0 that should still come. */
  get outstandingQos0(): number {
    return this.#debts.outstandingQos0();
  }

  /** Judges the whole, once, when everything has come that ever will. */
  verdict(): Verdict {
    this.#groups.settle(this.#nowMs);
    const shortcomings = [
      ...this.#debts.settle(this.#nowMs),
      ...this.#wills.settle(this.#clients.values(), this.#debts, this.#nowMs),
    ];
    if (this.#answered < this.#acknowledgedShareMin * this.#asked) {
      shortcomings.push(`only ${this.#answered} of ${this.#asked} messages at QoS 1 and 2 were acknowledged`);
    }
    return this.#findings.verdict(shortcomings);
  }

  // Publishers -------------------------------------------------------------------------------------------------------

  #published({ publisher, n, topic, qos, retain, expirySeconds, atMs }: Of<'published'>): void {
    const expiresAtMs = atMs + 1000 * (expirySeconds ?? Number.POSITIVE_INFINITY);
    const sent = { publisher, n, topic, qos, retain, isWill: false, sentAt: this.#at, expiresAtMs };
    if (this.#messages.add(sent) === undefined) {
      this.#contradict(`${publisher} sent message ${n}, which is not its next`);
      return;
    }
    this.#findings.counts.published++;
    if (qos > 0) this.#asked++;
  }

  #answer({ publisher, n }: Of<'acknowledged' | 'refused'>, isAcknowledged: boolean): void {
    const message = this.#messages.find(publisher, n);
    if (message === undefined) {
      this.#contradict(`an answer to message ${n} of ${publisher}, which it never sent`);
      return;
    }
    if (!this.#messages.answer(message, this.#at)) return;
    const { counts } = this.#findings;
    if (!isAcknowledged) {
      counts.refused++;
      return;
    }
    counts.acknowledged++;
    if (this.#messages.qos(message) > 0) this.#answered++;
    this.#debts.incur(message, this.#nowMs);
    this.#groups.incur(message, this.#nowMs);
  }

  // Connections ------------------------------------------------------------------------------------------------------

  #connecting({ client: name, cleanStart, sessionExpirySeconds, will, atMs }: Of<'connecting'>): void {
    const client = this.#client(name);
    this.#end(client, false); // the Client has given the connection before up
    const attempt: Attempt = {
      at: this.#at,
      atMs,
      cleanStart,
      sessionExpirySeconds,
      present: client.existence.at(atMs),
    };
    client.connection = { is: 'connecting', attempt };
    this.#wills.connecting(name, atMs);
    if (!cleanStart && client.mustStartClean) this.#contradict(`${name} resumes a Session that it has forgotten`);
    client.mustStartClean ||= cleanStart;
    if (cleanStart) this.#endSession(client, false);
    if (will === undefined) return;
    const { n, topic, qos, retain } = will;
    const sent = { publisher: name, n, topic, qos, retain, isWill: true, sentAt: this.#at };
    const message = this.#messages.add({ ...sent, expiresAtMs: Number.POSITIVE_INFINITY });
    if (message === undefined) this.#contradict(`${name} has message ${n} for a Will, which is not its next`);
    else this.#wills.ask(name, message, will.delaySeconds);
  }

  #connected({ client: name, sessionPresent: said, atMs }: Of<'connected'>): void {
    const client = this.#client(name);
    const { connection } = client;
    if (connection.is !== 'connecting') {
      this.#contradict(`a CONNACK for ${name}, which had not sent CONNECT`);
      return;
    }
    const { attempt } = connection;
    const expected = client.expectedPresent(attempt, atMs);
    const sessionPresent = said ?? expected;
    if (expected !== undefined && expected !== sessionPresent) {
      this.#accuse(name, expected, attempt.cleanStart);
    }
    // One that is there now may be one that an unanswered CONNECT has begun, after the one that was known.
    const isDoubtful = expected === undefined && (said === undefined || (said && client.hasTried));
    if (sessionPresent !== true || isDoubtful) this.#endSession(client, expected === true);
    client.mustStartClean = false;
    client.hasTried = false;
    client.session ??= new Session(name, attempt.at, isDoubtful);
    client.session.connectedSince = this.#at;
    client.connection = {
      is: 'connected',
      sessionExpirySeconds: attempt.sessionExpirySeconds,
      leaving: undefined,
    };
    this.#wills.connected(name, atMs, sessionPresent);
  }

  #accuse(client: string, expected: boolean, cleanStart: boolean): void {
    const when = cleanStart ? 'after Clean Start' : expected ? 'for a Session that is there' : 'for one that is over';
    const why = `Session Present ${expected ? 0 : 1} ${when}`;
    this.#findings.violation({ invariant: 'session-present', client, why, atMs: this.#nowMs });
  }

  #disconnected({ client: name, orderly }: Of<'disconnected'>): void {
    const client = this.#client(name);
    if (client.connection.is === 'none') this.#contradict(`${name} was disconnected, and was not connected`);
    this.#end(client, orderly);
  }

  /** The Network Connection is over, if there is one. */
  #end(client: ClientRecord, orderly: boolean): void {
    const { connection, existence, name } = client;
    client.connection = { is: 'none' };
    if (connection.is === 'none') return;
    if (connection.is === 'connecting') {
      const { atMs, sessionExpirySeconds } = connection.attempt;
      existence.perhapsLeft({ fromMs: atMs, toMs: this.#nowMs }, sessionExpirySeconds);
      client.hasTried = true;
      this.#wills.notConnected(name);
      return;
    }
    const { leaving } = connection;
    const sessionExpirySeconds = leaving?.sessionExpirySeconds ?? connection.sessionExpirySeconds;
    const span = { fromMs: leaving?.atMs ?? this.#nowMs, toMs: this.#nowMs };
    existence.left(span, sessionExpirySeconds);
    if (!orderly && leaving !== undefined) existence.perhapsLeft(span, connection.sessionExpirySeconds);
    const takenBack = leaving?.dropsWill !== true ? false : orderly ? true : undefined;
    this.#wills.left(name, { ...span, sessionExpirySeconds, takenBack });
    const { session } = client;
    if (session === undefined) return;
    session.connectedSince = Number.POSITIVE_INFINITY;
    this.#debts.forgiveQos0(session);
    if (existence.at(this.#nowMs) === false) this.#endSession(client, false);
  }

  /** @param wrongly the server ended it, and had no right to */
  #endSession(client: ClientRecord, wrongly: boolean): void {
    const { session } = client;
    if (session === undefined) return;
    if (wrongly) {
      for (const message of session.owed) {
        this.#debts.lose(session, message, this.#nowMs, 'acknowledged, and gone with the Session');
      }
      session.owed.clear();
    }
    this.#debts.forgive(session, this.#nowMs);
    this.#groups.ended(session, this.#at);
    client.session = undefined;
  }

  // Subscribers ------------------------------------------------------------------------------------------------------

  #observeConnected(
    event: Of<
      'disconnecting' | 'subscribing' | 'subscribed' | 'unsubscribing' | 'unsubscribed' | 'delivered' | 'released'
    >,
  ): void {
    const client = this.#client(event.client);
    const { connection, session } = client;
    if (connection.is !== 'connected' || session === undefined) {
      this.#contradict(`${event.client} was ${event.is}, and is not connected`);
      return;
    }
    switch (event.is) {
      case 'delivered':
        this.#deliveries.receive(session, event);
        return;
      case 'released':
        session.unreleased.delete(event.packetId);
        return;
      case 'subscribing':
        if (isShared(event.topicFilter)) {
          this.#groups.joining(session, event.topicFilter, connection.sessionExpirySeconds === 0);
        }
        session.holding(event.topicFilter).subscribing(this.#at, {
          qos: event.qos,
          noLocal: event.noLocal,
          retainAsPublished: event.retainAsPublished,
        });
        return;
      case 'subscribed':
        if (session.find(event.topicFilter)?.subscribed(this.#at, event.qos) !== true) {
          this.#contradict(`a SUBACK for ${event.topicFilter}, for which ${event.client} had not asked`);
        }
        return;
      case 'unsubscribing':
        session.find(event.topicFilter)?.unsubscribing(this.#at);
        return;
      case 'unsubscribed':
        session.find(event.topicFilter)?.unsubscribed(this.#at);
        return;
      case 'disconnecting':
        client.connection = { ...connection, leaving: event };
    }
  }

  #client(name: string): ClientRecord {
    let client = this.#clients.get(name);
    if (client === undefined) {
      client = new ClientRecord(name, this.#slackMs);
      this.#clients.set(name, client);
    }
    return client;
  }

  #contradict(why: string): void {
    this.#findings.contradiction(`${why} (event ${this.#at})`);
  }
}

/** Judges a whole history. */
export function check(events: Iterable<HistoryEvent>, options: CheckerOptions = {}): Verdict {
  const checker = new Checker(options);
  for (const event of events) checker.observe(event);
  return checker.verdict();
}
