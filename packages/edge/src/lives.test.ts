import { Counters } from '@skein/broker';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { type Life, Lives } from './lives.ts';
import type { MeetingPlace } from './meeting.ts';

/** A life that is played. */
class PlayedLife implements Life {
  readonly node: string;
  readonly durability = 'everysec';
  readonly broker: { readonly counters: Counters; fence(why: string): void };
  isFenced = false;
  /** What its start comes to. */
  onStart: () => Promise<void> = () => Promise.resolve();
  readonly #story: string[];

  constructor(number: number, story: string[], fenced: (life: PlayedLife) => void) {
    this.node = `n1:${number}`;
    this.#story = story;
    this.broker = {
      counters: new Counters(),
      fence: (why) => {
        story.push(`${this.node} fenced: ${why}`);
        this.isFenced = true;
        fenced(this);
      },
    };
  }

  start(): Promise<void> {
    this.#story.push(`${this.node} starts`);
    return this.onStart();
  }

  async stop(): Promise<void> {
    this.#story.push(`${this.node} stops`);
  }

  async abandon(): Promise<void> {
    this.#story.push(`${this.node} is abandoned`);
  }
}

/** The lives of a node, with a clock that is turned by hand. */
class Scene {
  readonly story: string[] = [];
  readonly opened: PlayedLife[] = [];
  /** Whether the store is there; if not, no life can be opened. */
  storeAnswers = true;
  /** Whether the lives to come can start. */
  onStart: () => Promise<void> = () => Promise.resolve();
  nowMs = 1000;
  readonly #waits: { readonly atMs: number; readonly task: () => void }[] = [];
  readonly lives: Lives<PlayedLife>;
  readonly #meets: boolean;

