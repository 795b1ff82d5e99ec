// The MQTT clients of others that test/interop talks to, installed on a machine of the continuous integration.
//
// Nobody's own machine is touched: the tests that need a client say that it is missing, and are skipped.

import { spawnSync } from 'node:child_process';

const packages = ['mosquitto-clients', 'python3-paho-mqtt', 'libpaho-mqtt-dev', 'gcc', 'libc6-dev'];
const timeoutMs = 180_000;

/**
 * Asks apt for the foreign clients, if we are root on a Debian or a child of it. Best effort: without network or
 * package the tests run all the same.
 */
export function installForeignClients() {
  if (process.getuid?.() !== 0 || !runs('apt-get', '--version')) return;
  if (runs('dpkg', '--status', ...packages)) return;
  console.error('Installing foreign MQTT clients …');
  const done =
    runs('apt-get', 'update', '-qq') && runs('apt-get', 'install', '-y', '-qq', '--no-install-recommends', ...packages);
  if (!done) console.error('Some foreign MQTT clients could not be installed; their tests are skipped.');
}

/**
 * @param {string} file
 * @param {string[]} args
 */
function runs(file, ...args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return spawnSync(file, args, { stdio: 'ignore', env, timeout: timeoutMs }).status === 0;
}
