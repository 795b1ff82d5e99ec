import { MqttError, ReasonCode } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import { messageOn } from '../contract/samples.ts';
import type { QueueEntry } from '../ports.ts';
import { RecordingOutlet } from '../testing/recording-outlet.ts';
import { Surroundings } from '../testing/surroundings.ts';
import { Outbound, packetIdOf, type Source } from './outbound.ts';

/** A queue that hands out what it is told to, and remembers what became of it. */
class ScriptedSource implements Source {
  readonly entries: QueueEntry[] = [];
  readonly settledSeqs: number[] = [];
  readonly receivedSeqs: number[] = [];

  add(seq: number, qos: 1 | 2 = 1, fields: Partial<QueueEntry['message']> = {}): void {
    const message = messageOn('a', `${seq}`, fields);
    this.entries.push({ seq, message, qos, retain: false, subscriptionIdentifiers: undefined });
  }

  next(): QueueEntry | undefined {
    return this.entries.shift();
  }

  settled(seq: number): void {
    this.settledSeqs.push(seq);
  }

  received(seq: number): void {
    this.receivedSeqs.push(seq);
  }
}

class Trial {
  readonly around = new Surroundings();
  readonly outlet = new RecordingOutlet();
  readonly source = new ScriptedSource();
  readonly outbound: Outbound;

  constructor({ inflightMax = 10, resendSeq = 0 } = {}) {
    this.outbound = new Outbound({
      clientId: 'lamp',
      outlet: this.outlet,
      source: this.source,
      inflightMax,
      resendSeq,
      drops: this.around.drops,
      counters: this.around.counters,
      clock: this.around.clock,
    });
  }

  /** Queues messages with these seqs and sends what can be sent. */
  readonly offer = (qos: 1 | 2, ...seqs: number[]): void => {
    for (const seq of seqs) this.source.add(seq, qos);
    this.outbound.pump();
  };
}

describe('[MQTT-2.2.1-4] the Packet Identifier of a seq', () => {
  it('is from 1 to 65,535, and the same whoever computes it', () => {
    expect([1, 2, 65_535, 65_536, 65_537, 131_070, 131_071].map(packetIdOf)).toEqual([1, 2, 65_535, 1, 2, 65_535, 1]);
    expect(packetIdOf(2 ** 52)).toBe(((2 ** 52 - 1) % 65_535) + 1);
  });
});

describe('[MQTT-3.3.4-9] the window', () => {
  it('holds no more than the Receive Maximum, and opens with each acknowledgement', () => {
    const { outbound, outlet, source, offer } = new Trial({ inflightMax: 2 });
    offer(1, 1, 2, 3, 4, 5);
    expect(outlet.said()).toEqual(['publish a=1 q1 #1', 'publish a=2 q1 #2']);
    expect(outbound.inflight).toBe(2);
    outbound.puback(2);
    expect(outlet.said()).toEqual(['publish a=3 q1 #3']);
    outbound.puback(1);
    outbound.puback(3);
    expect(outlet.said()).toEqual(['publish a=4 q1 #4', 'publish a=5 q1 #5']);
    expect(source.settledSeqs).toEqual([2, 1, 3]);
    expect(outbound.sentSeq).toBe(5);
  });

  it('counts a QoS 2 message until its PUBCOMP', () => {
    const { outbound, outlet, source, offer } = new Trial({ inflightMax: 1 });
    offer(2, 1, 2);
    outlet.take();
    outbound.pubrec(1, ReasonCode.success);
    outbound.release(1);
    expect(outlet.said()).toEqual(['pubrel #1']);
    outbound.pubcomp(1);
    expect(outlet.said()).toEqual(['publish a=2 q2 #2']);
    expect(source.settledSeqs).toEqual([1]);
  });

  it('is shut while the outlet is congested, and what is stored waits', () => {
    const { outbound, outlet, source, offer } = new Trial();
    outlet.congested = true;
    offer(1, 1, 2);
    expect(outbound.hasRoom).toBe(false);
    expect(outlet.said()).toEqual([]);
    expect(source.entries).toHaveLength(2);
    outlet.congested = false;
    outbound.pump();
    expect(outlet.said()).toEqual(['publish a=1 q1 #1', 'publish a=2 q1 #2']);
  });

  it('tells whoever waits for room once there is some', async () => {
    const { outbound, offer } = new Trial({ inflightMax: 1 });
    expect(outbound.whenRoomy()).toBeUndefined();
    offer(1, 1);
    let roomy = false;
    const waiting = outbound.whenRoomy()?.then(() => {
      roomy = true;
    });
    outbound.pump();
    await Promise.resolve();
    expect(roomy).toBe(false);
    outbound.puback(1);
    await waiting;
    expect(roomy).toBe(true);
  });

  it('lets nobody wait for ever at a connection that is gone', async () => {
    const { outbound, offer } = new Trial({ inflightMax: 1 });
    offer(1, 1);
    const waiting = outbound.whenRoomy();
    outbound.close();
    await waiting;
    expect(outbound.whenRoomy()).toBeUndefined();
  });
});

