// What every store must remember of QoS 2 messages that a Client has sent and not released [MQTT 4.3.3].

import type { Claim, Ingress } from '../ports.ts';
import type { OpenTrial, StoreTrial, TestWords } from './trial.ts';

/** The suite of {@link Inbound2}. */
export function describeInbound2({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('QoS 2 messages received', () => {
    it('are remembered over connections until they are released [MQTT-4.3.3-10, MQTT-4.3.3-12]', async () => {
      await using trial = await open();
      const { inbound } = trial.store;
      const first = (await trial.acquire('lamp')).claim;
      expect(await inbound.ingress([3, 65_535, 1].map((packetId) => received(first, packetId)))).toEqual([
        'noted',
        'noted',
        'noted',
      ]);
      await inbound.release([received(first, 3)]);
      await trial.release({ claim: first });
      const second = (await trial.acquire('lamp')).claim;
      expect(await remembered(trial, 'lamp')).toEqual(['1 u1', '65535 u65535']);
      const third = (await trial.acquire('lamp')).claim;
      expect(second.generation).toBe(third.generation);
      await inbound.release([received(third, 1), received(third, 65_535)]);
      expect(await remembered(trial, 'lamp')).toEqual([]);
    });

    it('are known to be published once that is noted, and not before', async () => {
      await using trial = await open();
      const { inbound } = trial.store;
      const { claim } = await trial.acquire('lamp');
      await inbound.ingress([received(claim, 1), received(claim, 2)]);
      await inbound.done([received(claim, 1), received(claim, 9)]);
      expect(await remembered(trial, 'lamp')).toEqual(['1 u1 done', '2 u2']);
      // The next message under the identifier is another one, whatever is still said of the last.
      const { claim: next } = await trial.acquire('lamp');
      await inbound.ingress([{ claim: next, packetId: 1, uid: 'another' }]);
      await inbound.done([received(next, 1)]);
      expect(await remembered(trial, 'lamp')).toEqual(['1 another', '2 u2']);
    });

    it('may be noted and released again after an unknown outcome', async () => {
      await using trial = await open();
      const { inbound } = trial.store;
      const { claim } = await trial.acquire('lamp');
      for (let i = 0; i < 2; i++) await inbound.ingress([received(claim, 7)]);
      for (let i = 0; i < 2; i++) await inbound.done([received(claim, 7)]);
      expect(await remembered(trial, 'lamp')).toEqual(['7 u7 done']);
      for (let i = 0; i < 2; i++) await inbound.release([received(claim, 7)]);
      expect(await remembered(trial, 'lamp')).toEqual([]);
    });

    it('are released by an earlier connection too, but not by an earlier generation', async () => {
      await using trial = await open();
      const first = (await trial.acquire('lamp')).claim;
      await trial.store.inbound.ingress([received(first, 7), received(first, 8)]);
      await trial.acquire('lamp');
      await trial.store.inbound.release([received(first, 7)]);
      expect(await remembered(trial, 'lamp')).toEqual(['8 u8']);
      await trial.store.inbound.release([received({ ...first, generation: 'of-long-ago' }, 8)]);
      expect(await remembered(trial, 'lamp')).toEqual(['8 u8']);
    });

    it('are not released by what is still said of the last message under their identifier', async () => {
      await using trial = await open();
      const { inbound } = trial.store;
      const first = (await trial.acquire('lamp')).claim;
      await inbound.ingress([received(first, 7)]);
      const second = (await trial.acquire('lamp')).claim;
      await inbound.ingress([{ claim: second, packetId: 7, uid: 'another' }]);
      await inbound.release([received(first, 7)]);
      expect(await remembered(trial, 'lamp')).toEqual(['7 another']);
    });

    it('belong to one Session each, though one call carries many', async () => {
      await using trial = await open();
      const { inbound } = trial.store;
      const lamp = (await trial.acquire('lamp')).claim;
      const door = (await trial.acquire('door')).claim;
      const old = (await trial.acquire('gone')).claim;
      await trial.acquire('gone');
      const calls = [received(lamp, 1), received(old, 1), received(door, 1), received(door, 2)];
      expect(await inbound.ingress(calls)).toEqual(['noted', 'fenced', 'noted', 'noted']);
      await inbound.release([received(door, 1)]);
      expect(await remembered(trial, 'lamp')).toEqual(['1 u1']);
      expect(await remembered(trial, 'door')).toEqual(['2 u2']);
      expect(await remembered(trial, 'gone')).toEqual([]);
    });
  });
}

function received(claim: Claim, packetId: number): Ingress {
  return { claim, packetId, uid: `u${packetId}` };
}

/** Packet Identifier and uid of each message that a Session's next owner finds, and whether it is done; sorted. */
async function remembered(trial: StoreTrial, clientId: string): Promise<string[]> {
  const { inbound } = await trial.acquire(clientId);
  return inbound.map(({ packetId, uid, isDone }) => `${packetId} ${uid}${isDone ? ' done' : ''}`).sort();
}
