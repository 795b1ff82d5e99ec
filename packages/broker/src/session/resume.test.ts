import { type Packet, ReasonCode } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import { BrokerTrial, connectPacket, publishPacket } from '../testing/broker-trial.ts';
import type { PendingCall } from '../testing/unreliable-store.ts';

describe('a QoS 2 PUBLISH whose Client reconnects before PUBREC', () => {
  it('is published once, though it had not reached the store when the Session was resumed [MQTT-4.3.3-10]', async () => {
    for (const isNoted of [false, true]) {
      const trial = await BrokerTrial.start();
      const door = await trial.connect('door');
      await door.subscribe('a');
      const first = await trial.connect('lamp');
      const ingresses = trial.holdCalls('inbound.ingress');
      await first.send(publishPacket('a', 'once', 2, 7));
      if (isNoted) ingresses[0]?.do();
      await first.lose();
      const second = await trial.connect('lamp');
      await second.send(publishPacket('a', 'once', 2, 7, true));
      trial.meet = (call) => call.answer();
      ingresses[0]?.answer();
      await trial.clock.settle();
      expect(second.outlet.said()).toEqual(['pubrec #7']);
      expect(door.outlet.said()).toEqual(['publish a=once q2 #1']);
      expect(await second.send(acknowledgement('pubrel', 7))).toEqual(['pubcomp #7']);
    }
  });

  it('is not answered on a connection that has lost the Session: it was not published for it', async () => {
    const trial = await BrokerTrial.start();
    const first = await trial.connect('lamp');
    const ingresses = trial.holdCalls('inbound.ingress');
    await first.send(publishPacket('a', 'once', 2, 7));
    const acquires: PendingCall[] = [];
    trial.meet = (call) => (call.name === 'sessions.acquire' ? acquires.push(call) : call.answer());
    const second = trial.open();
    await second.send(connectPacket('lamp'));
    acquires[0]?.do();
    await trial.clock.settle();
    ingresses[0]?.answer();
    await trial.clock.settle();
    expect(first.outlet.said().filter((line) => line.startsWith('pubrec'))).toEqual([]);
  });

  it('that was refused meanwhile is refused again, and its identifier is free [§4.3.3]', async () => {
    const trial = await BrokerTrial.start({ queueFull: 'refuse', queueMaxMessages: 1 });
    const door = await trial.connect('door');
    await door.subscribe('a');
    await door.lose();
    const other = await trial.connect('other');
    await other.publish('a', 'fills the queue');
    const first = await trial.connect('lamp');
    const enqueues = trial.holdCalls('queues.enqueue');
    await first.send(publishPacket('a', 'refused', 2, 7));
    await first.lose();
    trial.meet = (call) => call.answer();
    const second = await trial.connect('lamp');
    await second.send(publishPacket('a', 'refused', 2, 7, true));
    enqueues[0]?.answer();
    await trial.clock.settle();
    expect(second.outlet.said()).toEqual(['pubrec #7 0x97']);

    const again = await trial.connect('door');
    expect(again.outlet.said()).toEqual([]);
    await again.send(acknowledgement('puback', 1));
    expect(await second.send(publishPacket('a', 'another', 2, 7))).toEqual(['pubrec #7']);
    expect(again.outlet.said()).toEqual(['publish a=another q2 #2']);
  });
});

describe('[MQTT-4.4.0-1] a QoS 2 exchange with a subscriber that reconnects', () => {
  it('goes on with the PUBRELs that are owed, in the order of their PUBRECs, ahead of messages [MQTT-4.6.0-4]', async () => {
    const trial = await BrokerTrial.start();
    const first = await trial.connect('lamp');
    await first.subscribe('a');
    const door = await trial.connect('door');
    for (const packetId of [1, 2, 3, 4]) await door.publish('a', `${packetId}`, 2, packetId);
    for (const packetId of [3, 1, 4]) await first.send(acknowledgement('pubrec', packetId));
    await first.send(acknowledgement('pubcomp', 4));
    await first.lose();
    const second = trial.open();
    expect(await second.send(connectPacket('lamp'))).toEqual([
      'connack present',
      'pubrel #3',
      'pubrel #1',
      'publish a=2 q2 #2 dup',
    ]);
  });

  it('goes on with PUBREL, though its PUBREC reached the store only after the Session was resumed', async () => {
    const trial = await BrokerTrial.start();
    const first = await trial.connect('lamp');
    await first.subscribe('a');
    const door = await trial.connect('door');
    await door.publish('a', 'once', 2, 1);
    expect(first.outlet.said()).toEqual(['publish a=once q2 #1']);
    const recs = trial.holdCalls('queues.rec');
    await first.send(acknowledgement('pubrec', 1));
    await first.lose();
    const reads: PendingCall[] = [];
    trial.meet = (call) => (call.name === 'queues.read' ? reads.push(call) : call.answer());
    const second = await trial.connect('lamp');
    recs[0]?.answer();
    await trial.clock.settle();
    reads[0]?.answer();
    await trial.clock.settle();
    expect(second.outlet.said()).toEqual(['pubrel #1']);
    await second.send(acknowledgement('pubcomp', 1));
    const third = await trial.connect('lamp');
    expect(third.outlet.said()).toEqual([]);
  });
});

function acknowledgement(type: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp', packetId: number): Packet {
  return { type, packetId, reasonCode: ReasonCode.success, properties: undefined };
}
