// package-lock.json serves every machine: it names every platform, and no place to download from.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { missingPlatforms } from './lock.mjs';

const { packages } = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8'));

describe('package-lock.json', () => {
  it('names every platform, so that `npm ci` takes it (if not: node scripts/lock.mjs)', () => {
    expect(Object.keys(missingPlatforms(packages))).toEqual([]);
  });

  it('holds no download address', () => {
    const addresses = Object.values(packages).map(({ resolved }) => resolved);
    expect(addresses.filter((address) => address?.includes('://'))).toEqual([]);
  });
});

describe('a lock without a platform', () => {
  const lock = {
    '': { version: '0.0.0' },
    'node_modules/tool': { version: '2.0.0', dev: true, optionalDependencies: { '@tool/linux-x64-musl': '2.0.0' } },
    'node_modules/a': { version: '1.0.0', optionalDependencies: { b: '1.0.0', 'c-darwin-arm64': '1.2.3-beta.1' } },
    'node_modules/a/node_modules/b': { version: '1.0.0' },
  };

  it('gets it from its name', () => {
    expect(missingPlatforms(lock)).toEqual({
      'node_modules/@tool/linux-x64-musl': {
        version: '2.0.0',
        cpu: ['x64'],
        dev: true,
        libc: ['musl'],
        optional: true,
        os: ['linux'],
      },
      'node_modules/c-darwin-arm64': { version: '1.2.3-beta.1', cpu: ['arm64'], optional: true, os: ['darwin'] },
    });
  });

  it('is refused where the version is left open', () => {
    const open = { 'node_modules/a': { version: '1.0.0', optionalDependencies: { b: '^1.0.0' } } };
    expect(() => missingPlatforms(open)).toThrow('node_modules/a wants b ^1.0.0, which is not one version');
  });
});
