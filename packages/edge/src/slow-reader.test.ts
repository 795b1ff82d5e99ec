import { describe, expect, it } from 'vitest';
import { bytes, connected, message, nextTurn, pingreq, qos0 } from './connection.scene.ts';

describe('a Client that takes less than it is sent', () => {
  it('is congested above the high-water mark until half of it has gone', async () => {
    const { connection, transport, client, traffic } = connected();
    transport.takes = false;
    for (let count = 0; count < 12; count += 1) {
      connection.publish(message('a', 10_000), qos0);
      await nextTurn();
    }
    expect(connection.congested).toBe(true);
    expect(traffic.congested).toBe(1);
    transport.take(6);
    await nextTurn();
    expect(client.story).not.toContain('drained');
    expect(connection.congested).toBe(true);
    transport.take(2);
    expect(client.story).not.toContain('drained');
    await nextTurn();
    expect(client.story.filter((word) => word === 'drained')).toHaveLength(1);
    expect(connection.congested).toBe(false);
    expect(traffic.congested).toBe(0);
  });

  it('is not read beyond twice the mark, since each of its packets would add an answer', async () => {
    const { connection, transport, client } = connected();
    transport.takes = false;
    for (let count = 0; count < 22; count += 1) {
      connection.publish(message('a', 10_000), qos0);
      await nextTurn();
    }
    const before = client.story.length;
    connection.data(bytes(pingreq, pingreq));
    connection.data(bytes(pingreq));
    expect(client.story).toHaveLength(before);
    expect(transport.isPaused).toBe(true);
    transport.take();
    await nextTurn();
    await nextTurn();
    expect(client.story.slice(before).filter((word) => word === 'pingreq')).toHaveLength(3);
    expect(transport.isPaused).toBe(false);
  });

  it('is not congested by much at once that the network takes', () => {
    const { connection } = connected();
    for (let count = 0; count < 100; count += 1) connection.publish(message('a', 10_000), qos0);
    expect(connection.congested).toBe(false);
  });

  it('is given up after 30 s without progress, and not while anything moves', async () => {
    const { connection, transport, client, pass, traffic } = connected({}, { keepAliveSeconds: 0 });
    transport.takes = false;
    connection.publish(message('a', 10), qos0);
    await nextTurn();
    for (let seconds = 0; seconds < 100; seconds += 20) {
      pass(20);
      // The kernel takes a byte in the middle of the write.
      transport.takenBytes += 1;
    }
    pass(29);
    expect(client.story).not.toContain('lost slow_consumer');
    pass(4);
    expect(client.story).toEqual(['connect', 'lost slow_consumer']);
    expect(transport.destroyed).toBe(1);
    expect(traffic.closed.slow_consumer).toBe(1);
  });

  it('has all the time when nothing waits for it', async () => {
    const { connection, client, pass } = connected({}, { keepAliveSeconds: 0 });
    connection.publish(message('a', 10), qos0);
    await nextTurn();
    pass(100_000);
    expect(client.story).toEqual(['connect']);
  });
});
