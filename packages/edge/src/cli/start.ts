// `skein start`: runs a node until it is told to stop.
//
// The first signal stops it in good order, bounded in time; a second one, a moment later, at once. A defect (an exception that nobody
// expected) ends the process: its Clients reconnect, here or elsewhere, to a process that is whole.

import { NodeIdTaken, StoreUnavailable } from '@skein/broker';
import type { Logger } from 'pino';
import type { Config } from '../config/schema.ts';
import { isShared, storeShown } from '../config/store-url.ts';
import { type Edge, openEdge } from '../edge.ts';
import { ExitCode } from '../exit-code.ts';
import { ListenError } from '../listen/listen-error.ts';
import { LogDestination } from '../log-destination.ts';
import { makeLog } from '../observe.ts';
import { StartRefused } from '../start-refused.ts';
import { version } from '../version.ts';
import { banner, firstPublish } from './banner.ts';
import { warnings } from './warnings.ts';

/** How long stopping may take. */
const stopMs = 10_000;
/** Signals so close together are one: a process group gets them, and whoever passes them on to its child. */
const oneSignalMs = 500;

/**
 * Runs a node.
 *
 * @returns the exit status, when the node has ended
 */
export async function start(config: Config): Promise<ExitCode> {
  const destination = new LogDestination({
    fd: 1,
    onDropped: (lines) =>
      log.warn({ event: 'log_dropped', lines }, 'whoever reads the log did not keep up: these lines are gone'),
  });
  const log: Logger = makeLog(config.logLevel, config.nodeId, destination);
  process.on('exit', () => destination.flushSync());
  process.stderr.on('error', () => {}); // whoever read it has gone
  endOnDefect(log);
  const stop = stopSignal();
  let edge: Edge;
  try {
    edge = await openEdge(config, log, (again) => {
      sayReady(config, again, log, { again: true });
      destination.flush();
    });
  } catch (error) {
    const why = refusal(error);
    if (why === undefined) throw error;
    process.stderr.write(`skein: ${why}\n`);
    return ExitCode.wrongSetting;
  }
  sayReady(config, edge, log);
  for (const { event, words, ...of } of warnings(config, edge)) log.warn({ event, ...of }, words);
  destination.flush(); // somebody may be waiting for it
  if (process.stderr.isTTY) {
    const store = isShared(config.store) ? storeShown(config.store) : undefined;
    const { nodeId, cluster } = config;
    const { urls, adminUrl, durability, disk, advertise } = edge;
    process.stderr.write(banner({ nodeId, urls, adminUrl, store, disk, durability, cluster, advertise }));
  }
  const signal = await stop;
  log.info({ event: 'stopping', signal });
  const inTime = await within(edge.stop(stopMs), stopMs + 1000);
  log.info({ event: 'stopped', inTime });
  return inTime ? ExitCode.success : ExitCode.stoppedShort;
}

/** Why a node does not start, if whoever started it can do something about it. */
function refusal(error: unknown): string | undefined {
  if (error instanceof ListenError || error instanceof StartRefused) return error.message;
  if (error instanceof NodeIdTaken) return `nodeId: ${error.message}; give each node another --node-id`;
  if (error instanceof StoreUnavailable) return `store: it stopped answering during the start: ${error.message}`;
  return undefined;
}

function sayReady(config: Config, edge: Edge, log: Logger, more: { readonly again?: true } = {}): void {
  // Scripts wait for this line, so it is there at every level but silence.
  const heard = config.logLevel === 'silent' ? log : log.child({}, { level: 'info' });
  heard.info({
    event: 'ready',
    version,
    node: edge.node,
    cluster: config.cluster,
    listen: edge.urls,
    admin: edge.adminUrl,
    peer: edge.peer,
    advertise: edge.advertise,
    store: storeShown(config.store),
    durability: edge.durability,
    ...found(edge),
    pid: process.pid,
    try: firstPublish(edge.urls),
    ...more,
  });
}

/** What a data directory held, and by how much the clock was behind it. */
function found({ disk }: Edge): object {
  if (disk === undefined) return {};
  const { sessions, messages, retained, tookMs } = disk.opened;
  return {
    directory: disk.directory,
    found: { sessions, messages, retained, tookMs: Math.round(tookMs) },
    ...(disk.aheadMs > 0 ? { aheadMs: disk.aheadMs } : {}),
  };
}

/** Resolves at the first signal to stop; a second one ends the process at once. */
function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    let toldMs: number | undefined;
    const onSignal = (signal: string): void => {
      if (toldMs !== undefined && performance.now() - toldMs > oneSignalMs) process.exit(ExitCode.stoppedShort);
      toldMs ??= performance.now();
      resolve(signal);
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}

function endOnDefect(log: Logger): void {
  process.on('uncaughtException', (error, origin) => {
    log.fatal({ event: 'defect', origin, err: error });
    process.exit(ExitCode.internalError);
  });
}

/** Whether a promise settles in time. */
async function within(promise: Promise<void>, deadlineMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), deadlineMs);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
