import type { Fact, Origin } from '@skein/broker';
import { ReasonCode } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import { logFacts, makeLog, reasonName } from './observe.ts';

// As a connection's, it has no fields of its own: it finds out what it is asked for.
const origin: Origin = Object.create({ listener: 'mqtt://127.0.0.1:1883', remoteAddress: '127.0.0.1:5' });

/** What is written for facts, line by line. */
function lines(facts: readonly Fact[], level = 'trace'): string[] {
  let written = '';
  const log = makeLog(level, 'node-1', {
    write: (line: string) => {
      written += line;
    },
  });
  const observer = logFacts(log, 'node-1:0a1b2c3d');
  for (const fact of facts) observer.observe(fact);
  return written.split('\n').filter((line) => line !== '');
}

const connected: Fact = {
  is: 'client_connected',
  clientId: 'lamp',
  username: 'anna',
  protocolVersion: 5,
  cleanStart: true,
  sessionPresent: false,
  keepAliveSeconds: 60,
  origin,
};

describe('a log line', () => {
  it('tells the event, who, where and when', () => {
    const [line = ''] = lines([connected]);
    expect(JSON.parse(line)).toMatchObject({
      level: 'info',
      nodeId: 'node-1',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      event: 'client_connected',
      clientId: 'lamp',
      username: 'anna',
      listener: origin.listener,
      remoteAddress: origin.remoteAddress,
    });
  });

  it('cannot be forged or stretched by what a Client calls itself', () => {
    const clientId = `x"}\n{"level":"fatal","event":"forged"}\r\u001b[2J\u0000${'y'.repeat(70_000)}`;
    const written = lines([{ ...connected, clientId, username: clientId }]);
    expect(written).toHaveLength(1);
    expect(written[0]?.length).toBeLessThan(1500);
    for (const character of written[0] ?? '') expect(character.charCodeAt(0)).toBeGreaterThanOrEqual(0x20);
    expect(JSON.parse(written[0] ?? '').event).toBe('client_connected');
  });

  it('there is for every fact, as loud as it matters', () => {
    const error = new Error('boom');
    const facts: readonly [level: string, fact: Fact][] = [
      ['info', connected],
      ['info', { is: 'client_refused', clientId: undefined, reasonCode: ReasonCode.banned, why: 'so', origin }],
      ['info', { is: 'client_disconnected', clientId: 'a', reason: 'slow_consumer', why: undefined, origin }],
      ['debug', { is: 'session_ended', clientId: 'a' }],
      ['warn', { is: 'messages_dropped', clientId: 'a', reason: 'queue_full', count: 3 }],
      ['debug', { is: 'will_published', clientId: 'a', topic: 't' }],
      ['error', { is: 'store_failed', operation: 'acquire', error }],
      ['error', { is: 'internal_error', where: 'packet', error }],
      ['warn', { is: 'store_away' }],
      ['info', { is: 'store_back', awayMs: 12 }],
      ['info', { is: 'node_joined', node: 'n2:1', address: '127.0.0.1:7470' }],
      ['info', { is: 'node_left', node: 'n2:1' }],
      ['warn', { is: 'node_dead', node: 'n2:1' }],
      ['warn', { is: 'node_unreachable', node: 'n2:1' }],
      ['warn', { is: 'node_reaped', node: 'n2:1', sessions: 3 }],
      ['info', { is: 'node_reaped', node: 'n2:1', sessions: 0 }],
      ['error', { is: 'fenced', why: 'so' }],
    ];
    for (const [level, fact] of facts) {
      const [line = ''] = lines([fact]);
      expect(JSON.parse(line)).toMatchObject({ level, event: fact.is });
    }
    expect(lines([{ is: 'internal_error', where: 'packet', error }])[0]).toContain('observe.test.ts');
    expect(lines([connected], 'warn')).toEqual([]);
    const [fenced = ''] = lines([{ is: 'fenced', why: 'so' }]);
    expect(JSON.parse(fenced)).toMatchObject({ nodeId: 'node-1', node: 'node-1:0a1b2c3d', why: 'so' });
  });
});

describe('a store that is away', () => {
  it('fills no log: it is told why once, and again the next time', () => {
    const failed = (operation: string): Fact => ({ is: 'store_failed', operation, error: new Error('no answer') });
    const back: Fact = { is: 'store_back', awayMs: 1 };
    const away: Fact = { is: 'store_away' };
    const time = [failed('acquire'), away, failed('renew'), failed('enqueue'), back];
    const said = lines([...time, ...time]).map((line) => JSON.parse(line));
    expect(said.map(({ level, event }) => `${level} ${event}`)).toEqual([
      ...['error store_failed', 'warn store_away', 'debug store_failed', 'debug store_failed', 'info store_back'],
      ...['error store_failed', 'warn store_away', 'debug store_failed', 'debug store_failed', 'info store_back'],
    ]);
    expect(said[0].err.message).toBe('no answer');
  });
});

describe('the name of a Reason Code', () => {
  it('is the specification’s', () => {
    expect(reasonName(ReasonCode.success)).toBe('success');
    expect(reasonName(ReasonCode.notAuthorized)).toBe('notAuthorized');
    expect(reasonName(ReasonCode.serverShuttingDown)).toBe('serverShuttingDown');
  });
});
