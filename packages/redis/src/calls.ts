// Calls of functions in Redis: gathered for a turn of the event loop, written together, each with a deadline.
//
// A client library costs 5 to 8 µs for a command, whatever it carries, and a system call for every write; so a call
// carries as much as its port was given, built as one piece of bytes (frame.ts), and all calls of a turn leave in one
// write, in the order they were made. What the library does for us is the connection, the deadlines, and the replies.
//
// Nothing is ever sent twice by itself: a call whose connection broke, or that took too long, may have been done, and
// its caller hears StoreUnavailable. While there is no connection that has been looked over, calls fail at once.

import { StoreUnavailable } from '@skein/broker';
import { Command, type Redis, ReplyError } from 'ioredis';
import { Frame } from './frame.ts';
import { calledName, type FunctionName } from './library.ts';

/** What a function is given beside its keys. */
export type Argument = string | number | Buffer;

/** What Redis answers: bulk strings as bytes. */
export type Reply = Buffer | number | null | readonly Reply[];

interface Pending {
  readonly frame: Frame;
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
  'STALE',
  'TRYAGAIN',
  'UNBLOCKED',
  'WRONGPASS',
];

/** Redis has run a function, which found something that it cannot work with, before it wrote anything; it would again. */
export class FunctionFailed extends Error {
  override readonly name = 'FunctionFailed';
}

/** A command that is written as it was built. */
class FramedCommand extends Command {
  readonly #frame: Frame;

  constructor(frame: Frame) {
    super(frame.command, [], { replyEncoding: null });
    this.#frame = frame;
  }

  override toWritable(): Buffer {
    return this.#frame.finished();
  }
}

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
   * @throws FunctionFailed if it has certainly not been done, and could not be
   */
  call(name: FunctionName, keys: readonly string[], args: readonly Argument[] = []): Promise<Reply> {
    const frame = this.begin(name, keys.length);
    for (const key of keys) frame.text(key);
    for (const arg of args) addTo(frame, arg);
    return this.send(frame);
  }

  /**
   * Begins a call whose caller writes its keys and then its arguments.
   *
   * @param bytes how many they will take, about
   */
  begin(name: FunctionName, keyCount: number, bytes?: number): Frame {
    const frame = new Frame('FCALL', bytes);
    frame.text(calledName(name));
    frame.number(keyCount);
    return frame;
  }

  /**
   * Sends a command.
   *
   * @throws StoreUnavailable if it is not known to have been done
   */
  command([command, ...words]: readonly [string, ...Argument[]]): Promise<Reply> {
    const frame = new Frame(command);
    for (const word of words) addTo(frame, word);
    return this.send(frame);
  }

  /**
   * Sends a command that is written.
   *
   * @throws StoreUnavailable if it is not known to have been done
   * @throws FunctionFailed if it has certainly not been done, and could not be
   */
  send(frame: Frame): Promise<Reply> {
    if (this.#away !== undefined) return Promise.reject(new StoreUnavailable(`Redis is away: ${this.#away}`));
    return new Promise((resolve, reject) => {
      if (this.#pending.length === 0) setImmediate(() => this.#flush());
      this.#pending.push({ frame, resolve, reject });
    });
  }

  #flush(): void {
    const pending = this.#pending;
    this.#pending = [];
    // One write for all of them.
    const stream = pending.length > 1 ? this.#redis.stream : undefined;
    stream?.cork();
    try {
      for (const { frame, resolve, reject } of pending) {
        const sent = this.#redis.sendCommand(new FramedCommand(frame)) as Promise<Reply>;
        sent.then(resolve, (error: Error) => reject(unavailable(error)));
      }
    } finally {
      stream?.uncork();
    }
  }
}

function addTo(frame: Frame, word: Argument): void {
  if (typeof word === 'string') frame.text(word);
  else if (typeof word === 'number') frame.number(word);
  else frame.data(word);
}

/** What a failed call means: the store is away, or, if Redis says that the call made no sense, we are wrong. */
function unavailable(error: Error): Error {
  if (!(error instanceof ReplyError) || passing.some((code) => error.message.startsWith(code))) {
    return new StoreUnavailable(`Redis did not answer well: ${error.message}`, { cause: error });
  }
  if (error.message.includes('Function not found')) {
    return new StoreUnavailable('the functions of the store were removed from Redis', { cause: error });
  }
  // Redis says which script it was, and so that it ran: another refusal is about all calls, and no reason to give one up.
  const Failed = error.message.includes(' script: ') ? FunctionFailed : Error;
  return new Failed(`a function of the store failed: ${error.message}`, { cause: error });
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