describe('two messages in flight never share a Packet Identifier', () => {
  it('though one is not acknowledged while 65,535 others are', () => {
    const { outbound, outlet, offer } = new Trial({ inflightMax: 3 });
    offer(1, 1);
    let seq = 1;
    while (outlet.take().length > 0 && seq < 70_000) {
      if (seq > 1) outbound.puback(packetIdOf(seq));
      offer(1, ++seq);
    }
    // It stalls before the identifier of seq 1 comes round, and no sooner than it must.
    expect(seq).toBeGreaterThan(65_500);
    expect(seq).toBeLessThan(65_536);
    offer(1, seq + 1);
    expect(outlet.said()).toEqual([]);
    expect(outbound.hasRoom).toBe(false); // or whoever waits for room would queue without end

    outbound.puback(1);
    expect(outbound.hasRoom).toBe(true);
    expect(outlet.said()).toEqual([
      `publish a=${seq} q1 #${packetIdOf(seq)}`,
      `publish a=${seq + 1} q1 #${packetIdOf(seq + 1)}`,
    ]);
  });

  it('goes on over the wrap when the oldest is acknowledged', () => {
    const { outbound, outlet, offer } = new Trial({ inflightMax: 2 });
    for (let seq = 65_530; seq < 65_545; seq++) {
      offer(1, seq);
      const packetId = ((seq - 1) % 65_535) + 1;
      expect(outlet.said()).toEqual([`publish a=${seq} q1 #${packetId}`]);
      outbound.puback(packetId);
    }
    expect(outbound.inflight).toBe(0);
  });
});

describe('[MQTT-4.4.0-1] a resumed Session', () => {
  it('sends owed PUBRELs first, in the order of their PUBRECs, then messages by seq with DUP', () => {
    const { outbound, outlet, source, offer } = new Trial({ resendSeq: 5 });
    outbound.resume([4, 2]);
    offer(2, 1, 3, 5, 6);
    expect(outlet.said()).toEqual([
      'pubrel #4',
      'pubrel #2',
      'publish a=1 q2 #1 dup',
      'publish a=3 q2 #3 dup',
      'publish a=5 q2 #5 dup',
      'publish a=6 q2 #6',
    ]);
    outbound.pubcomp(2);
    outbound.pubcomp(4);
    expect(source.settledSeqs).toEqual([2, 4]);
    expect(outbound.inflight).toBe(4);
  });

  it('sends an owed PUBREL once, though a read names it again after its PUBCOMP', () => {
    const { outbound, outlet } = new Trial({ resendSeq: 5 });
    outbound.resume([2]);
    outbound.pubcomp(2);
    outbound.resume([2, 4]);
    expect(outlet.said()).toEqual(['pubrel #2', 'pubrel #4']);
  });

  it('counts owed PUBRELs in its window', () => {
    const { outbound, outlet, offer } = new Trial({ inflightMax: 2, resendSeq: 3 });
    outbound.resume([1, 2, 3]);
    offer(1, 4);
    expect(outlet.said()).toEqual(['pubrel #1', 'pubrel #2', 'pubrel #3']);
    outbound.pubcomp(1);
    expect(outlet.said()).toEqual([]);
    outbound.pubcomp(3);
    expect(outlet.said()).toEqual(['publish a=4 q1 #4']);
  });

  it('does not send a PUBREL twice that is named twice', () => {
    const { outbound, outlet } = new Trial({ resendSeq: 2 });
    outbound.resume([1]);
    outbound.resume([1, 2]);
    expect(outlet.said()).toEqual(['pubrel #1', 'pubrel #2']);
  });

  it('has sent at least what it had sent before', () => {
    const { outbound, offer } = new Trial({ resendSeq: 7 });
    expect(outbound.sentSeq).toBe(7);
    offer(1, 6);
    expect(outbound.sentSeq).toBe(7);
    offer(1, 8);
    expect(outbound.sentSeq).toBe(8);
  });
});

