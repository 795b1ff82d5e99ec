// Members that have just refused a message of a batch, and would refuse the next one as well.
//
// A group whose members are all full, or away, is tried member by member. If each message of a batch had to find that
// out for itself, a batch would cost as many tries as there are messages times members.

/** Members whose Client is connected, or stored Sessions as they are. */
export type Round = 'online' | 'stored';

/** Why: it is not there, or it cannot take as much. */
export type Refusal = 'away' | 'full';

/** What the messages of one batch for one group have learnt. */
export class Refusals {
  /** From how many bytes on a message is refused: from 0 by who is away. */
  readonly #bytes: Record<Round, Map<string, number> | undefined> = { online: undefined, stored: undefined };

  /**
   * @param bytes of a message that was refused because the queue is full, or 0. What is not smaller would be, too; and
   *   what is about as large counts as such, or the smallest message of a batch would have to try all members by itself.
   */
  note(round: Round, generation: string, bytes: number): void {
    const fromBytes = bytes === 0 ? 0 : 2 ** Math.floor(Math.log2(bytes));
    const known = this.#bytes[round] ?? new Map<string, number>();
    known.set(generation, Math.min(fromBytes, known.get(generation) ?? fromBytes));
    this.#bytes[round] = known;
  }

  /** Whether a message of so many bytes would be refused. */
  of(round: Round, generation: string, bytes: number): Refusal | undefined {
    const fromBytes = this.#bytes[round]?.get(generation);
    if (fromBytes === undefined || bytes < fromBytes) return undefined;
    return fromBytes === 0 ? 'away' : 'full';
  }
}
