// What a model Client has asked to get: SUBSCRIBE and UNSUBSCRIBE, one at a time, and what it may count on.

import type { Packet, QoS, SubscriptionRequest } from '@skein/protocol';
import type { Random } from '../history/random.ts';
import type { Receiving } from './receiving.ts';
import { topicFilters } from './schedule.ts';
import type { ClientSurroundings } from './surroundings.ts';

/** A Subscription that the server has granted, as long as it is certain. */
export type Held = SubscriptionRequest;

type Request =
  | { readonly is: 'subscribe'; readonly packetId: number; readonly asked: readonly SubscriptionRequest[] }
  | { readonly is: 'unsubscribe'; readonly packetId: number; readonly asked: readonly string[] };

/** The Subscriptions of a Client. */
export class Subscribing {
  readonly #around: ClientSurroundings;
  readonly #receiving: Receiving;
  readonly #held = new Map<string, Held>();
  #request: Request | undefined;
  #hasWanted = false;
  #requests = 0;

  constructor(around: ClientSurroundings, receiving: Receiving) {
    this.#around = around;
    this.#receiving = receiving;
  }

  /** Whether all is answered. */
  get isIdle(): boolean {
    return this.#request === undefined;
  }

  /** What was granted in this Session on this Network Connection, and not asked for anew since. */
  get held(): Iterable<Held> {
    return this.#held.values();
  }

  /** A Network Connection begins; what was granted before may be incomplete, so it does not count any more. */
  begin(isResumed: boolean): void {
    this.#request = undefined;
    this.#held.clear();
    if (!isResumed) this.forget();
  }

  /** The Session is over for the Client. */
  forget(): void {
    this.#held.clear();
  }

  /** Asks for what this kind of Client wants from the beginning. */
  want(): void {
    const { wants } = this.#around.kind;
    if (wants === undefined || this.#hasWanted) return;
    this.#hasWanted = true;
    this.#subscribe([{ ...wants, noLocal: false, retainAsPublished: false, retainHandling: 0 }], undefined);
  }

  subscribe(random: Random): void {
    if (this.#request !== undefined) return;
    const is5 = this.#around.kind.protocolVersion === 5;
    const first = random.below(topicFilters.length);
    const count = random.percent(25) ? 2 : 1;
    const asked = Array.from({ length: count }, (_, i): SubscriptionRequest => {
      return {
        topicFilter: topicFilters[(first + i * 3) % topicFilters.length] as string,
        qos: random.pick<QoS>([0, 1, 2, 2]),
        noLocal: is5 && random.percent(10),
        retainAsPublished: is5 && random.percent(20),
        retainHandling: is5 ? random.pick([0, 0, 0, 1, 2]) : 0,
      };
    });
    this.#subscribe(asked, is5 && random.percent(30) ? random.between(1, 5) : undefined);
  }

  unsubscribe(random: Random): void {
    if (this.#request !== undefined) return;
    const known = [...this.#held.keys()];
    const topicFilter = known.length > 0 && random.percent(80) ? random.pick(known) : random.pick(topicFilters);
    const packetId = this.#nextPacketId();
    this.#held.delete(topicFilter);
    this.#request = { is: 'unsubscribe', packetId, asked: [topicFilter] };
    this.#around.record({ is: 'unsubscribing', client: this.#around.kind.clientId, topicFilter });
    this.#around.say({ type: 'unsubscribe', packetId, topicFilters: [topicFilter], properties: undefined });
  }

  /** @param mayFail whether the server may refuse, because its store does not answer */
  answer(packet: Extract<Packet, { type: 'suback' | 'unsuback' }>, mayFail: boolean): void {
    const request = this.#request;
    const { fault } = this.#around;
    if (request?.packetId !== packet.packetId || packet.type !== (request.is === 'subscribe' ? 'suback' : 'unsuback')) {
      fault(`${packet.type} #${packet.packetId} answers nothing`);
      return;
    }
    this.#request = undefined;
    if (!mayFail && packet.reasonCodes.some((code) => code >= 0x80)) fault(`${packet.type} refuses`);
    if (request.is === 'subscribe') this.#subscribed(request.asked, packet.reasonCodes);
    else this.#unsubscribed(request.asked, packet.reasonCodes);
  }

  /** Messages have the smaller Packet Identifiers. */
  #nextPacketId(): number {
    return 100 + (this.#requests++ % 10);
  }

  #subscribe(asked: readonly SubscriptionRequest[], subscriptionIdentifier: number | undefined): void {
    const { kind, record, say } = this.#around;
    const packetId = this.#nextPacketId();
    this.#request = { is: 'subscribe', packetId, asked };
    for (const { topicFilter, qos, noLocal, retainAsPublished } of asked) {
      this.#held.delete(topicFilter);
      if (subscriptionIdentifier !== undefined) this.#receiving.identify(topicFilter, subscriptionIdentifier);
      record({ is: 'subscribing', client: kind.clientId, topicFilter, qos, noLocal, retainAsPublished });
    }
    const properties = subscriptionIdentifier === undefined ? undefined : { subscriptionIdentifier };
    say({ type: 'subscribe', packetId, subscriptions: asked, properties });
  }

  #subscribed(asked: readonly SubscriptionRequest[], reasonCodes: readonly number[]): void {
    const { fault, kind, record } = this.#around;
    if (reasonCodes.length !== asked.length) fault(`${reasonCodes.length} Reason Codes in SUBACK [MQTT-3.8.4-6]`);
    for (const [i, request] of asked.entries()) {
      const { topicFilter, qos } = request;
      const granted = reasonCodes[i] ?? 0x80;
      const isGranted = granted <= 2;
      if (isGranted && granted !== qos) fault(`${topicFilter} was granted QoS ${granted} for ${qos}`);
      // What is refused because the store did not answer may have been done all the same: nobody knows.
      if (!isGranted) continue;
      record({ is: 'subscribed', client: kind.clientId, topicFilter, qos: granted as QoS });
      this.#held.set(topicFilter, request);
    }
  }

  #unsubscribed(asked: readonly string[], reasonCodes: readonly number[]): void {
    const { fault, kind, record } = this.#around;
    const is5 = kind.protocolVersion === 5;
    if (reasonCodes.length !== (is5 ? asked.length : 0)) fault('Reason Codes in UNSUBACK [MQTT-3.11.3-1]');
    for (const [i, topicFilter] of asked.entries()) {
      // Nobody knows what came of one that failed; 3.x has no word for that, and gets no UNSUBACK then.
      const isCertain = !is5 || (reasonCodes[i] ?? 0x80) < 0x80;
      if (isCertain) record({ is: 'unsubscribed', client: kind.clientId, topicFilter });
    }
  }
}
