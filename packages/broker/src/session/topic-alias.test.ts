import { MqttError, ReasonCode } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import { TopicAliases } from './topic-alias.ts';

describe('[§3.3.2.3.4] Topic Aliases of a Client', () => {
  it('stand for the topic they were last given with', () => {
    const aliases = new TopicAliases(2);
    expect(aliases.resolve('a', 1)).toBe('a');
    expect(aliases.resolve('b', 2)).toBe('b');
    expect(aliases.resolve('', 1)).toBe('a');
    expect(aliases.resolve('c', 1)).toBe('c');
    expect(aliases.resolve('', 1)).toBe('c');
    expect(aliases.resolve('', 2)).toBe('b');
  });

  it('beyond the Topic Alias Maximum are an error [MQTT-3.3.2-9]', () => {
    const invalid = expect.objectContaining({ constructor: MqttError, reasonCode: ReasonCode.topicAliasInvalid });
    expect(() => new TopicAliases(2).resolve('a', 3)).toThrow(invalid);
    expect(() => new TopicAliases(0).resolve('a', 1)).toThrow(invalid);
  });

  it('that stand for nothing yet are an error', () => {
    const aliases = new TopicAliases(2);
    aliases.resolve('a', 1);
    expect(() => aliases.resolve('', 2)).toThrow(
      expect.objectContaining({ constructor: MqttError, reasonCode: ReasonCode.protocolError }),
    );
  });
});