describe('[MQTT-4.3.2-3] PUBACK', () => {
  it('for an unknown Packet Identifier, or a second time, is ignored', () => {
    const { outbound, outlet, source, offer } = new Trial();
    offer(1, 1);
    outlet.take();
    outbound.puback(9);
    outbound.puback(1);
    outbound.puback(1);
    expect(source.settledSeqs).toEqual([1]);
    expect(outlet.said()).toEqual([]);
  });

  it('for a PUBLISH at QoS 2 is a Protocol Error', () => {
    const { outbound, source, offer } = new Trial();
    offer(2, 1);
    expect(() => outbound.puback(1)).toThrow(
      expect.objectContaining({ constructor: MqttError, reasonCode: ReasonCode.protocolError }),
    );
    expect(source.settledSeqs).toEqual([]);
  });
});

describe('[MQTT-4.3.3-4] PUBREC', () => {
  it('is answered by PUBREL once it is stored, and not before', () => {
    const { outbound, outlet, source, offer } = new Trial();
    offer(2, 1);
    outlet.take();
    outbound.pubrec(1, ReasonCode.success);
    outbound.pubrec(1, ReasonCode.success);
    expect(outlet.said()).toEqual([]);
    expect(source.receivedSeqs).toEqual([1]);
    outbound.release(1);
    outbound.release(1);
    expect(outlet.said()).toEqual(['pubrel #1']);
    expect(source.settledSeqs).toEqual([]);
  });

  it('that comes again after PUBREL was sent gets PUBREL again', () => {
    const { outbound, outlet, source, offer } = new Trial();
    offer(2, 1);
    outbound.pubrec(1, ReasonCode.noMatchingSubscribers);
    outbound.release(1);
    outlet.take();
    outbound.pubrec(1, ReasonCode.success);
    expect(outlet.said()).toEqual(['pubrel #1']);
    outbound.pubcomp(1);
    expect(source.settledSeqs).toEqual([1]);
  });

  it('with a failure ends the exchange, without PUBREL [§4.3.3]', () => {
    const { outbound, outlet, source, offer } = new Trial({ inflightMax: 1 });
    offer(2, 1, 2);
    outlet.take();
    outbound.pubrec(1, ReasonCode.quotaExceeded);
    expect(source.settledSeqs).toEqual([1]);
    expect(outlet.said()).toEqual(['publish a=2 q2 #2']);
  });

  it('for an unknown Packet Identifier is told so by PUBREL', () => {
    const { outbound, outlet } = new Trial();
    outbound.pubrec(7, ReasonCode.success);
    expect(outlet.said()).toEqual(['pubrel #7 0x92']);
  });

  it('for a PUBLISH at QoS 1 is a Protocol Error', () => {
    const { outbound, offer } = new Trial();
    offer(1, 1);
    expect(() => outbound.pubrec(1, ReasonCode.success)).toThrow(
      expect.objectContaining({ constructor: MqttError, reasonCode: ReasonCode.protocolError }),
    );
  });
});

describe('[MQTT-4.3.3-6] PUBCOMP', () => {
  it('ends an exchange whose PUBREL was sent, and nothing else', () => {
    const { outbound, outlet, source, offer } = new Trial();
    offer(2, 1);
    offer(1, 2);
    outbound.pubcomp(1);
    outbound.pubcomp(2);
    outbound.pubcomp(3);
    expect(source.settledSeqs).toEqual([]);
    outbound.pubrec(1, ReasonCode.success);
    outbound.pubcomp(1);
    expect(source.settledSeqs).toEqual([]);
    outbound.release(1);
    outlet.take();
    outbound.pubcomp(1);
    outbound.pubcomp(1);
    expect(source.settledSeqs).toEqual([1]);
  });
});

