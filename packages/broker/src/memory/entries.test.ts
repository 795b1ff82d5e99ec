import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { messageOn } from '../contract/samples.ts';
import type { QueueEntry } from '../ports.ts';
import { Entries } from './entries.ts';

/** What is done to entries; seqs of such as are there are named by where they stand among them. */
type Step =
  | { readonly is: 'add'; readonly count: number; readonly jump: number; readonly lifeMs: number }
  | { readonly is: 'put'; readonly seq: number }
  | { readonly is: 'delete'; readonly from: number; readonly count: number; readonly step: number }
  | { readonly is: 'keep'; readonly each: number }
  | { readonly is: 'drain' };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    is: fc.constant('add' as const),
    count: fc.integer({ min: 1, max: 400 }),
    jump: fc.constantFrom(0, 0, 1, 25_033, 1_000_000),
    lifeMs: fc.constantFrom(0, 0, 5, 50),
  }),
  fc.record({ is: fc.constant('put' as const), seq: fc.integer({ min: 1, max: 2000 }) }),
  fc.record({
    is: fc.constant('delete' as const),
    from: fc.nat(1000),
    count: fc.integer({ min: 1, max: 300 }),
    step: fc.constantFrom(1, 1, 2, 7),
  }),
  fc.record({ is: fc.constant('keep' as const), each: fc.constantFrom(2, 50, 129) }),
  fc.record({ is: fc.constant('drain' as const) }),
);

describe('Entries', () => {
  it('are a Map in order of seq, whatever came and went', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), fc.array(fc.nat(3000), { maxLength: 8 }), (steps, sought) => {
        const pair = new Pair();
        for (const each of steps) pair.take(each);
        pair.compare(sought);
      }),
      { numRuns: 80 },
    );
  });

  it('are walked over while they come and go: each that stays is met once, and none that has gone', () => {
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 8 }),
        fc.array(fc.tuple(fc.nat(20), step), { maxLength: 12 }),
        (before, meanwhile) => {
          const pair = new Pair();
          for (const each of before) pair.take(each);
          const stayed = new Set(pair.model.keys());
          const met: number[] = [];
          const rest = [...meanwhile];
          let wait = rest[0]?.[0] ?? 0;
          for (const { seq } of pair.entries.values()) {
            expect(pair.model.has(seq)).toBe(true);
            met.push(seq);
            for (; wait === 0 && rest.length > 0; wait = rest[0]?.[0] ?? 0)
              pair.take((rest.shift() as (typeof rest)[0])[1]);
            wait--;
            for (const each of stayed) if (!pair.model.has(each)) stayed.delete(each);
          }
          expect(met).toEqual([...new Set(met)].sort((one, other) => one - other));
          for (const seq of stayed) expect(met).toContain(seq);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('are walked over to the end though they move to the front of a full leaf meanwhile', () => {
    const entries = new Entries<QueueEntry>();
    for (let seq = 1; seq <= 160; seq++) entries.add(entryOf(seq));
    for (let seq = 1; seq <= 100; seq++) entries.delete(seq);
    const met: number[] = [];
    for (const { seq } of entries.values()) {
      met.push(seq);
      if (seq <= 110) entries.add(entryOf(seq + 60));
    }
    expect(met).toEqual(Array.from({ length: 70 }, (_, i) => i + 101));
  });

  it('tell what has expired from a seq on, and when the next of the rest does', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 12 }),
        fc.array(fc.record({ from: fc.nat(1500), nowMs: fc.nat(200), isTaken: fc.boolean() }), { maxLength: 8 }),
        (steps, looks) => {
          const pair = new Pair();
          for (const each of steps) pair.take(each);
          for (const { from, nowMs, isTaken } of looks) pair.compareExpired(from, nowMs, isTaken);
          pair.compare([]);
        },
      ),
      { numRuns: 80 },
    );
  });

  it('are put in order that were restored in another', () => {
    const entries = new Entries<QueueEntry>();
    for (let seq = 1000; seq > 0; seq--) entries.add(entryOf(seq));
    for (let seq = 1; seq <= 1000; seq += 3) entries.add(entryOf(seq)); // once more
    expect([...entries.keys()]).toEqual(Array.from({ length: 1000 }, (_, i) => i + 1));
    expect(entries.size).toBe(1000);
  });
});

