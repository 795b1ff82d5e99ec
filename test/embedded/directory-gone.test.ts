// A data directory that is taken away from under a node that is alone: the node ends, since what it would acknowledge
// from then on nobody would find again.

import { cp, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runSkein } from '../support/process.ts';

const removals: readonly [what: string, take: (directory: string) => Promise<void>][] = [
  ['removed', (directory) => rm(directory, { recursive: true })],
  ['moved away', (directory) => rename(directory, `${directory}.away`)],
  [
    'replaced by a copy',
    async (directory) => {
      await rename(directory, `${directory}.away`);
      await cp(`${directory}.away`, directory, { recursive: true, filter: (path) => !path.includes('lock-') });
    },
  ],
];

describe('a data directory', () => {
  it.each(removals)(
    '%s under a node that runs ends it, with 74 and a line that says what and where',
    async (_, take) => {
      const place = await mkdtemp(join(tmpdir(), 'skein-gone-'));
      const directory = join(place, 'data');
      const listen = ['--listen', 'mqtt://127.0.0.1:0', '--admin', '127.0.0.1:0'];
      await using node = runSkein(['start', '--store', `file:${directory}`, ...listen]);
      await node.ready();
      await take(directory);
      const { exitCode } = await node.ended();
      expect(exitCode).toBe(74);
      const line = node.logLines.find(({ event }) => event === 'data_failed');
      const message = expect.stringContaining(`${directory}/log-00000001.skein is gone`);
      expect(line).toMatchObject({ level: 'fatal', directory, err: { message } });
      await rm(place, { recursive: true });
    },
  );
});