describe('what is not sent is dropped and counted', () => {
  it('[MQTT-3.1.2-25] a PUBLISH too large for the Client, as if it had been delivered', () => {
    const { outbound, outlet, source, around } = new Trial();
    outlet.largestPayloadBytes = 100;
    source.add(1, 1, { payload: new Uint8Array(101) });
    source.add(2, 1);
    outbound.pump();
    expect(outlet.said()).toEqual(['publish a=2 q1 #2']);
    expect(source.settledSeqs).toEqual([1]);
    expect(outbound.inflight).toBe(1);
    outbound.sendQos0(messageOn('a', 'x'.repeat(101)), false, undefined);
    expect(around.dropped).toEqual({ too_large: 2 });
  });

  it('[MQTT-3.3.2-5] a message that expired before its delivery began', async () => {
    const { outbound, outlet, source, around } = new Trial({ inflightMax: 1 });
    const expiresAtMs = around.clock.nowMs() + 1000;
    for (const seq of [1, 2, 3]) source.add(seq, 1, { expiresAtMs });
    source.add(4, 1);
    outbound.pump();
    await around.clock.advance(1000);
    outbound.puback(1);
    expect(outlet.said()).toEqual(['publish a=1 q1 #1', 'publish a=4 q1 #4']);
    expect(source.settledSeqs).toEqual([1, 2, 3]);
    expect(around.dropped).toEqual({ expired: 2 });
  });

  it('but not one whose delivery had begun on an earlier connection', async () => {
    const { outbound, outlet, source, around } = new Trial({ resendSeq: 1 });
    const expiresAtMs = around.clock.nowMs();
    source.add(1, 1, { expiresAtMs });
    source.add(2, 1, { expiresAtMs });
    outbound.pump();
    expect(outlet.said()).toEqual(['publish a=1 q1 #1 dup']);
  });

  it('a message at QoS 0 that expired while it waited for the store [MQTT-3.3.2-5], and none that only has a short time', async () => {
    const { outbound, outlet, around } = new Trial();
    const late = messageOn('a', 'late', { qos: 0, expiresAtMs: around.clock.nowMs() + 1000 });
    await around.clock.advance(1001);
    outbound.sendQos0(late, false, undefined);
    outbound.sendQos0(messageOn('a', 'now', { qos: 0, expiresAtMs: around.clock.nowMs() }), false, undefined);
    expect(outlet.said()).toEqual(['publish a=now q0']);
    expect(around.dropped).toEqual({ expired: 1 });
  });

  it('a message at QoS 0 for a Client that does not keep up', () => {
    const { outbound, outlet, around } = new Trial();
    outbound.sendQos0(messageOn('a', '1', { qos: 0 }), true, [3, 4]);
    outlet.congested = true;
    outbound.sendQos0(messageOn('a', '2', { qos: 0 }), false, undefined);
    outlet.congested = false;
    outbound.sendQos0(messageOn('a', '3', { qos: 0 }), false, undefined);
    expect(outlet.said()).toEqual(['publish a=1 q0 retain ids 3+4', 'publish a=3 q0']);
    expect(around.dropped).toEqual({ slow_consumer: 1 });
    expect(around.counters.publishSent).toEqual([2, 0, 0]);
  });
});

describe('a connection that is gone', () => {
  it('is sent nothing, whatever comes', () => {
    const { outbound, outlet, source, offer } = new Trial();
    offer(2, 1);
    outbound.pubrec(1, ReasonCode.success);
    outlet.take();
    outbound.close();
    outbound.release(1);
    offer(1, 2);
    outbound.sendQos0(messageOn('a'), false, undefined);
    expect(outlet.said()).toEqual([]);
    expect(source.entries).toHaveLength(1);
    expect(outbound.inflight).toBe(1);
  });
});
