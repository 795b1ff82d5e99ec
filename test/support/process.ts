// The broker as its user runs it: a process, its flags, its output and its exit status.

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { until, within } from './deadline.ts';
import { endWithUs } from './end-with-us.ts';

/** How long a process may take to say or do something, on a machine that is busy with other tests. Milliseconds. */
export const processMs = 30_000;

const program = fileURLToPath(new URL('../../packages/edge/bin/skein.js', import.meta.url));

/** How a process ended, and what it had said. */
export interface Ended {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The line that says that the broker accepts Clients. */
export interface Ready {
  readonly event: 'ready';
  readonly listen: readonly string[];
  readonly admin: string;
}

/**
 * Starts `skein` with arguments, and variables on top of an environment without any `SKEIN_…`; on the memory store,
 * unless one of them names another, so that no test leaves data behind.
 *
 * The program is the one in `dist`: `npm run build` first.
 *
 * @param by a program that becomes Skein, and its arguments, before the words that start Skein
 */
export function runSkein(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  by: readonly string[] = [],
): SkeinProcess {
  const [command, ...words] = [...by, process.execPath, program, ...args] as [string, ...string[]];
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('SKEIN_'));
  const child = spawn(command, words, {
    env: { ...Object.fromEntries(inherited), SKEIN_STORE: 'memory:', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  endWithUs(child);
  return new SkeinProcess(child);
}

/** A running or ended `skein`. Disposing of it kills it if it still runs. */
export class SkeinProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<Ended>;
  #stdout = '';
  #stderr = '';

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.#ended = new Promise((resolve) => {
      child.once('close', (exitCode, signal) => {
        resolve({ exitCode, signal, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Everything it has said so far. */
  get output(): string {
    return this.#stdout + this.#stderr;
  }

  /** Its log lines that are JSON objects, so far. */
  get logLines(): readonly Readonly<Record<string, unknown>>[] {
    return this.#stdout.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []));
  }

  /** Waits until it says that it is ready. */
  ready(): Promise<Ready> {
    return this.logLine('the ready line', (line) => line.event === 'ready') as Promise<unknown> as Promise<Ready>;
  }

  /**
   * Waits for a log line.
   *
   * @param what the line in words, for the error
   */
  async logLine(
    what: string,
    matches: (line: Readonly<Record<string, unknown>>) => boolean,
  ): Promise<Readonly<Record<string, unknown>>> {
    try {
      return await until(what, () => this.logLines.find(matches), processMs);
    } catch (error) {
      throw new Error(`${what} did not come; it said:\n${this.output}`, { cause: error });
    }
  }

  /** Waits until it has ended. */
  ended(deadlineMs: number = processMs): Promise<Ended> {
    return within(deadlineMs, 'skein to end', this.#ended);
  }

  /** Sends it a signal. */
  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}
