// What came of a conversation: what was new about it, and what was wrong.

/** One rule that a conversation has broken. */
export interface Finding {
  /** The rule in words, the same for every conversation that breaks it alike. */
  readonly rule: string;
  readonly detail: string;
}

/** What came of a conversation. */
export interface Outcome {
  /** Places that it has reached; one that reaches a place nobody has been to is worth keeping. */
  readonly features: ReadonlySet<string>;
  readonly findings: readonly Finding[];
  /** Whether the other side was refused: then most changes to it change nothing. */
  readonly isRefused: boolean;
}

/** Where an error arose: its words, without the numbers in them, nor which of all properties it was that stood wrong. */
export function placeOf(error: unknown): string {
  return String(error)
    .replaceAll(/\b\d+\b(?![^[]*\])/g, 'N')
    .replace(/: .* may not stand/, ': a property may not stand');
}

/** Gathers an {@link Outcome}. */
export class Judgement implements Outcome {
  readonly features: Set<string> = new Set();
  readonly findings: Finding[] = [];
  isRefused = false;

  reached(...place: readonly unknown[]): void {
    this.features.add(place.join(' '));
  }

  /** @param holds whether the rule was kept */
  demand(holds: boolean, rule: string, detail: () => string = () => ''): void {
    if (!holds) this.findings.push({ rule, detail: detail() });
  }
}
