// A thread with a share of the Clients.

import { parentPort, workerData } from 'node:worker_threads';
import { BenchError } from './bench-error.ts';
import { perform, type Question, type Said } from './crew.ts';
import { type Setup, Share } from './share.ts';

const say = (said: Said): void => parentPort?.postMessage(said);

const fail = (error: unknown): void => {
  const { message, stack = message } = error as Error;
  const known = error instanceof BenchError;
  say({ is: 'failure', blames: known ? error.blames : undefined, message: known ? message : stack });
};

const share = new Share(workerData as Setup, fail);

parentPort?.on('message', ({ id, method, args }: Question) => {
  perform(share, method, args).then((value) => say({ is: 'answer', id, value }), fail);
});
