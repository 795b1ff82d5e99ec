import { describe, expect, it } from 'vitest';
import { acquireOf, messageOn, subscriptionTo, textOf } from '../contract/samples.ts';
import { SeededRandom } from '../contract/seeded-random.ts';
import { unfenced } from '../contract/trial.ts';
import type { Incoming } from '../lane.ts';
import { defaultLimits } from '../limits.ts';
import { memoryStore } from '../memory/store.ts';
import { type Claim, type Store, StoreUnavailable } from '../ports.ts';
import { agreesOnNobody, type BrokenRule, forgetsRefusals } from '../testing/broken-rules.ts';
import { forEachSeed } from '../testing/seeds.ts';
import { Surroundings } from '../testing/surroundings.ts';
import { type PendingCall, UnreliableStore } from '../testing/unreliable-store.ts';
import { Chooser } from './choose.ts';
import { SharedGroup } from './group.ts';
import { place } from './place.ts';
import { Placement } from './placement.ts';

// rule: One choice. Several nodes place the same QoS 2 message at the same time, and again; some die on the way, calls are
// late and fail, and meanwhile members come and go, fill up, unsubscribe and subscribe again. One member gets it, once.

const sharedFilter = '$share/g/t';
const names = ['ann', 'bob', 'cyd'];

/** A node that places the message. */
interface Run {
  readonly placement: Placement;
  readonly pending: Set<PendingCall>;
  isDead: boolean;
  isOver: boolean;
}

class Trial {
  readonly random: SeededRandom;
  readonly around = new Surroundings();
  readonly store: Store;
  readonly claims = new Map<string, Claim>();
  readonly online = new Set<string>();
  readonly runs: Run[] = [];
  #fillers = 0;

  constructor(seed: number, spoil: (store: Store) => Store) {
    this.random = new SeededRandom(seed);
    this.store = spoil(memoryStore(this.around.clock, this.random, { ...defaultLimits, queueMaxMessages: 2 }));
  }

  async connect(name: string): Promise<void> {
    const { claim } = await this.store.sessions.acquire(acquireOf(name));
    this.claims.set(name, claim);
    this.online.add(name);
  }

