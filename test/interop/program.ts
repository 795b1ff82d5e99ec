// Foreign Clients that are programs: found where they are installed, run with a deadline, judged by what they print.

import { execFileSync, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { within } from '../support/deadline.ts';
import { endWithUs } from '../support/end-with-us.ts';
import { processMs } from '../support/process.ts';

/** Where a program is, or undefined if it is not installed. */
export function findProgram(name: string): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // not here: the next folder
    }
  }
  return undefined;
}

/** Whether a command can be run and ends well. */
export function works(file: string, args: readonly string[]): boolean {
  try {
    execFileSync(file, args, { stdio: 'ignore', timeout: 10_000 });
    return true;
  } catch {
    return false;
  }
}

/** What a program may be given beside its arguments. */
export interface ProgramOptions {
  /** All that it reads. Default nothing. */
  readonly input?: Uint8Array;
  /** Told of each line as it is printed. */
  readonly onLine?: (line: string) => void;
}

/** A program that runs. */
export class Program {
  readonly #child: ReturnType<typeof spawn>;
  readonly #name: string;
  readonly #ended: Promise<number | null>;
  #stdout = '';
  #stderr = '';

  constructor(file: string, args: readonly string[], { input, onLine }: ProgramOptions = {}) {
    this.#name = file;
    this.#child = spawn(file, args, { stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'] });
    endWithUs(this.#child);
    // One that ended before it had read all says so in how it ended.
    this.#child.stdin?.on('error', () => {}).end(input);
    let unfinished = '';
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      const lines = (unfinished + text).split('\n');
      unfinished = lines.pop() ?? '';
      if (onLine !== undefined) lines.forEach(onLine);
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.#ended = new Promise((resolve, reject) => {
      this.#child.once('close', (code) => resolve(code));
      this.#child.once('error', reject);
    });
  }

  /** The lines it has printed, once it has ended well. */
  async lines(deadlineMs = processMs): Promise<readonly string[]> {
    const code = await within(deadlineMs, `${this.#name} to end; it said: ${this.#stderr}`, this.#ended);
    if (code !== 0) throw new Error(`${this.#name} ended with ${code}; it said:\n${this.#stdout}${this.#stderr}`);
    return this.#stdout.split('\n').filter((line) => line !== '');
  }

  /** Asks it to end, as Ctrl-C does, and waits until it has. */
  async interrupt(): Promise<void> {
    this.#child.kill('SIGINT');
    await within(processMs, `${this.#name} to end`, this.#ended);
  }

  /** All that it has said so far. */
  get output(): string {
    return this.#stdout + this.#stderr;
  }

  /** Ends it as a power cut would. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.#ended;
  }
}
