// The examples of MQTT 4.7, and the corners that they leave out.

import { describe, expect, it } from 'vitest';
import { matches } from './topic-match.ts';

const cases: readonly (readonly [topicFilter: string, topic: string, isMatch: boolean])[] = [
  ['sport/tennis/player1/#', 'sport/tennis/player1', true],
  ['sport/tennis/player1/#', 'sport/tennis/player1/ranking', true],
  ['sport/tennis/player1/#', 'sport/tennis/player1/score/wimbledon', true],
  ['sport/tennis/player1/#', 'sport/tennis/player12', false],
  ['sport/#', 'sport', true],
  ['#', 'a', true],
  ['#', '/', true],
  ['sport/tennis/+', 'sport/tennis/player1', true],
  ['sport/tennis/+', 'sport/tennis/player1/ranking', false],
  ['sport/+', 'sport', false],
  ['sport/+', 'sport/', true],
  ['+', '/finance', false],
  ['+/+', '/finance', true],
  ['/+', '/finance', true],
  ['+/tennis/#', 'sport/tennis', true],
  ['+/tennis/#', 'sport/tennis/a/b', true],
  ['sport/+/player1', 'sport/tennis/player1', true],
  ['sport/+/player1', 'sport/tennis/player2', false],
  ['a/b', 'a/b', true],
  ['a/b', 'a/B', false],
  ['a/b', 'a/b/', false],
  ['a/b/', 'a/b', false],
  ['a//b', 'a//b', true],
  ['a/+/b', 'a//b', true],
  ['#', '$SYS/uptime', false],
  ['+/uptime', '$SYS/uptime', false],
  ['$SYS/#', '$SYS/uptime', true],
  ['$SYS/+', '$SYS/uptime', true],
  ['a/#', 'a/$SYS', true],
  ['a/+', 'a/$SYS', true],
];

describe('[§4.7] a Topic Filter', () => {
  it.each(cases)('%s and %s: %s', (topicFilter, topic, isMatch) => {
    expect(matches(topicFilter, topic)).toBe(isMatch);
  });
});
