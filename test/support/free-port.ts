// Ports for those who are killed and started again at the same place.
//
// A port that the system hands out may be somebody else's by the time: of another test's listener that asked for any.
// These lie below the ones that it hands out.

import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** From here, and below that, Linux hands none out unless it is told to. */
const [lowest, beyond] = [20_000, 32_000];

/** A port of the loopback address at which nobody listens. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(lowest, beyond);
    const server = createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      continue;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}
