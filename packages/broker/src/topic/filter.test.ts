import { ReasonCode } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import { defaultLimits } from '../limits.ts';
import { hasWildcard, isShared, isWellFormed, matches, refuseFilter, sharedPart } from './filter.ts';

describe('a Topic Filter is well formed [MQTT-4.7.1-1, MQTT-4.7.1-2, MQTT-4.7.3-1]', () => {
  it.each(['a', '/', '//', ' ', '#', '+', 'a/#', '+/+/#', '/+', '+/', 'a/+/b', '$SYS/#', '/#', 'a//+'])(
    'as %j is',
    (filter) => {
      expect(isWellFormed(filter)).toBe(true);
    },
  );

  it.each(['', '##', '#/a', 'a#', 'a/#/', 'a/b#', '#+', '+a', 'a+', 'a/+b/c', 'a/b+', '++', '+#', 'a/##'])(
    'as %j is not',
    (filter) => {
      expect(isWellFormed(filter)).toBe(false);
    },
  );
});

describe('a Topic Filter is refused', () => {
  it.each([
    '$share/a',
    '$share/',
    '$share//a',
    '$share/+/a',
    '$share/a#/a',
    '$share/group/',
    '$share/group/a#',
    '$queue/',
  ])('for a group without a name, or without a filter: %s [MQTT-4.8.2-1] [MQTT-4.8.2-2]', (topicFilter) => {
    expect(refuseFilter(topicFilter, defaultLimits)).toBe(ReasonCode.topicFilterInvalid);
  });

  it('not for a group that has both [§4.8.2]', () => {
    expect(refuseFilter('$share/group/+/a/#', defaultLimits)).toBeUndefined();
    expect(sharedPart('$share/group//a')).toBe('/a');
    expect(sharedPart('$queue/a/b')).toBe('a/b');
    expect(isShared('$shared/group/a')).toBe(false);
    expect(refuseFilter('$shared/group/a', defaultLimits)).toBeUndefined();
  });

  it('if it is malformed, too long or too deep', () => {
    const limits = { ...defaultLimits, topicLevelsMax: 3, topicBytesMax: 9 };
    expect(refuseFilter('a/#/b', limits)).toBe(ReasonCode.topicFilterInvalid);
    expect(refuseFilter('a/b/c', limits)).toBeUndefined();
    expect(refuseFilter('a/b/c/d', limits)).toBe(ReasonCode.topicFilterInvalid);
    expect(refuseFilter('//+/', limits)).toBe(ReasonCode.topicFilterInvalid);
    expect(refuseFilter('123456789', limits)).toBeUndefined();
    expect(refuseFilter('1234567890', limits)).toBe(ReasonCode.topicFilterInvalid);
    expect(refuseFilter('ööööö', limits)).toBe(ReasonCode.topicFilterInvalid);
  });
});

describe('a Topic Filter matches a Topic Name', () => {
  // The examples of §4.7.1.2, §4.7.1.3 and §4.7.2, then the corners.
  it.each([
    ['sport/tennis/player1/#', 'sport/tennis/player1', true],
    ['sport/tennis/player1/#', 'sport/tennis/player1/ranking', true],
    ['sport/tennis/player1/#', 'sport/tennis/player1/score/wimbledon', true],
    ['sport/tennis/player1/#', 'sport/tennis/player12', false],
    ['sport/#', 'sport', true],
    ['#', 'anything/at/all', true],
    ['sport/tennis/+', 'sport/tennis/player1', true],
    ['sport/tennis/+', 'sport/tennis/player1/ranking', false],
    ['sport/+', 'sport', false],
    ['sport/+', 'sport/', true],
    ['+/+', '/finance', true],
    ['/+', '/finance', true],
    ['+', '/finance', false],
    ['#', '$SYS/uptime', false],
    ['+/monitor/Clients', '$SYS/monitor/Clients', false],
    ['$SYS/#', '$SYS/monitor/Clients', true],
    ['$SYS/monitor/+', '$SYS/monitor/Clients', true],
    ['$SYS/#', '$SYS', true],
    ['a', 'A', false],
    ['a', 'a/', false],
    ['/a', 'a', false],
    ['a/+/+/d', 'a///d', true],
    ['+/#', 'a', true],
    ['a/$x', 'a/$x', true],
    ['a/+', 'a/$x', true],
  ])('%j %j: %j', (filter, topic, expected) => {
    expect(matches(filter, topic)).toBe(expected);
  });

  it('knows which filters have a wildcard', () => {
    expect(['a/b', '/', '$SYS'].some(hasWildcard)).toBe(false);
    expect(['+', 'a/#', 'a/+/b'].every(hasWildcard)).toBe(true);
  });
});
