import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { Turn } from './turn.ts';

/** A turn of the event loop. */
function nextRound(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('the end of a turn', () => {
  it('runs the tasks first, then flushes, each once', async () => {
    const turn = new Turn();
    const story: string[] = [];
    turn.flushLater({ flush: () => story.push('flush a') });
    turn.endOfTurn(() => story.push('task 1'));
    turn.endOfTurn(() => story.push('task 2'));
    story.push('turn');
    await nextRound();
    expect(story).toEqual(['turn', 'task 1', 'task 2', 'flush a']);
    await nextRound();
    expect(story).toHaveLength(4);
  });

  it('flushes at once what a task has given cause to send', async () => {
    const turn = new Turn();
    const story: string[] = [];
    turn.endOfTurn(() => {
      story.push('task');
      turn.flushLater({ flush: () => story.push('flush') });
    });
    turn.flushLater({ flush: () => story.push('flush before') });
    await Promise.resolve();
    await nextRound();
    expect(story).toEqual(['task', 'flush before', 'flush']);
  });

  it('runs a task of a task at the end of the next one', async () => {
    const turn = new Turn();
    const story: string[] = [];
    turn.endOfTurn(() => {
      story.push('first');
      turn.flushLater({ flush: () => story.push('flush') });
      turn.endOfTurn(() => story.push('second'));
    });
    await nextRound();
    expect(story).toEqual(['first', 'flush', 'second']);
  });

  it('lets others have their turn while very many are flushed, each once, the first to ask first', async () => {
    let lives = 0;
    const turn = new Turn(() => lives++);
    const flushed: (number | string)[] = [];
    const many = (from: number): void => {
      for (let i = from; i < from + 2000; i++) turn.flushLater({ flush: () => flushed.push(i) });
    };
    many(0);
    await nextRound();
    expect(flushed.length).toBeGreaterThan(0);
    expect(flushed.length).toBeLessThan(2000);
    const livesBefore = lives;
    turn.flushLater({ flush: () => flushed.push('late') });
    many(2000);
    for (let round = 0; round < 20; round++) await nextRound();
    expect(lives).toBeGreaterThan(livesBefore + 5); // asked before each go
    expect(flushed.filter((each) => each !== 'late')).toEqual(Array.from({ length: 4000 }, (_, i) => i));

    flushed.length = 0;
    many(0);
    await nextRound();
    turn.flushLater({ flush: () => flushed.push('alone') });
    for (let round = 0; round < 20; round++) await nextRound();
    expect(flushed).toHaveLength(2001);
    expect(flushed.indexOf('alone')).toBeLessThan(1600); // it did not wait for all of them
  });

  it('keeps nothing that was flushed, though a load that never ends leaves something each time', async () => {
    setFlagsFromString('--expose-gc');
    const collect: () => void = runInNewContext('gc');
    const turn = new Turn();
    let count = 0;
    const many = (): WeakRef<object> => {
      let first: object | undefined;
      for (let i = 0; i < 600; i++) {
        const each = { flush: () => count++ };
        first ??= each;
        turn.flushLater(each);
      }
      return new WeakRef(first as object);
    };
    const first = many();
    for (let round = 0; round < 40; round++) {
      await nextRound();
      many();
    }
    expect(count).toBeLessThan(41 * 600); // it never came to an end
    collect();
    expect(first.deref()).toBeUndefined();
    for (let round = 0; round < 40; round++) await nextRound();
    expect(count).toBe(41 * 600);
  });

  it('comes again for what a flush has given cause to send', async () => {
    const turn = new Turn();
    const story: string[] = [];
    turn.flushLater({
      flush: () => {
        story.push('a');
        turn.flushLater({ flush: () => story.push('b') });
      },
    });
    await nextRound();
    await nextRound();
    expect(story).toEqual(['a', 'b']);
  });
});

describe('whoever has to know how long the loop stood still', () => {
  it('is asked before each read, since the process may be stopped between two, and before anything is sent', async () => {
    const story: string[] = [];
    const turn = new Turn(() => story.push('alive'));
    turn.read();
    story.push('bytes');
    turn.read();
    story.push('bytes');
    turn.flushLater({ flush: () => story.push('flush') });
    await nextRound();
    expect(story).toEqual(['alive', 'bytes', 'alive', 'bytes', 'alive', 'flush']);
  });

  it('is asked in a turn without reads too, before its tasks', async () => {
    const story: string[] = [];
    const turn = new Turn(() => story.push('alive'));
    turn.endOfTurn(() => story.push('task'));
    await nextRound();
    expect(story).toEqual(['alive', 'task']);
  });
});

describe('many reads in one round of the loop', () => {
  /** One round with a number of reads, each in a callback of its own, and each with something to send. */
  async function round(turn: Turn, reads: number, flushed: () => void): Promise<void> {
    const callbacks: Promise<void>[] = [];
    for (let count = 0; count < reads; count += 1) {
      callbacks.push(
        Promise.resolve().then(() => {
          turn.read();
          turn.flushLater({ flush: flushed });
        }),
      );
    }
    await Promise.all(callbacks);
    await nextRound();
  }

  it('make the turn last the whole round, and few reads make it short again', async () => {
    const turn = new Turn();
    let flushes = 0;
    const flushed = (): void => {
      flushes += 1;
    };
    expect(turn.gathers).toBe(false);
    // Reads that come in callbacks of their own, some before and some after the turn has looked.
    for (let rounds = 0; rounds < 500 && !turn.gathers; rounds += 1) {
      await round(turn, 1, flushed);
      await new Promise<void>((resolve) => process.nextTick(resolve));
      for (let count = 0; count < 8; count += 1) turn.read();
      await nextRound();
    }
    expect(turn.gathers).toBe(true);

    for (let rounds = 0; rounds < 100 && turn.gathers; rounds += 1) await round(turn, 1, flushed);
    expect(turn.gathers).toBe(false);
    expect(flushes).toBeGreaterThan(64);
  });
});
