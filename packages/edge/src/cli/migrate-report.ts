// What `skein migrate` tells: on a terminal as it goes on, in the end once, for people or for scripts.

import type { Counts, ImportVerdict } from '@skein/redis';

/** What each count is called. */
const called: Readonly<Record<keyof Counts, string>> = {
  sessions: 'Sessions',
  subscriptions: 'Subscriptions',
  messages: 'Queued messages',
  releases: 'PUBRELs owed',
  inbound: 'Inbound QoS 2 ids',
  retained: 'Retained messages',
  wills: 'Wills',
};

const names = Object.keys(called) as (keyof Counts)[];
/** Between two lines of progress: on a terminal, where the last one is overwritten, and elsewhere. */
const terminalMs = 100;
const linesMs = 5000;

/** Where it is written to. */
export interface Screen {
  readonly isTerminal: boolean;
  write(text: string): void;
}

/** How much there is, a line for each. */
export function countsTable(counts: Counts): string {
  return names.map((name) => `  ${called[name].padEnd(18)} ${number(counts[name]).padStart(14)}\n`).join('');
}

/** Both sides of a verdict, a line for each; what differs is marked. */
export function verdictTable({ wanted, found }: ImportVerdict): string {
  const head = `  ${''.padEnd(18)} ${'data directory'.padStart(14)} ${'Redis'.padStart(14)}\n`;
  const rows = names.map((name) => {
    const mark = wanted[name] === found[name] ? '' : '   differs';
    return `  ${called[name].padEnd(18)} ${number(wanted[name]).padStart(14)} ${number(found[name]).padStart(14)}${mark}\n`;
  });
  return head + rows.join('');
}

/** The same for scripts. */
export function verdictJson({ wanted, found }: ImportVerdict): Record<string, { source: number; redis: number }> {
  return Object.fromEntries(names.map((name) => [name, { source: wanted[name], redis: found[name] }]));
}

/** Says now and then how far it is. */
export class Progress {
  readonly #screen: Screen | undefined;
  readonly #total: number;
  readonly #monotonicMs: () => number;
  #saidMs: number;
  #hasLine = false;

  /** @param screen undefined: nothing is said */
  constructor(total: Counts, monotonicMs: () => number, screen: Screen | undefined) {
    this.#total = weightOf(total);
    this.#monotonicMs = monotonicMs;
    this.#screen = screen;
    this.#saidMs = monotonicMs();
  }

  /** So much is copied. */
  at(counts: Counts): void {
    const screen = this.#screen;
    if (screen === undefined) return;
    const nowMs = this.#monotonicMs();
    if (nowMs - this.#saidMs < (screen.isTerminal ? terminalMs : linesMs)) return;
    this.#saidMs = nowMs;
    const percent = this.#total === 0 ? 100 : Math.floor((100 * weightOf(counts)) / this.#total);
    const { sessions, messages, retained } = counts;
    const said = `${percent} %: ${number(sessions)} Sessions, ${number(messages)} messages, ${number(retained)} retained`;
    screen.write(screen.isTerminal ? `\r\x1b[2K  ${said}` : `${said}\n`);
    this.#hasLine = screen.isTerminal;
  }

  /** Makes room for what is said next. */
  end(): void {
    if (this.#hasLine) this.#screen?.write('\r\x1b[2K');
    this.#hasLine = false;
  }
}

function weightOf(counts: Counts): number {
  return counts.sessions + counts.messages + counts.retained + counts.wills;
}

function number(count: number): string {
  return count.toLocaleString('en');
}
