// QoS 2 messages that Sessions have sent: the port over functions/inbound.

import type { Inbound2, Ingress } from '@skein/broker';
import { type Argument, listOf } from './calls.ts';
import type { FunctionName } from './library.ts';
import type { Surroundings } from './surroundings.ts';

/** Messages in one call. */
const messagesMax = 500;

/** Inbound QoS 2 messages in Redis. */
export class RedisInbound implements Inbound2 {
  readonly #around: Surroundings;

  constructor(surroundings: Surroundings) {
    this.#around = surroundings;
  }

  /** @inheritdoc */
  async ingress(received: readonly Ingress[]): Promise<readonly ('noted' | 'fenced')[]> {
    const replies = await this.#call('inbound_ingress', received);
    return replies.map((reply) => (reply === 1 ? 'noted' : 'fenced'));
  }

  /** @inheritdoc */
  async done(published: readonly Ingress[]): Promise<void> {
    await this.#call('inbound_done', published);
  }

  /** @inheritdoc */
  async release(released: readonly Ingress[]): Promise<void> {
    await this.#call('inbound_release', released);
  }

  async #call(name: FunctionName, messages: readonly Ingress[]): Promise<unknown[]> {
    const { calls, keys } = this.#around;
    const under = [];
    for (let at = 0; at < messages.length; at += messagesMax) {
      const named: string[] = [];
      const numbers = new Map<string, number>();
      const args: Argument[] = [];
      for (const { claim, packetId, uid } of messages.slice(at, at + messagesMax)) {
        const { clientId, generation, epoch } = claim;
        const name = `${clientId}\0${generation}`;
        let number = numbers.get(name);
        if (number === undefined) {
          number = numbers.size + 1;
          numbers.set(name, number);
          named.push(keys.session(clientId), keys.inbound(clientId, generation));
        }
        args.push(number, generation, epoch, packetId, uid);
      }
      under.push(calls.call(name, named, args));
    }
    return (await Promise.all(under)).flatMap((reply) => [...listOf(reply)]);
  }
}
