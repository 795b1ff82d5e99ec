// Connecting, many at once or so many a second: to which node, from which address, with which CONNECT.

import { lookup } from 'node:dns/promises';
import { isIPv4 } from 'node:net';
import type { Connack, Connect } from '@skein/protocol';
import { BenchError } from './bench-error.ts';
import { nowMs } from './clock.ts';
import { Connection, type Listener } from './connection.ts';
import { dueCount, dueMsOf, tickOf } from './load.ts';
import type { Pacer } from './pacer.ts';
import type { Plan } from './plan.ts';
import type { Turn } from './turn.ts';

/** Connections from one address to one port: fewer than the system's range of ports. */
const perAddress = 20_000;
/** Seconds for which a stored Session outlives this program, should it be killed. */
const expirySeconds = 3600;

/** Who connects. */
export type Role = 'publishers' | 'subscribers' | 'clients';

/** Someone who connects. */
export interface Dialling extends Listener {
  readonly index: number;
  /** How often it has connected before; only for those to whom it matters where they come back. */
  readonly connects?: number;
  /** Its connection is there, and this is how the server answered. */
  attach(connection: Connection, connack: Connack): void;
}

/** When to connect. */
export interface Ramp {
  /** Connections per second, of all threads; 0 for as many at once as the plan says. */
  rate: number;
  startMs: number;
  /** Needed for a rate. */
  pacer: Pacer | undefined;
}

/** What is dialled in one thread. */
export class Dialler {
  readonly #plan: Plan;
  readonly #worker: number;
  readonly #turn: Turn;
  readonly #addresses = new Map<string, Promise<string>>();

  constructor(plan: Plan, worker: number, turn: Turn) {
    this.#plan = plan;
    this.#worker = worker;
    this.#turn = turn;
  }

  /**
   * Has everybody connect by `open`, which is told when that was due.
   *
   */
  async dialAll<T>(all: readonly T[], pace: Ramp, open: (who: T, dueMs: number) => Promise<void>): Promise<void> {
    if (pace.rate > 0) return this.#ramp(all, pace, open);
    const left = all.values();
    const atOnce = Math.ceil(this.#plan.concurrency / this.#plan.workers);
    const one = async (): Promise<void> => {
      for (const who of left) await open(who, nowMs());
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, all.length) }, one));
  }

  /**
   * Connects one.
   *
   * @throws BenchError if it is refused, or there is nobody
   */
  async dial(who: Dialling, role: Role, cleanStart: boolean): Promise<{ connection: Connection; connack: Connack }> {
    const plan = this.#plan;
    // With several nodes publishers begin at the first and subscribers at the second, so that messages go from node to
    // node, and a Session that comes back comes to another one.
    const place = who.index + (role === 'subscribers' ? 1 + (who.connects ?? 0) : 0);
    const url = plan.urls[place % plan.urls.length] as string;
    const { hostname, port } = new URL(url);
    const host = await this.#addressOf(hostname.replace(/^\[|\]$/g, ''));
    const opened = await Connection.open({
      url,
      host,
      port: Number(port),
      localAddress: furtherAddress(host, who.index),
      connect: connectPacket(plan, `bench-${plan.run.toString(16)}-${role.charAt(0)}${who.index}`, cleanStart),
      listener: who,
      turn: this.#turn,
    });
    opened.connection.keepAliveMs = (opened.connack.properties?.serverKeepAlive ?? plan.keepAliveSeconds) * 1000;
    return opened;
  }

  async #ramp<T>(
    all: readonly T[],
    { rate, startMs, pacer }: Ramp,
    open: (who: T, dueMs: number) => Promise<void>,
  ): Promise<void> {
    const pace = { rate, tickMs: tickOf(rate) };
    const opening: Promise<void>[] = [];
    if (all.length === 0) return;
    await new Promise<void>((resolve, reject) => {
      let known = 0;
      pacer?.start(startMs, pace.tickMs, () => {
        const due = dueCount(pace, nowMs() - startMs);
        for (; known < due && opening.length < all.length; known++) {
          if (known % this.#plan.workers !== this.#worker) continue;
          const opened = open(all[opening.length] as T, startMs + dueMsOf(pace, known));
          opened.catch(reject);
          opening.push(opened);
        }
        if (opening.length < all.length) return;
        pacer?.stop();
        resolve();
      });
    });
    await Promise.all(opening);
  }

  /** One question to the resolver for all connections. */
  #addressOf(host: string): Promise<string> {
    const known = this.#addresses.get(host);
    if (known !== undefined) return known;
    const asked = lookup(host).then(
      ({ address }) => address,
      () => {
        throw new BenchError('server', `${host}: there is no such host`);
      },
    );
    this.#addresses.set(host, asked);
    return asked;
  }
}

/** A 3.x Session is stored if it does not begin clean; a 5.0 one if it has an expiry [§3.1.2.4, §3.1.2.11.2]. */
function connectPacket(plan: Plan, clientId: string, cleanStart: boolean): Connect {
  const { username, password, protocolVersion, keepAliveSeconds } = plan;
  return {
    type: 'connect',
    protocolVersion,
    clientId,
    cleanStart,
    keepAliveSeconds,
    will: undefined,
    username,
    password: password === undefined ? undefined : Buffer.from(password),
    properties: cleanStart || protocolVersion < 5 ? undefined : { sessionExpiryInterval: expirySeconds },
  };
}

/** On loopback, connections beyond what one address has ports for come from others; elsewhere there are no others. */
function furtherAddress(host: string, index: number): string | undefined {
  if (process.platform !== 'linux' || !isIPv4(host) || !host.startsWith('127.') || index < perAddress) return undefined;
  return `127.0.0.${1 + Math.floor(index / perAddress)}`;
}
