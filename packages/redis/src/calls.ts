// Calls of functions in Redis: gathered for a turn of the event loop, written together, each with a deadline.
//
// A client library costs 5 to 8 µs for a command, whatever it carries, and a system call for every write; so a call
// carries as much as its port was given, and all calls of a turn leave in one write, in the order they were made.
//
// Nothing is ever sent twice by itself: a call whose connection broke, or that took too long, may have been done, and
// its caller hears StoreUnavailable. While there is no connection that has been looked over, calls fail at once.

import { StoreUnavailable } from '@skein/broker';
import { type Redis, ReplyError } from 'ioredis';
import { calledName, type FunctionName } from './library.ts';

/** What a function is given beside its keys. */
export type Argument = string | number | Buffer;

/** What Redis answers: bulk strings as bytes. */
export type Reply = Buffer | number | null | readonly Reply[];

interface Pending {
  readonly words: (string | number | Buffer)[];
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

/** Errors by which Redis refuses a command without having done anything, and which pass. */
const passing = [
  'BUSY',
  'CLUSTERDOWN',
  'LOADING',
  'MASTERDOWN',
  'MISCONF',
  'NOAUTH',
  'NOPERM',
  'NOREPLICAS',
  'OOM',
  'READONLY',
  'TRYAGAIN',
  'UNBLOCKED',
  'WRONGPASS',
];

/** Carries calls over one connection. */
export class Calls {
  readonly #redis: Redis;
  #pending: Pending[] = [];
  #away: string | undefined = 'not connected yet';

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** Why calls fail at present; undefined while they are carried. */
  get away(): string | undefined {
    return this.#away;
  }

  /** From now on calls fail at once, for this reason; undefined lets them through again. */
  setAway(reason: string | undefined): void {
    this.#away = reason;
  }

  /**
   * Calls a function.
   *
   * @throws StoreUnavailable if it is not known to have been done
   */
  call(name: FunctionName, keys: readonly string[], args: readonly Argument[] = []): Promise<Reply> {
    return this.command(['FCALL', calledName(name), keys.length, ...keys, ...args]);
  }

  /**
   * Sends a command.
   *
   * @throws StoreUnavailable if it is not known to have been done
   */
  command(words: (string | number | Buffer)[]): Promise<Reply> {
    if (this.#away !== undefined) return Promise.reject(new StoreUnavailable(`Redis is away: ${this.#away}`));
    return new Promise((resolve, reject) => {
      if (this.#pending.length === 0) setImmediate(() => this.#flush());
      this.#pending.push({ words, resolve, reject });
    });
  }

  #flush(): void {
    const pending = this.#pending;
    this.#pending = [];
    if (pending.length === 1) {
      const [only] = pending as [Pending];
      const [command, ...rest] = only.words;
      this.#redis.callBuffer(command as string, rest).then(
        (reply) => only.resolve(reply as Reply),
        (error: Error) => only.reject(unavailable(error)),
      );
      return;
    }
    const pipeline = this.#redis.pipeline();
    for (const { words } of pending) {
      const [command, ...rest] = words;
      pipeline.callBuffer(command as string, rest);
    }
    pipeline.exec().then(
      (results) => {
        for (const [i, { resolve, reject }] of pending.entries()) {
          const [error, reply] = results?.[i] ?? [new Error('no answer'), undefined];
          if (error) reject(unavailable(error));
          else resolve(reply as Reply);
        }
      },
      (error: Error) => {
        for (const { reject } of pending) reject(unavailable(error));
      },
    );
  }
}

/** What a failed call means: the store is away, or, if Redis says that the call made no sense, we are wrong. */
function unavailable(error: Error): Error {
  if (!(error instanceof ReplyError) || passing.some((code) => error.message.startsWith(code))) {
    return new StoreUnavailable(`Redis did not answer well: ${error.message}`, { cause: error });
  }
  if (error.message.includes('Function not found')) {
    return new StoreUnavailable('the functions of the store were removed from Redis', { cause: error });
  }
  return new Error(`a function of the store failed: ${error.message}`, { cause: error });
}

/** The text of a reply. */
export function textOf(reply: Reply | undefined): string {
  return Buffer.isBuffer(reply) ? reply.toString() : String(reply);
}

/** The number in a reply, whether Redis sent it as one or as text. */
export function numberOf(reply: Reply | undefined): number {
  return typeof reply === 'number' ? reply : Number(textOf(reply));
}

/** The list in a reply; a null is an empty one. */
export function listOf(reply: Reply | undefined): readonly Reply[] {
  return Array.isArray(reply) ? (reply as readonly Reply[]) : [];
}

/** The bytes of a reply. */
export function bytesOf(reply: Reply | undefined): Buffer {
  if (!Buffer.isBuffer(reply)) throw new Error('Redis answered what no function of ours answers');
  return reply;
}
