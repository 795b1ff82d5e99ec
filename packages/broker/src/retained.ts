// Retained messages for new Subscriptions [MQTT 3.3.1.3, 3.8.3.1].
//
// A filter may match a million of them. They are taken page by page and no faster than the Client takes them: the next
// one is not even read before the window has room, so that nothing is dropped and nothing piles up. To a stored Session
// what it gets at QoS 1 or 2 goes through its queue, beside the queue's limits, and a cursor in the store says how far:
// whatever becomes of the Client, or of this node, the rest comes when the Client is back. One Session is fed one
// Subscription after the other. A store that does not answer is waited for, as long as the Client is there.
//
// rule: Retained. What publishers retain after the SUBACK comes its own way, before the page that it is on or after. Of a
// topic that has had such news the page is old, or says the same: it is left out, here or by the store.

import type { Message } from './message.ts';
import type { Persistence } from './persist.ts';
import { type Appended, type Feed, type RetainedPage, type Store, StoreUnavailable } from './ports.ts';
import { News } from './session/news.ts';
import type { Session } from './session/session.ts';
import type { Subscription } from './session/subscription.ts';

/** What feeding takes. */
export interface RetainedSurroundings {
  readonly store: Pick<Store, 'retained' | 'queues'>;
  readonly persistence: Persistence;
}

/** Whom to feed. */
export interface RetainedFeedOf {
  readonly around: RetainedSurroundings;
  readonly session: Session;
  /** Called when another connection owns the Session. */
  readonly fenced: () => void;
  /** Called when feeding failed for a reason of our own making. */
  readonly failed: (error: unknown) => void;
}

/** The next page is read when no more than these wait in the queue. */
const waitingMax = 128;
/** So long one feed may keep everybody waiting, in milliseconds. */
const turnMs = 4;
/** How long to wait before a store that did not answer is asked again. */
const retryMs = 200;

/** Since when what reached the Client is newer than the retained messages that it asked for: since its SUBACK. */
interface Since {
  readonly news: News;
  /** What it had by then. */
  readonly count: number;
  /** Where its queue in the store ended; 0 as long as that is not known. */
  seq: number;
  /** Resolves when it is; to false if there is nobody to feed. */
  readonly isKnown: Promise<boolean>;
}

/** Retained messages that were asked for: of one Subscription, from a cursor on. */
interface Asked extends Feed {
  readonly since: Since;
}

/** What became of a page for the queue: it is there; or is to be read anew; or the cursor is elsewhere; or nobody is there. */
type Queued =
  | { readonly is: 'queued'; readonly page: RetainedPage }
  | { readonly is: 'unsure' }
  | { readonly is: 'moved' }
  | { readonly is: 'over' };

/** Feeds retained messages to one Session. */
export class RetainedFeed {
  readonly #of: RetainedFeedOf;
  /** By Topic Filter, in order of asking. */
  readonly #asked = new Map<string, Asked>();
  #busy = false;
  /** Since when nobody else had a turn for certain. */
  #turnSinceMs: number;

  constructor(of: RetainedFeedOf) {
    this.#of = of;
    this.#turnSinceMs = of.around.persistence.clock.monotonicMs();
  }

  /** Sends what new Subscriptions match, after those asked for before. To be called as they are acknowledged. */
  add(subscriptions: readonly Subscription[]): void {
    this.resume(subscriptions.map(({ topicFilter }) => ({ topicFilter, from: '' })));
  }

  /** Goes on with what earlier connections of the Session have not had. */
  resume(feeds: readonly Feed[]): void {
    if (feeds.length === 0) return;
    const since = this.#now();
    for (const feed of feeds) this.#asked.set(feed.topicFilter, { ...feed, since });
    if (this.#busy) return;
    this.#busy = true;
    this.#run().catch(this.#of.failed);
  }

  async #run(): Promise<void> {
    const { session } = this.#of;
    for (const [topicFilter, asked] of this.#asked) {
      this.#asked.delete(topicFilter);
      const subscription = session.subscriptions.get(topicFilter);
      if (subscription === undefined) continue;
      if (session.stored && subscription.qos > 0) await this.#queueAll(subscription, asked);
      else await this.#sendAll(subscription, asked);
    }
    session.outbound.news = undefined;
    this.#busy = false;
  }

  /** Feeds a Session that has its queue here, or a Subscription at QoS 0. */
  async #sendAll(subscription: Subscription, asked: Asked): Promise<void> {
    const { store } = this.#of.around;
    let { since } = asked;
    for (let from: string | undefined = ''; from !== undefined; ) {
      await this.#turn();
      await this.#of.session.whenRoomy();
      if (this.#wanted(subscription) === undefined) return;
      since = this.#still(since);
      if (!(await since.isKnown)) return;
      const at: string = from;
      const page = await this.#until('retained', () => store.retained.page(subscription.topicFilter, at));
      if (page === undefined) return;
      const sent = await this.#send(page.messages, subscription, since);
      if (sent === undefined) return;
      since = sent;
      from = page.next;
    }
  }

