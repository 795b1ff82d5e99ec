// What tests need of the system beside Node: redis-server, and the MQTT clients of others that test/interop talks to.
//
// The clients are installed on a machine of the continuous integration only; elsewhere the tests that need one say that
// it is missing, and are skipped. redis-server is not optional: if there is none on PATH, it is installed where that
// takes no more than to ask (root, on a Debian or a child of it), else its tests fail and say how to get it.

import { spawnSync } from 'node:child_process';

const clients = ['mosquitto-clients', 'python3-paho-mqtt', 'libpaho-mqtt-dev', 'gcc', 'libc6-dev'];
const timeoutMs = 180_000;

/** Asks apt for what is missing, if it may. Best effort: the tests know what to say without. */
export function installDebianPackages() {
  if (process.getuid?.() !== 0 || !runs('apt-get', '--version')) return;
  const wanted = [];
  if (!runs('redis-server', '--version')) wanted.push('redis-server');
  if (process.env.CI === 'true') wanted.push(...clients.filter((name) => !runs('dpkg', '--status', name)));
  if (wanted.length === 0) return;
  console.error(`Installing ${wanted.join(', ')} …`);
  const install = ['install', '-y', '-qq', '--no-install-recommends', ...wanted];
  // A fresh machine has no lists yet; where there are some, they may do.
  const done = runs('apt-get', ...install) || (runs('apt-get', 'update', '-qq') && runs('apt-get', ...install));
  if (!done) console.error(`${wanted.join(', ')}: not all of it could be installed.`);
}

/**
 * @param {string} file
 * @param {string[]} args
 */
function runs(file, ...args) {
  // A service that apt would start is nothing that tests need.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  return spawnSync(file, args, { stdio: 'ignore', env, timeout: timeoutMs }).status === 0;
}
