// The end of a turn: what one look at the network brought in is worked off, then it is answered in one go.
//
// System calls cost, JavaScript hardly does. So nothing writes to a socket, or to the store, when it has something to
// say: it says so at the end of the turn, and everything that came up meanwhile goes out together. First the tasks run
// (they may have more to send), then each socket that has something to send is flushed once.
//
// When is a turn over? After the read callback that began it (nextTick): the answer leaves before the next socket is
// read, which is best while sockets are ready one at a time. When many are ready at once, it pays to read them all
// first (setImmediate) and write after, but then a quiet loop would go round once more for nothing. So the turn
// watches: every so often it counts how many reads one round of the loop holds, and changes over while they are many.
//
// What is for very many sockets is flushed some at a time, and between two times everybody else has a turn: who has
// something to send for the first time then does not wait for those that are left.
//
// Whoever has to know how long the loop stood still is asked before each read is looked at, since the process may be
// stopped between two of them, and before anything is worked off. Not in the middle of it: he may end what is at work.

/** What can be flushed at the end of the turn: it collects, then writes once. */
export interface Flushable {
  /** Writes out what was collected. Called once for each {@link Turn.flushLater}. Never throws. */
  flush(): void;
}

/** Reads in one round of the loop from which it pays to read them all before any is answered. */
const manyReads = 3;
/** Flushed in one go: some milliseconds. */
const flushMax = 512;
/** Turns between two looks at how many reads a round holds, and quiet ones before going back. */
const lookEvery = 64;
const quietTurns = 16;

/** The end of the current turn of the event loop; one for a process. */
export class Turn {
  #tasks: (() => void)[] = [];
  #spareTasks: (() => void)[] = [];
  #dirty: Flushable[] = [];
  #spareDirty: Flushable[] = [];
  /** What was too much for one go, and how much of it is flushed. */
  #left: Flushable[] = [];
  #leftAt = 0;
  #armed = false;
  #reads = 0;
  #gathers = false;
  #turnsToLook = lookEvery;
  #quiet = 0;
  readonly #alive: (() => void) | undefined;
  readonly #end = (): void => this.#run();
  readonly #goOn = (): void => this.#flushSome();
  readonly #look = (): void => {
    if (this.#reads >= manyReads) this.#gathers = true;
    this.#quiet = 0;
  };

  /** @param alive called before anything is taken in, and before anything is worked off and sent */
  constructor(alive?: () => void) {
    this.#alive = alive;
  }

  /** Whether it is at present the whole round of the loop that is answered in one go. */
  get gathers(): boolean {
    return this.#gathers;
  }

  /** Counts a read, from which the turn learns how busy the loop is. To be called before the bytes are looked at. */
  read(): void {
    this.#reads += 1;
    this.#alive?.();
  }

  /** Calls `task` once at the end of this turn, before the sockets are flushed. */
  endOfTurn(task: () => void): void {
    this.#tasks.push(task);
    this.#arm();
  }

  /** Flushes `flushable` at the end of this turn, or soon after it. Whoever calls it twice is flushed twice. */
  flushLater(flushable: Flushable): void {
    this.#dirty.push(flushable);
    this.#arm();
  }

  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    if (this.#gathers) setImmediate(this.#end);
    else process.nextTick(this.#end);
  }

  #run(): void {
    this.#alive?.();
    const tasks = this.#tasks;
    this.#tasks = this.#spareTasks;
    // Not before the tasks have run: what they send belongs to this turn.
    for (const task of tasks) task();
    tasks.length = 0;
    this.#spareTasks = tasks;

    const dirty = this.#dirty;
    this.#dirty = this.#spareDirty;
    this.#armed = false;
    if (dirty.length <= flushMax) for (const flushable of dirty) flushable.flush();
    else this.#flushInGoes(dirty);
    dirty.length = 0;
    this.#spareDirty = dirty;
    // A task that asked for another one while `armed` was still set.
    if (this.#tasks.length > 0) this.#arm();
    this.#watch();
  }

  #flushInGoes(dirty: readonly Flushable[]): void {
    const isUnderWay = this.#left.length > 0;
    for (const flushable of dirty) this.#left.push(flushable);
    if (!isUnderWay) this.#flushSome();
  }

  #flushSome(): void {
    this.#alive?.();
    const end = Math.min(this.#leftAt + flushMax, this.#left.length);
    while (this.#leftAt < end) this.#left[this.#leftAt++]?.flush();
    if (end < this.#left.length) {
      // Under a load that never ends, the end of the list may never come.
      if (this.#leftAt >= 8 * flushMax) {
        this.#left.splice(0, this.#leftAt);
        this.#leftAt = 0;
      }
      setImmediate(this.#goOn);
      return;
    }
    this.#left = [];
    this.#leftAt = 0;
  }

  #watch(): void {
    if (this.#gathers) {
      this.#quiet = this.#reads >= manyReads ? 0 : this.#quiet + 1;
      if (this.#quiet >= quietTurns) this.#gathers = false;
      this.#reads = 0;
      return;
    }
    this.#turnsToLook -= 1;
    if (this.#turnsToLook > 0) return;
    this.#turnsToLook = lookEvery;
    this.#reads = 0;
    setImmediate(this.#look);
  }
}