  /** Feeds the queue of a stored Session, and sends at once what ends at QoS 0. */
  async #queueAll(subscription: Subscription, { from, since: first }: Asked): Promise<void> {
    const { session } = this.#of;
    const { topicFilter } = subscription;
    let at = from;
    let cursor = from; // it lags behind pages without messages
    let since = first;
    for (let tries = 0; ; ) {
      await this.#turn();
      await session.whenHungry(waitingMax);
      if (session.closed || !session.subscriptions.has(topicFilter)) return;
      // What a busy Client acknowledges meanwhile would be gone again: it stays until the store has looked at it.
      const isHeld = tries > 0;
      if (isHeld) session.withhold(true);
      since = this.#still(since);
      const asked = { topicFilter, from: at, since };
      const queued = await this.#queue(asked, cursor, isHeld).finally(() => isHeld && session.withhold(false));
      if (queued.is === 'over' || (queued.is === 'moved' && at === '')) return;
      if (queued.is === 'moved') {
        // A SUBSCRIBE may have set it back, and failed after that; then nobody else begins at the beginning.
        at = '';
        cursor = '';
        continue;
      }
      tries = queued.is === 'unsure' ? tries + 1 : 0;
      if (queued.is === 'unsure') continue;
      const { messages, next } = queued.page;
      const sent = await this.#send(messages, subscription, since);
      if (sent === undefined || next === undefined) return;
      since = sent;
      if (messages.length > 0) cursor = next;
      at = next;
    }
  }

  /** Reads a page and puts it into the queue. @param isAgain whether what had gone out meanwhile made it unsure before */
  async #queue({ topicFilter, from, since }: Asked, cursor: string, isAgain: boolean): Promise<Queued> {
    const { session, around } = this.#of;
    const { queues, retained } = around.store;
    const { claim } = session;
    if (!(await since.isKnown)) return over;
    // What has gone out of the queue this node knows, what is still there the store: it looks at that as it appends.
    const sinceSeq = isAgain ? await this.#endSeq() : Math.max(since.seq, session.unsentSeq);
    if (sinceSeq === undefined) return over;
    const page = await this.#until('retained', () => retained.page(topicFilter, from));
    if (page === undefined) return over;
    const { next, messages: found } = page;
    if (found.length === 0 && next !== undefined) return { is: 'queued', page };

    if (since.news.isOver) return { is: 'unsure' };
    const messages = found
      .filter(({ qos }) => qos > 0)
      .filter((message) => !since.news.has(message, message.qos, since));
    const append = { claim, topicFilter, from: cursor, to: next, messages, sinceSeq };
    let isRepeat = false;
    const appended: Appended | undefined = await this.#until('append', () => {
      const answer = queues.append(append);
      return answer.catch((error: unknown) => {
        isRepeat = true;
        throw error;
      });
    });
    switch (appended?.is) {
      case 'appended':
        since.news.feeds(appended.entries);
        for (const entry of appended.entries) session.push(entry, appended.sentSeq);
        return { is: 'queued', page };
      case 'moved':
        if (!isRepeat) return { is: 'moved' };
        // It may be there since the call that was not answered; if not, the next page will find out.
        session.look();
        return { is: 'queued', page };
      case 'unsure':
        return { is: 'unsure' };
      case 'fenced':
        this.#fenced();
        return over;
      case undefined:
        return over;
    }
  }

  /** Begins to note what reaches the Client. */
  #now(): Since {
    const { session, failed } = this.#of;
    const { outbound } = session;
    const before = outbound.news ?? new News();
    const news = before.isOver ? before.anew() : before;
    outbound.news = news;
    const told = this.#endSeq().then(
      (seq) => {
        since.seq = seq ?? 0;
        return seq !== undefined;
      },
      (error: unknown) => {
        failed(error);
        return false;
      },
    );
    const since: Since = { news, count: news.count, seq: 0, isKnown: told };
    return since;
  }

  /** The same moment; or now, if too much has happened since to know what is old: whatever is read is newer than that. */
  #still(since: Since): Since {
    return since.news.isOver || since.news !== this.#of.session.outbound.news ? this.#now() : since;
  }

  /** The end of a stored Session's queue. @returns undefined if there is nobody to feed */
  async #endSeq(): Promise<number | undefined> {
    const { session, around } = this.#of;
    if (!session.stored) return 0;
    const ends = await this.#until('ends', () => around.store.queues.ends([session.claim]));
    const endSeq = ends?.[0];
    if (endSeq !== 'fenced') return endSeq;
    this.#fenced();
    return undefined;
  }

  #fenced(): void {
    if (!this.#of.session.closed) this.#of.fenced();
  }

  /**
   * Sends messages one by one as the Client takes them, with Retain = 1, because there is a new Subscription
   * [MQTT-3.3.1-8]; of a page that was queued, those that were not.
   *
   * @returns since when what reaches the Client is newer than the next page; undefined if the rest is not wanted any more
   */
  async #send(page: readonly Message[], subscription: Subscription, asked: Since): Promise<Since | undefined> {
    const { session } = this.#of;
    const { outbound } = session;
    const isFed = session.stored && subscription.qos > 0;
    let since = asked;
    let isOld = false;
    let anew: RetainedPage | undefined;
    for (let i = 0; i < page.length; ) {
      const found = page[i] as Message;
      if (isFed && found.qos > 0) {
        i++;
        continue;
      }
      while (!outbound.hasRoom && !session.closed) await outbound.whenRoomy();
      const wanted = this.#wanted(subscription, isFed);
      if (wanted === undefined) return undefined;
      if (since.news.isOver) {
        // Too much has happened to know what is old: each topic that is left is read anew.
        isOld = true;
        anew = undefined;
      }
      if (isOld && anew === undefined) {
        since = this.#still(since);
        anew = await this.#readAnew(found.topic, since);
        if (anew === undefined) return undefined;
        continue;
      }
      const message = isOld ? anew?.messages[0] : found;
      // What took its place at QoS 1 or 2 meanwhile went by the queue.
      if (message !== undefined && !(isFed && message.qos > 0)) this.#deliver(message, wanted, since);
      anew = undefined;
      i++;
    }
    return since;
  }

  async #readAnew(topic: string, since: Since): Promise<RetainedPage | undefined> {
    if (!(await since.isKnown)) return undefined;
    return await this.#until('retained', () => this.#of.around.store.retained.page(topic, ''));
  }

  #deliver(message: Message, subscription: Subscription, since: Since): void {
    const { session, around } = this.#of;
    const { noLocal, subscriptionIdentifier } = subscription;
    const qos = Math.min(message.qos, subscription.qos);
    if (since.news.has(message, qos, since)) return;
    if (noLocal && message.publisherId === session.clientId) return; // [MQTT-3.8.3-3]
    const { expiresAtMs } = message;
    if (expiresAtMs > 0 && expiresAtMs <= around.persistence.clock.nowMs()) return; // while it waited [MQTT-3.3.2-5]
    const identifiers = subscriptionIdentifier === undefined ? undefined : [subscriptionIdentifier];
    session.deliverRetained(message, qos, identifiers);
  }

  /**
   * The Subscription as it is by now, if what was asked for by this one is still to be sent.
   *
   * @param isFed whether that is for the cursor in the store to say, which may have been set back before it moved on:
   *   then this page is part of what was asked for anew, and nobody comes by again
   */
  #wanted(subscription: Subscription, isFed = false): Subscription | undefined {
    const { session } = this.#of;
    const { topicFilter } = subscription;
    const now = session.subscriptions.get(topicFilter);
    if (session.closed || isFed) return session.closed ? undefined : now;
    if (now === undefined || this.#asked.has(topicFilter)) return undefined;
    // Retain Handling 1 asks for nothing again, but does not take back what was promised.
    return now === subscription || now.retainHandling === 1 ? now : undefined;
  }

  /**
   * What was sent goes out first, so that it is known whether the Client takes more; and now and then everybody else has
   * a turn, or a Client and a store that are both fast would keep it to themselves.
   */
  async #turn(): Promise<void> {
    const { clock } = this.#of.around.persistence;
    await new Promise<void>((resolve) => clock.endOfTurn(resolve));
    if (clock.monotonicMs() - this.#turnSinceMs >= turnMs) {
      await new Promise<void>((resolve) => clock.after(0, resolve));
      this.#turnSinceMs = clock.monotonicMs();
    }
  }

  /** Asks the store until it answers. @returns undefined if the Client is gone by then */
  async #until<Answer>(operation: string, call: () => Promise<Answer>): Promise<Answer | undefined> {
    const { session, around } = this.#of;
    const { persistence } = around;
    while (!session.closed && !persistence.stopped) {
      try {
        const answer = await call();
        persistence.answered();
        return session.closed ? undefined : answer;
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        persistence.failed(operation, error);
        // It may be long: what the Client acknowledges must not pile up meanwhile.
        session.withhold(false);
        await new Promise<void>((resolve) => persistence.clock.after(retryMs, resolve));
      }
    }
    return undefined;
  }
}

const over: Queued = { is: 'over' };