/** Entries, and the Map that they are to be like. */
class Pair {
  readonly entries = new Entries<QueueEntry>();
  readonly model = new Map<number, QueueEntry>();
  #nextSeq = 1;
  #nowMs = 1;

  take(each: Step): void {
    switch (each.is) {
      case 'add':
        this.#nextSeq += each.jump;
        for (let i = 0; i < each.count; i++) {
          const expiresAtMs = each.lifeMs === 0 || i % 3 === 0 ? 0 : this.#nowMs + ((i * 7) % each.lifeMs);
          this.#add(entryOf(this.#nextSeq++, expiresAtMs));
        }
        this.#nowMs += 10;
        break;
      case 'put': // anywhere, or in place of one
        this.#add(entryOf(each.seq, this.#nowMs));
        this.#nextSeq = Math.max(this.#nextSeq, each.seq + 1);
        break;
      case 'delete': {
        const seqs = this.#seqs();
        for (let i = 0; i < each.count; i++) this.#delete(seqs[(each.from + i * each.step) % (seqs.length + 1)] ?? 0);
        break;
      }
      case 'keep':
        for (const [i, seq] of this.#seqs().entries()) if (i % each.each !== 0) this.#delete(seq);
        break;
      case 'drain':
        for (const seq of this.#seqs()) this.#delete(seq);
        break;
    }
  }

  compare(sought: readonly number[]): void {
    const { entries } = this;
    const seqs = this.#seqs();
    expect(entries.size).toBe(seqs.length);
    expect([...entries.keys()]).toEqual(seqs);
    expect([...entries.values()].every((entry) => this.model.get(entry.seq) === entry)).toBe(true);
    for (const seq of [...sought, ...seqs.slice(0, 3), ...seqs.slice(-3).map((last) => last + 1), 25_034, 1_000_001]) {
      expect(entries.get(seq)).toBe(this.model.get(seq));
      expect(entries.has(seq)).toBe(this.model.has(seq));
      expect(entries.first(seq)?.seq).toBe(seqs.find((each) => each >= seq));
      expect(entries.values(seq).next().value?.seq).toBe(seqs.find((each) => each >= seq));
    }
  }

  compareExpired(from: number, nowMs: number, isTaken: boolean): void {
    const expected = this.#seqs().filter((seq) => {
      const { expiresAtMs } = (this.model.get(seq) as QueueEntry).message;
      return seq >= from && expiresAtMs > 0 && expiresAtMs <= nowMs;
    });
    const found: number[] = [];
    for (const some of this.entries.expired(from, nowMs)) {
      found.push(...some.map(({ seq }) => seq));
      if (isTaken) for (const { seq } of some) this.#delete(seq);
    }
    expect(found).toEqual(expected);
    const rest = [...this.model.values()].filter(({ seq, message }) => seq >= from && message.expiresAtMs > 0);
    expect(this.entries.earliestExpiryMs(from)).toBe(Math.min(...rest.map(({ message }) => message.expiresAtMs)));
  }

  #seqs(): number[] {
    return [...this.model.keys()].sort((one, other) => one - other);
  }

  #add(entry: QueueEntry): void {
    this.entries.add(entry);
    this.model.set(entry.seq, entry);
  }

  #delete(seq: number): void {
    if (this.entries.delete(seq) !== this.model.delete(seq)) throw new Error(`${seq} was there, or it was not`);
  }
}

function entryOf(seq: number, expiresAtMs = 0): QueueEntry {
  const message = { ...sample, expiresAtMs };
  return { seq, message, qos: 1, retain: false, subscriptionIdentifiers: undefined };
}

const sample = messageOn('a', 'hello', { qos: 1 });
