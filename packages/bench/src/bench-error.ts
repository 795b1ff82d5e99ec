// Why a run came to no result.

/** The server refuses, is not there, or went away; this machine has too few descriptors; an option is wrong. */
export class BenchError extends Error {
  override readonly name = 'BenchError';
  /** Where it is to be put right. */
  readonly blames: 'options' | 'machine' | 'server';

  /** @param message a sentence for whoever ran it */
  constructor(blames: 'options' | 'machine' | 'server', message: string) {
    super(message);
    this.blames = blames;
  }
}
