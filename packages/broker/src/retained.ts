// Retained messages for new Subscriptions [MQTT 3.3.1.3, 3.8.3.1].
//
// A filter may match a million of them. They are taken page by page and no faster than the Client takes them: the next
// one is not even read before the window has room, so that nothing is dropped and nothing piles up. To a stored Session
// what it gets at QoS 1 or 2 goes through its queue, beside the queue's limits, and a cursor in the store says how far:
// whatever becomes of the Client, or of this node, the rest comes when the Client is back. One Session is fed one
// Subscription after the other. A store that does not answer is waited for, as long as the Client is there.
//
// rule: Retained. What publishers retain meanwhile comes its own way, and may come before a page that was read earlier.
// Of a topic that has had such news the page is old: it is left out, here or by the store.

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

/** What became of a page for the queue: it is there; or is to be read anew; or the cursor is elsewhere; or nobody is there. */
type Queued =
  | { readonly is: 'queued'; readonly page: RetainedPage }
  | { readonly is: 'unsure' }
  | { readonly is: 'moved' }
  | { readonly is: 'over' };

/** Feeds retained messages to one Session. */
export class RetainedFeed {
  readonly #of: RetainedFeedOf;
  /** Where the retained messages of Subscriptions go on, by Topic Filter, in order of asking. */
  readonly #asked = new Map<string, string>();
  #busy = false;
  /** Since when nobody else had a turn for certain. */
  #turnSinceMs: number;

  constructor(of: RetainedFeedOf) {
    this.#of = of;
    this.#turnSinceMs = of.around.persistence.clock.monotonicMs();
  }

  /** Sends what a new Subscription matches, after those asked for before. */
  add({ topicFilter }: Subscription): void {
    this.#ask({ topicFilter, from: '' });
  }

  /** Goes on with what earlier connections of the Session have not had. */
  resume(feeds: readonly Feed[]): void {
    for (const feed of feeds) this.#ask(feed);
  }

  #ask({ topicFilter, from }: Feed): void {
    this.#asked.set(topicFilter, from);
    if (this.#busy) return;
    this.#busy = true;
    this.#run().catch(this.#of.failed);
  }

  async #run(): Promise<void> {
    const { session } = this.#of;
    for (const [topicFilter, from] of this.#asked) {
      this.#asked.delete(topicFilter);
      const subscription = session.subscriptions.get(topicFilter);
      if (subscription === undefined) continue;
      if (session.stored && subscription.qos > 0) await this.#queueAll(subscription, from);
      else await this.#sendAll(subscription);
      session.outbound.news = undefined;
    }
    this.#busy = false;
  }

  /** Feeds a Session that has its queue here, or a Subscription at QoS 0. */
  async #sendAll(subscription: Subscription): Promise<void> {
    const { store } = this.#of.around;
    for (let from: string | undefined = ''; from !== undefined; ) {
      await this.#turn();
      await this.#of.session.whenRoomy();
      if (this.#wanted(subscription) === undefined) return;
      const news = await this.#follow();
      if (news === undefined) return;
      const at: string = from;
      const page = await this.#until('retained', () => store.retained.page(subscription.topicFilter, at));
      if (page === undefined || !(await this.#send(page.messages, subscription))) return;
      from = page.next;
    }
  }

  /** Feeds the queue of a stored Session, and sends at once what ends at QoS 0. */
  async #queueAll(subscription: Subscription, from: string): Promise<void> {
    const { session } = this.#of;
    const { topicFilter } = subscription;
    let at = from;
    let cursor = from; // it lags behind pages without messages
    for (let tries = 0; ; ) {
      await this.#turn();
      await session.whenHungry(waitingMax);
      if (session.closed || !session.subscriptions.has(topicFilter)) return;
      // What a busy Client acknowledges meanwhile would be gone again: it stays until the store has looked at it.
      const isHeld = tries > 0;
      if (isHeld) session.withhold(true);
      const queued = await this.#queue(topicFilter, at, cursor).finally(() => isHeld && session.withhold(false));
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
      if (!(await this.#send(messages, subscription)) || next === undefined) return;
      if (messages.length > 0) cursor = next;
      at = next;
    }
  }

  /** Reads a page and puts it into the queue. */
  async #queue(topicFilter: string, from: string, cursor: string): Promise<Queued> {
    const { session, around } = this.#of;
    const { queues, retained } = around.store;
    const { claim } = session;
    const news = await this.#follow();
    if (news === undefined) return over;
    const { sinceSeq } = news;
    const page = await this.#until('retained', () => retained.page(topicFilter, from));
    if (page === undefined) return over;
    const { next, messages: found } = page;
    if (found.length === 0 && next !== undefined) return { is: 'queued', page };

    // What went past the queue the store cannot know; nor does anybody, if it was too much.
    if (news.isOver) return { is: 'unsure' };
    const messages = found.filter((message) => message.qos > 0 && !news.isPast(message));
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

  /** Begins to note what goes to the Client, before a page is read. @returns undefined if there is nobody to feed */
  async #follow(): Promise<News | undefined> {
    const { session, around } = this.#of;
    const news = new News();
    session.outbound.news = news;
    if (!session.stored) return news;
    // What was queued before may go out only now; the page is newer than that.
    const ends = await this.#until('ends', () => around.store.queues.ends([session.claim]));
    const sinceSeq = ends?.[0];
    if (sinceSeq === 'fenced') this.#fenced();
    if (sinceSeq === 'fenced' || sinceSeq === undefined) return undefined;
    news.sinceSeq = sinceSeq;
    return news;
  }

  #fenced(): void {
    if (!this.#of.session.closed) this.#of.fenced();
  }

  /**
   * Sends messages one by one as the Client takes them, with Retain = 1, because there is a new Subscription
   * [MQTT-3.3.1-8]; of a page that was queued, those that were not.
   *
   * @returns false if the rest is not wanted any more
   */
  async #send(page: readonly Message[], subscription: Subscription): Promise<boolean> {
    const { session } = this.#of;
    const { outbound } = session;
    const isFed = session.stored && subscription.qos > 0;
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
      if (wanted === undefined) return false;
      if (outbound.news?.isOver) {
        // Too much has happened to know what is old: each topic that is left is read anew.
        isOld = true;
        anew = undefined;
      }
      if (isOld && anew === undefined) {
        anew = await this.#readAnew(found.topic);
        if (anew === undefined) return false;
        continue;
      }
      const message = isOld ? anew?.messages[0] : found;
      // What took its place at QoS 1 or 2 meanwhile went by the queue.
      if (message !== undefined && !(isFed && message.qos > 0)) this.#deliver(message, wanted);
      anew = undefined;
      i++;
    }
    return true;
  }

  async #readAnew(topic: string): Promise<RetainedPage | undefined> {
    if ((await this.#follow()) === undefined) return undefined;
    return await this.#until('retained', () => this.#of.around.store.retained.page(topic, ''));
  }

  #deliver(message: Message, { noLocal, qos, subscriptionIdentifier }: Subscription): void {
    const { session, around } = this.#of;
    if (session.outbound.news?.has(message)) return;
    if (noLocal && message.publisherId === session.clientId) return; // [MQTT-3.8.3-3]
    const { expiresAtMs } = message;
    if (expiresAtMs > 0 && expiresAtMs <= around.persistence.clock.nowMs()) return; // while it waited [MQTT-3.3.2-5]
    const identifiers = subscriptionIdentifier === undefined ? undefined : [subscriptionIdentifier];
    session.deliverCopy(message, Math.min(message.qos, qos), true, identifiers, true);
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