  constructor({ meets = true }: { readonly meets?: boolean } = {}) {
    this.#meets = meets;
    const meeting = {
      close: async () => {
        this.story.push('meets nobody any more');
      },
    };
    this.lives = new Lives<PlayedLife>({
      nodeId: 'n1',
      log: pino({ level: 'silent' }),
      clock: {
        monotonicMs: () => this.nowMs,
        after: (delayMs, task) => {
          this.#waits.push({ atMs: this.nowMs + delayMs, task });
          return () => {};
        },
      },
      beats: () => () => {},
      meet: async () => (this.#meets ? (meeting as unknown as MeetingPlace) : undefined),
      open: async (_, fenced) => {
        if (!this.storeAnswers) throw new Error('the store is away');
        const life = new PlayedLife(this.opened.length + 1, this.story, fenced);
        life.onStart = this.onStart;
        this.opened.push(life);
        return life;
      },
      ended: () => this.story.push('everybody is cut off'),
      servesAgain: () => this.story.push('serves again'),
    });
  }

  /** Lets time pass, and whatever waits for it happen. */
  async pass(ms: number): Promise<void> {
    this.nowMs += ms;
    for (const wait of this.#waits.splice(0)) {
      if (wait.atMs <= this.nowMs) wait.task();
      else this.#waits.push(wait);
    }
    await settled();
  }
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('a node that was fenced', () => {
  it('cuts everybody off at once, ends without a word, and begins anew under another name', async () => {
    const { lives, story } = new Scene();
    await lives.start();
    expect(lives.node).toBe('n1:1');
    story.length = 0;
    lives.now?.broker.fence('so');
    expect(story.slice(0, 2)).toEqual(['n1:1 fenced: so', 'everybody is cut off']);
    expect(lives.now).toBeUndefined();
    await settled();
    expect(story.slice(2)).toEqual(['n1:1 is abandoned', 'n1:2 starts', 'serves again']);
    expect(lives.now?.node).toBe('n1:2');
    expect(lives.node).toBe('n1:2');
    expect(lives.timesFenced).toBe(1);
  });

  it('goes on trying while the store is away, and while the new life cannot start', async () => {
    const scene = new Scene();
    const { lives, story } = scene;
    await lives.start();
    scene.storeAnswers = false;
    lives.now?.broker.fence('so');
    for (let seconds = 0; seconds < 10; seconds += 1) await scene.pass(1000);
    expect(lives.now).toBeUndefined();
    scene.storeAnswers = true;
    scene.onStart = () => Promise.reject(new Error('the store went away again'));
    await scene.pass(2000);
    expect(story.slice(-2)).toEqual(['n1:2 starts', 'n1:2 is abandoned']);
    scene.onStart = () => Promise.resolve();
    await scene.pass(2000);
    expect(story.slice(-2)).toEqual(['n1:3 starts', 'serves again']);
  });

  it('counts on from where it was', async () => {
    const { lives } = new Scene();
    await lives.start();
    const first = lives.now!;
    first.broker.counters.queued = 5;
    first.broker.fence('so');
    expect(lives.counters.queued).toBe(5);
    await settled();
    lives.now!.broker.counters.queued = 2;
    expect(lives.counters.queued).toBe(7);
    // What the dead one still counts is nobody's.
    first.broker.counters.queued = 100;
    expect(lives.counters.queued).toBe(7);
  });

  it('and is told to stop meanwhile, stops', async () => {
    const scene = new Scene();
    const { lives, story } = scene;
    await lives.start();
    scene.storeAnswers = false;
    lives.now?.broker.fence('so');
    await settled();
    await lives.stop(1000);
    scene.storeAnswers = true;
    await scene.pass(10_000);
    expect(scene.opened).toHaveLength(1);
    expect(story.at(-1)).toBe('meets nobody any more');
  });

  it('while it stops, begins no other life', async () => {
    const scene = new Scene();
    const { lives, story } = scene;
    await lives.start();
    const life = lives.now!;
    life.stop = async () => life.broker.fence('so');
    await lives.stop(1000);
    await scene.pass(10_000);
    expect(scene.opened).toHaveLength(1);
    expect(story).toContain('everybody is cut off');
    expect(story).not.toContain('serves again');
  });

  it('while it stops and cannot finish what it had begun, is left as it is', async () => {
    const scene = new Scene();
    const { lives, story } = scene;
    await lives.start();
    const life = lives.now!;
    life.stop = async () => {
      life.broker.fence('so');
      throw new Error('the store takes nothing from it any more');
    };
    await lives.stop(1000);
    expect(story.slice(-2)).toEqual(['n1:1 is abandoned', 'meets nobody any more']);
  });

  it('before it has begun to serve, begins anew', async () => {
    const scene = new Scene();
    const { lives, story } = scene;
    const failures = [() => Promise.resolve(), () => Promise.reject(new Error('it was over'))];
    scene.onStart = async () => {
      const fail = failures.pop();
      if (fail === undefined) return;
      scene.opened.at(-1)?.broker.fence('so');
      await fail();
    };
    await lives.start();
    expect(story.filter((line) => line.includes('abandoned'))).toEqual(['n1:1 is abandoned', 'n1:2 is abandoned']);
    expect(lives.node).toBe('n1:3');
    expect(lives.timesFenced).toBe(0);
  });

  it('is not one that cannot start at all', async () => {
    const scene = new Scene();
    scene.onStart = () => Promise.reject(new Error('the name is taken'));
    await expect(scene.lives.start()).rejects.toThrow('the name is taken');
    expect(scene.story.at(-1)).toBe('n1:1 is abandoned');
  });
});

describe('an event loop that stood still', () => {
  it('for longer than its lease allows fences the node, before anything else happens', async () => {
    const scene = new Scene();
    const { lives, story } = scene;
    await lives.start();
    await scene.pass(4000);
    lives.look();
    expect(lives.timesFenced).toBe(0);
    scene.nowMs += 4001;
    lives.look();
    expect(story.slice(1, 3)).toEqual(['n1:1 fenced: its event loop stood still for 4001 ms', 'everybody is cut off']);
    await settled();
    lives.look();
    expect(lives.timesFenced).toBe(1);
    expect(lives.now?.node).toBe('n1:2');
  });

  it('is of no matter to a node that is alone', async () => {
    const scene = new Scene({ meets: false });
    await scene.lives.start();
    scene.nowMs += 60_000;
    scene.lives.look();
    expect(scene.lives.now?.node).toBe('n1:1');
  });
});
