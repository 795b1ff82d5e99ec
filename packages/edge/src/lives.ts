// The lives of a node, one after another: what is behind its doors.
//
// rule: Fence. One of several nodes may have been taken for dead by the others: because it could not renew its lease,
// or because its event loop stood still, and with it the renewals. The engine says the one, the watch over the loop the
// other. The life ends at once, and after it another begins, as often and as long as it takes to find the store there.

import type { Broker, Clock, Counters } from '@skein/broker';
import type { Logger } from 'pino';
import type { OfferedDurability } from './config/durability.ts';
import { CountersKept } from './counters-kept.ts';
import type { Engine } from './engine.ts';
import type { MeetingPlace } from './meeting.ts';
import { type Beats, Stillness } from './stillness.ts';

/** One life, as it is seen from here. */
export type Life = Pick<Engine, 'node' | 'durability' | 'isFenced' | 'start' | 'stop' | 'abandon'> & {
  readonly broker: Pick<Broker, 'counters' | 'fence'>;
};

/** What the lives of a node take. */
export interface LivesSurroundings<Each extends Life> {
  readonly nodeId: string;
  readonly log: Logger;
  readonly clock: Pick<Clock, 'monotonicMs' | 'after'>;
  /** Default is a timer. */
  readonly beats?: Beats;
  /** Finds a place for this node and its peers to meet; undefined for a node that is alone. */
  readonly meet: () => Promise<MeetingPlace | undefined>;
  /** Makes a life, which has not begun yet; it says when it was fenced. */
  readonly open: (meeting: MeetingPlace | undefined, fenced: (life: Each) => void) => Promise<Each>;
  /** A life has ended: whatever Network Connections it had are to be cut off now. Called in the middle of anything. */
  readonly ended: () => void;
  /** After a life that ended, another one serves. */
  readonly servesAgain: () => void;
}

/** The longest gap in the life of the event loop after which this node is still what it was: 2 s less than a lease. */
const longestStillMs = 4000;
/** Between attempts to begin anew, while the store does not answer, say. */
const firstRetryMs = 100;
const lastRetryMs = 2000;
const takenForDead = 'the node was taken for dead while it started; it begins anew';

/** The present life of a node, and how another takes its place. */
export class Lives<Each extends Life> {
  readonly #around: LivesSurroundings<Each>;
  readonly #stillness: Stillness;
  readonly #countersKept: CountersKept = new CountersKept();
  #meeting: MeetingPlace | undefined;
  #life: Each | undefined;
  #node: string;
  #durability: OfferedDurability = 'unverified';
  #timesFenced = 0;
  #isStopping = false;
  /** Resolves when another engine serves, or none will. */
  #renewed: Promise<void> | undefined;
  /** Ends the wait for another attempt. */
  #hurry: () => void = () => {};

  constructor(around: LivesSurroundings<Each>) {
    this.#around = around;
    this.#node = around.nodeId;
    this.#stillness = new Stillness({
      monotonicMs: () => around.clock.monotonicMs(),
      longestMs: longestStillMs,
      found: (gapMs) => this.#life?.broker.fence(`its event loop stood still for ${Math.round(gapMs)} ms`),
      ...(around.beats === undefined ? {} : { beats: around.beats }),
    });
  }

  /** The one that serves; undefined before the first, and between two. */
  get now(): Each | undefined {
    return this.#life;
  }

  /** What the last one was called. */
  get node(): string {
    return this.#node;
  }

  /** What its store offered; `unverified` until one was opened. */
  get durability(): OfferedDurability {
    return this.#durability;
  }

  /** Where peers are met; undefined for a node that is alone. */
  get meeting(): MeetingPlace | undefined {
    return this.#meeting;
  }

  get timesFenced(): number {
    return this.#timesFenced;
  }

  /** Of all lives together. */
  get counters(): Counters {
    return this.#countersKept.with(this.#life?.broker.counters);
  }

  /** A turn of the event loop has begun: if long after the one before, the life is over before anything comes of it. */
  look(): void {
    this.#stillness.look();
  }

  /**
   * Begins the first life.
   *
   * @throws StartRefused if the store or the address for peers cannot be had
   * @throws NodeIdTaken if a node of this name is alive
   * @throws StoreUnavailable if the store stops answering meanwhile
   */
  async start(): Promise<void> {
    this.#meeting = await this.#around.meet();
    while (!(await this.#begin())) this.#around.log.warn({ event: 'not_serving_yet' }, takenForDead);
  }

  /** Ends in good order, whichever life it is. Nothing begins after this. */
  async stop(deadlineMs: number): Promise<void> {
    const { clock } = this.#around;
    const endsMs = clock.monotonicMs() + deadlineMs;
    this.#isStopping = true;
    this.#hurry();
    // A life that is only about to begin has nothing to finish; when it has begun, it ends itself.
    await Promise.race([this.#renewed, new Promise<void>((resolve) => clock.after(deadlineMs, resolve))]);
    this.#stillness.stop();
    await this.#stopLife(Math.max(0, endsMs - clock.monotonicMs()));
    await this.#meeting?.close();
  }

  /** What a life that is fenced while it stops could not finish is its successor's on another node. */
  async #stopLife(deadlineMs: number): Promise<void> {
    try {
      await this.#life?.stop(deadlineMs);
    } catch (error) {
      if (this.#life?.isFenced !== true) throw error;
      await this.#life.abandon();
    }
  }

  /** @returns false if the life was over before it could serve */
  async #begin(): Promise<boolean> {
    const life = await this.#around.open(this.#meeting, (fenced) => this.#fenced(fenced));
    try {
      await life.start();
    } catch (error) {
      await life.abandon();
      if (life.isFenced) return false;
      throw error;
    }
    if (life.isFenced || this.#isStopping) {
      await life.abandon();
      return false;
    }
    this.#life = life;
    this.#node = life.node;
    this.#durability = life.durability;
    if (this.#meeting !== undefined) this.#stillness.start();
    return true;
  }

  #fenced(life: Each): void {
    if (life !== this.#life) return; // it has not begun to serve
    this.#timesFenced += 1;
    this.#stillness.stop();
    if (this.#isStopping) {
      this.#around.ended();
      return;
    }
    this.#life = undefined;
    this.#countersKept.keep(life.broker.counters);
    this.#around.ended();
    this.#renewed = this.#beginAnew(life);
  }

  async #beginAnew(dead: Each): Promise<void> {
    await dead.abandon();
    for (let delayMs = firstRetryMs; !this.#isStopping; delayMs = Math.min(delayMs * 2, lastRetryMs)) {
      try {
        if (await this.#begin()) {
          if (!this.#isStopping) this.#around.servesAgain();
          return;
        }
        this.#around.log.warn({ event: 'not_serving_yet' }, takenForDead);
      } catch (error) {
        const words = 'the node cannot serve again yet; it goes on trying';
        this.#around.log.warn({ event: 'not_serving_yet', err: error }, words);
      }
      if (!this.#isStopping) await this.#pause(delayMs);
    }
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#hurry = resolve;
      this.#around.clock.after(delayMs, resolve);
    });
  }
}