  async subscribe(name: string): Promise<void> {
    unfenced(await this.store.sessions.subscribe(this.#claim(name), [subscriptionTo(sharedFilter)]));
  }

  /** Another node begins to place the message, with some idea of who is where. */
  begin(): void {
    const group = new SharedGroup(sharedFilter, 'here');
    for (const name of names) {
      const { clientId, generation } = this.#claim(name);
      const heldBy = this.random.oneIn(3) ? '' : 'there';
      group.told(generation, { topicFilter: sharedFilter, clientId, generation, isStored: true, heldBy, version: 1 });
    }
    const node = `n${this.runs.length}`;
    const chooser = new Chooser({ strategy: 'round-robin', node, knows: () => true });
    const pending = new Set<PendingCall>();
    const store = new UnreliableStore(this.store, (call) => pending.add(call));
    const message = messageOn('t', 'm', { qos: 2 });
    const incoming: Incoming = {
      ...{ message, uid: 'u', ingress: undefined, isRefusable: true },
      finish: () => {},
      fenced: () => {},
    };
    let marks = 0;
    const placement = new Placement(
      { chooser, dropsOld: false, newUid: () => `${node}-${marks++}` },
      incoming,
      message,
      group,
    );
    const run: Run = { placement, pending, isDead: false, isOver: false };
    this.runs.push(run);
    const { persistence } = this.around;
    void place({ store, persistence, refuseWhenFull: false }, [], [placement]).then(() => {
      run.isOver = true;
    });
  }

  /** Something happens. */
  async happen(): Promise<void> {
    const { random } = this;
    const name = random.pick(names);
    switch (random.below(12)) {
      case 0:
        if (this.online.delete(name)) {
          const release = { sessionExpirySeconds: 3600, will: 'drop', sentSeq: 0 } as const;
          await this.store.sessions.release({ claim: this.#claim(name), ...release });
        } else await this.connect(name);
        break;
      case 1:
        if (this.online.has(name)) await this.store.sessions.unsubscribe(this.#claim(name), [sharedFilter]);
        break;
      case 2:
        if (this.online.has(name)) await this.subscribe(name);
        break;
      case 3:
        await this.#fillOrEmpty(name);
        break;
      case 4:
        if (this.runs.length < 4) this.begin();
        break;
      case 5:
        if (random.oneIn(8)) random.pick(this.runs).isDead = true;
        break;
      default:
        this.#advance(random.pick(this.runs));
    }
    await this.around.clock.advance(random.below(30));
  }

  /** The rest is done without harm; if all have died, somebody begins again. */
  async end(): Promise<void> {
    if (this.runs.every(({ isDead }) => isDead)) this.begin();
    while (this.runs.some(({ isDead, isOver }) => !isDead && !isOver)) {
      for (const { pending, isDead } of this.runs) {
        if (!isDead) for (const call of pending) call.answer();
        pending.clear();
      }
      await this.around.clock.advance(100);
    }
  }

  async faults(): Promise<string[]> {
    let copies = 0;
    for (const name of names) {
      await this.connect(name);
      const { entries } = unfenced(await this.store.queues.read(this.#claim(name), 1, 1000));
      copies += entries.filter(({ message }) => textOf(message) === 'm').length;
    }
    const fates = this.runs.map(({ placement }) => placement.fate?.is);
    if (copies > 1) return [`it went to ${copies} members`];
    const isPlaced = fates.includes('stored');
    if (copies === 0 && isPlaced) return ['it is said to be stored, and is not'];
    if (copies === 1 && fates.includes('dropped')) return ['it is said to be dropped, and is stored'];
    return copies === 0 && !fates.includes('dropped') && !this.runs.some(({ isDead }) => isDead)
      ? [`nobody has it: ${fates}`]
      : [];
  }

  #claim(name: string): Claim {
    return this.claims.get(name) as Claim;
  }

  async #fillOrEmpty(name: string): Promise<void> {
    const { clientId, generation } = this.#claim(name);
    if (this.random.oneIn(2)) {
      const targets = [{ clientId, generation, topicFilters: ['plain'] }];
      const message = messageOn('plain', `filler-${this.#fillers++}`);
      await this.store.queues.enqueue([{ message, targets, isRefusable: false, uid: undefined }]);
    } else if (this.online.has(name)) {
      const { entries } = unfenced(await this.store.queues.read(this.#claim(name), 1, 1000));
      const seqs = entries.filter(({ message }) => textOf(message) !== 'm').map(({ seq }) => seq);
      await this.store.queues.ack([{ clientId, generation, seqs }]);
    }
  }

  #advance({ pending, isDead }: Run): void {
    const call = [...pending][0];
    if (call === undefined) return;
    const dice = this.random.below(4);
    if (dice === 0)
      call.do(); // though its node may be dead
    else if (!isDead && pending.delete(call)) {
      if (dice === 1) call.fail(new StoreUnavailable('late'));
      else call.answer();
    }
  }
}

async function faultsOf(seed: number, spoil: (store: Store) => Store = (store) => store): Promise<string[]> {
  const trial = new Trial(seed, spoil);
  for (const name of names) {
    await trial.connect(name);
    await trial.store.sessions.subscribe(trial.claims.get(name) as Claim, [subscriptionTo('plain')]);
    await trial.subscribe(name);
  }
  trial.begin();
  for (let i = 0; i < 40; i++) await trial.happen();
  await trial.end();
  return await trial.faults();
}

it('one member gets it, once, whatever happens', { timeout: 60_000 }, async () => {
  await forEachSeed(400, async (seed) => {
    expect(await faultsOf(seed)).toEqual([]);
  });
});

describe('a broken rule is found', () => {
  async function found(rule: () => BrokenRule): Promise<string> {
    for (let seed = 1; seed <= 400; seed++) {
      const faults = await faultsOf(seed, rule().behind);
      if (faults.length > 0) return faults.join('\n');
    }
    return 'nothing';
  }

  it('nobody agrees on a member', async () => {
    expect(await found(agreesOnNobody)).toMatch(/members|stored/);
  });

  it('a refusal is not remembered', async () => {
    expect(await found(forgetsRefusals)).toMatch(/members|stored/);
  });
});
