// What every store must remember of QoS 2 messages that a Client has sent and not released [MQTT 4.3.3].

import type { OpenTrial, TestWords } from './trial.ts';

/** The suite of {@link Inbound2}. */
export function describeInbound2({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('Packet Identifiers received at QoS 2', () => {
    it('are remembered over connections until they are released [MQTT-4.3.3-10, MQTT-4.3.3-12]', async () => {
      await using trial = await open();
      const first = await trial.acquire('lamp');
      const { inbound } = trial.store;
      const received = [3, 65_535, 1].map((packetId) => ({ claim: first.claim, packetId }));
      expect(await inbound.ingress(received)).toEqual(['noted', 'noted', 'noted']);
      await inbound.release([{ claim: first.claim, packetId: 3 }]);
      await trial.release(first);
      const second = await trial.acquire('lamp');
      expect([...second.inbound].sort()).toEqual([1, 65_535]);
      await inbound.release([
        { claim: second.claim, packetId: 1 },
        { claim: second.claim, packetId: 65_535 },
      ]);
      expect((await trial.acquire('lamp')).inbound).toEqual([]);
    });

    it('may be noted and released again after an unknown outcome', async () => {
      await using trial = await open();
      const { claim } = await trial.acquire('lamp');
      const received = [{ claim, packetId: 7 }];
      await trial.store.inbound.ingress(received);
      await trial.store.inbound.ingress(received);
      expect((await trial.acquire('lamp')).inbound).toEqual([7]);
      const now = [{ claim: (await trial.acquire('lamp')).claim, packetId: 7 }];
      await trial.store.inbound.release(now);
      await trial.store.inbound.release(now);
      expect((await trial.acquire('lamp')).inbound).toEqual([]);
    });

    it('are released by an earlier connection too, but not by an earlier generation', async () => {
      await using trial = await open();
      const first = await trial.acquire('lamp');
      await trial.store.inbound.ingress([7, 8].map((packetId) => ({ claim: first.claim, packetId })));
      expect((await trial.acquire('lamp')).inbound).toEqual([7, 8]);
      await trial.store.inbound.release([{ claim: first.claim, packetId: 7 }]);
      const third = await trial.acquire('lamp');
      expect(third.inbound).toEqual([8]);
      const forged = { ...third.claim, generation: 'of-long-ago' };
      await trial.store.inbound.release([{ claim: forged, packetId: 8 }]);
      expect((await trial.acquire('lamp')).inbound).toEqual([8]);
    });

    it('belong to one Session each, though one call carries many', async () => {
      await using trial = await open();
      const lamp = (await trial.acquire('lamp')).claim;
      const door = (await trial.acquire('door')).claim;
      const old = (await trial.acquire('gone')).claim;
      await trial.acquire('gone');
      const answers = await trial.store.inbound.ingress([
        { claim: lamp, packetId: 1 },
        { claim: old, packetId: 1 },
        { claim: door, packetId: 1 },
        { claim: door, packetId: 2 },
      ]);
      expect(answers).toEqual(['noted', 'fenced', 'noted', 'noted']);
      expect((await trial.acquire('gone')).inbound).toEqual([]);
      await trial.store.inbound.release([{ claim: door, packetId: 1 }]);
      expect((await trial.acquire('lamp')).inbound).toEqual([1]);
      expect((await trial.acquire('door')).inbound).toEqual([2]);
    });
  });
}
