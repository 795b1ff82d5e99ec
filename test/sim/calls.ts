// The calls of the broker that are on their way to the store, or back: answered late, in any order, or not at all.

import { StoreUnavailable } from '../../packages/broker/src/index.ts';
import type { PendingCall } from '../../packages/broker/src/testing/unreliable-store.ts';
import type { Random } from '../history/random.ts';

/** How long the broker's way to its store lets a call wait, in milliseconds. */
const deadlineMs = 5000;

interface Held {
  readonly call: PendingCall;
  readonly sinceMs: number;
}

/** What befalls calls. */
export interface CallsOptions {
  readonly areHeld: boolean;
  readonly failPercent: number;
  readonly nowMs: () => number;
  readonly tell: ((line: string) => void) | undefined;
}

/** Calls that nobody has answered. */
export class Calls {
  readonly #options: CallsOptions;
  readonly #held: Held[] = [];
  #areHeld: boolean;
  #haveFailed = false;

  constructor(options: CallsOptions) {
    this.#options = options;
    this.#areHeld = options.areHeld;
  }

  /** Whether any wait. */
  get areLeft(): boolean {
    return this.#held.length > 0;
  }

  /** Whether any has failed. */
  get haveFailed(): boolean {
    return this.#haveFailed;
  }

  meet(call: PendingCall): void {
    if (!this.#areHeld) this.#answer(call);
    else this.#held.push({ call, sinceMs: this.#options.nowMs() });
  }

  /** Something happens to one of them: the store does it, its answer comes, or nobody will ever know. */
  advance(random: Random): void {
    if (this.#held.length === 0) return;
    const at = random.below(this.#held.length);
    const { call } = this.#held[at] as Held;
    const dice = random.below(100);
    if (!call.isDone && dice >= 50 && dice < 75) {
      this.#say(call, 'is done, and not answered yet');
      call.do();
      return;
    }
    this.#held.splice(at, 1);
    if (dice < this.#options.failPercent) this.#fail(call);
    else this.#answer(call);
  }

  /** Those fail that have been waited for long enough. */
  end(): void {
    for (let at = 0; at < this.#held.length; ) {
      const { call, sinceMs } = this.#held[at] as Held;
      if (this.#options.nowMs() - sinceMs < deadlineMs) {
        at++;
        continue;
      }
      this.#held.splice(at, 1);
      this.#fail(call);
    }
  }

  /** From now on the store is near: it answers at once. */
  answerAll(): void {
    this.#areHeld = false;
    for (const { call } of this.#held.splice(0)) this.#answer(call);
  }

  #answer(call: PendingCall): void {
    if (!looks.has(call.name)) this.#say(call, 'is answered');
    call.answer();
  }

  #fail(call: PendingCall): void {
    this.#haveFailed = true;
    this.#say(call, call.isDone ? 'fails, though it was done' : 'fails, and was not done');
    call.fail(new StoreUnavailable(`${call.name} did not answer`));
  }

  #say(call: PendingCall, what: string): void {
    this.#options.tell?.(`         store: ${call.name} ${inWords(call.args)} ${what}`);
  }
}

/** What the broker asks every second, and a story need not tell. */
const looks = new Set(['wills.claim', 'sessions.ended', 'shared.left']);

const untold = new Set(['properties', 'frames', 'generation', 'payload', 'expiresAtMs', 'username', 'nonce', 'claim']);

/** The arguments of a call without what repeats itself. */
function inWords(args: readonly unknown[]): string {
  const words = JSON.stringify(args, (key, value: unknown) => (untold.has(key) ? undefined : value));
  return words.slice(1, -1).replaceAll('"', '');
}
