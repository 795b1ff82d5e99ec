import { describe, expect, it } from 'vitest';
import { load } from '../config/config.ts';
import type { OfferedDurability } from '../config/durability.ts';
import { fromNested } from '../config/sources.ts';
import { warnings } from './warnings.ts';

/** The events that are warned of. */
function events(settings: object, durability: OfferedDurability, advertise?: string): string[] {
  const { config } = load([fromNested(settings, 'the settings')]);
  return warnings(config, { durability, advertise }).map(({ event }) => event);
}

describe('a node warns', () => {
  const here = { store: 'redis://127.0.0.1:6379' };
  const there = { store: 'redis://:hunter2@redis.example.org' };

  it('of nothing, on a store that is durable and peers of this machine', () => {
    expect(events({}, 'everysec')).toEqual([]);
    expect(events(here, 'everysec', '127.0.0.1:7470')).toEqual([]);
    expect(events(here, 'always', '[::1]:7470')).toEqual([]);
  });

  it('of a store that forgets, and of one that does not tell', () => {
    expect(events({ store: 'memory:' }, 'memory')).toEqual(['store_volatile']);
    expect(events({ durability: 'memory' }, 'memory')).toEqual(['store_volatile']);
    expect(events(here, 'memory', '127.0.0.1:7470')).toEqual(['store_volatile']);
    expect(events(here, 'unverified', '127.0.0.1:7470')).toEqual(['store_unverified']);
  });

  it('of peers on loopback, where the store is not: no other machine can join', () => {
    expect(events(there, 'everysec', '127.0.0.1:7470')).toEqual(['peers_on_loopback']);
    expect(events({ ...there, insecurePeers: true }, 'everysec', '10.0.0.1:7470')).toEqual(['insecure_peers']);
  });

  it('of doors that are open to everybody', () => {
    expect(events({ ...here, allowAnonymous: true }, 'always', '127.0.0.1:7470')).toEqual(['anonymous_everywhere']);
  });

  it('without a password', () => {
    const { config } = load([fromNested(there, 'the settings')]);
    const said = JSON.stringify(warnings(config, { durability: 'memory', advertise: '127.0.0.1:7470' }));
    expect(said).toContain('redis://redis.example.org');
    expect(said).not.toContain('hunter2');
  });
});
