// The admin port: probes for whatever runs the process, and metrics. It only reads.
//
// `/livez` asks whether the event loop turns, and answering is the answer; `/startupz` whether it has begun to serve;
// `/readyz` whether it wants new Clients, which it stops wanting before it stops taking them.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { EdgeState } from '../edge-state.ts';
import { hostPort } from '../listen/address.ts';
import { ListenError } from '../listen/listen-error.ts';
import type { Metrics } from '../metrics.ts';

/** What the admin port tells of. */
export interface Told {
  readonly state: () => EdgeState;
  /** Loads them if they are not there yet. */
  readonly metrics: () => Promise<Metrics>;
}

/** The admin port, bound. */
export interface Admin {
  /** As bound: `http://127.0.0.1:8080`. */
  readonly url: string;
  close(): Promise<void>;
}

/** What a path answers. */
interface Answer {
  readonly status: number;
  readonly type?: string;
  readonly body: string;
}

/**
 * Serves the admin port.
 *
 * @throws ListenError if the address cannot be had
 */
export async function serveAdmin(host: string, port: number, told: Told): Promise<Admin> {
  const server = createServer({
    headersTimeout: 5000,
    requestTimeout: 5000,
    keepAliveTimeout: 5000,
    connectionsCheckingInterval: 5000,
  });
  server.maxConnections = 256;
  server.on('request', (request, response) => {
    answer(request, response, told).catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new ListenError(`http://${hostPort(host, port)}`, error)));
    server.listen({ host, port }, resolve);
  });
  const bound = server.address();
  const url =
    typeof bound === 'object' && bound !== null
      ? `http://${hostPort(bound.address, bound.port)}`
      : `http://${hostPort(host, port)}`;
  return {
    url,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, told: Told): Promise<void> {
  const [path = '', query = ''] = (request.url ?? '').split('?', 2);
  const route = routes.get(path);
  if (route === undefined) {
    reply(request, response, { status: 404, body: `There is ${[...routes.keys()].join(', ')}.\n` });
  } else if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    reply(request, response, { status: 405, body: 'This path can only be read.\n' });
  } else {
    reply(request, response, await route(told, new URLSearchParams(query).has('verbose')));
  }
}

type Route = (told: Told, verbose: boolean) => Answer | Promise<Answer>;

const routes: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['/livez', (told, verbose) => probe('the event loop turns', true, verbose, told)],
  ['/readyz', (told, verbose) => probe('takes new clients', told.state() === 'ready', verbose, told)],
  ['/startupz', (told, verbose) => probe('has started', told.state() !== 'starting', verbose, told)],
  [
    '/metrics',
    async (told) => {
      const metrics = await told.metrics();
      return { status: 200, type: metrics.contentType, body: await metrics.read() };
    },
  ],
]);

/** A probe's answer: one word, or with `?verbose` what was asked and the state the node is in. */
function probe(asked: string, passes: boolean, verbose: boolean, told: Told): Answer {
  const word = passes ? 'ok' : 'not ok';
  const body = verbose ? `${asked}: ${word}\nstate: ${told.state()}\n` : `${word}\n`;
  return { status: passes ? 200 : 503, body };
}

function reply(request: IncomingMessage, response: ServerResponse, { status, type, body }: Answer): void {
  response.writeHead(status, {
    'Content-Type': type ?? 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}
