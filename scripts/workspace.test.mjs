// A command in the foreground behaves as if nobody stood between it and its caller; what is installed stays installed.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { covers } from './workspace.mjs';

const waits = "process.on('SIGTERM', () => process.exit(7)); setInterval(() => {}, 1000); console.log('up');";

/**
 * Starts a process that runs `node -e source` through `run` and exits as it does.
 *
 * @param {string} source
 */
function through(source) {
  const workspace = JSON.stringify(new URL('workspace.mjs', import.meta.url).href);
  const command = `[process.execPath, '-e', ${JSON.stringify(source)}]`;
  const outer = `import { run } from ${workspace};\nprocess.exitCode = await run(${command});`;
  return spawn(process.execPath, ['--input-type=module', '-e', outer], { stdio: ['ignore', 'pipe', 'inherit'] });
}

describe('a command that is run', () => {
  it('gives its exit code', async () => {
    expect(await once(through('process.exit(78)'), 'exit')).toEqual([78, null]);
  });

  it('gives 128 and the number of the signal that ended it', async () => {
    expect(await once(through("process.kill(process.pid, 'SIGKILL')"), 'exit')).toEqual([137, null]);
  });

  it('hears a signal that was meant for it, and is waited for', async () => {
    const outer = through(waits);
    await once(outer.stdout, 'data');
    outer.kill('SIGTERM');
    expect(await once(outer, 'exit')).toEqual([7, null]);
  });
});

describe('an old Node', () => {
  it('is told which one is needed', async () => {
    const old = "Object.defineProperty(process, 'versions', { value: { node: '20.18.3' } });";
    const script = JSON.stringify(new URL('node-version.mjs', import.meta.url).href);
    const child = spawn(process.execPath, ['--input-type=module', '-e', `${old} await import(${script});`]);
    child.stderr.setEncoding('utf8');
    const said = once(child.stderr, 'data');
    expect(await once(child, 'exit')).toEqual([1, null]);
    expect(await said).toEqual(['Skein needs Node 20.19 or newer; this is Node 20.18.3.\n']);
  });
});

describe('dependencies', () => {
  const wanted = {
    '': { version: '0.0.0' },
    'node_modules/@skein/edge': {},
    'node_modules/tool': { version: '2.0.0' },
    'node_modules/tool-darwin-arm64': { version: '2.0.0', optional: true },
  };
  const installed = { 'node_modules/@skein/edge': {}, 'node_modules/tool': { version: '2.0.0' } };

  it('are there without what is for other platforms', () => {
    expect(covers(installed, wanted)).toBe(true);
  });

  it('are installed anew when one is missing or of another version', () => {
    expect(covers({ ...installed, 'node_modules/tool': { version: '1.9.0' } }, wanted)).toBe(false);
    expect(covers({ 'node_modules/tool': { version: '2.0.0' } }, wanted)).toBe(false);
  });
});
