// Every story by a kind of Client: in each version, over each transport, on one node and on two.
//
// The cells are told together, as many stories at a time as below; their names are fresh, so that they do not meet.

import { afterAll, beforeAll, describe, it, vi } from 'vitest';
import { processMs } from '../support/process.ts';
import type { Kind, Transport, Version } from './foreign.ts';
import { type PlaceName, Places } from './places.ts';
import { Stage } from './stage.ts';
import { type Stories, stories } from './stories.ts';
import { stories5 } from './stories-5.ts';

/** Stories at a time. More than the machine has cores: most of the time they wait, some of them for seconds. */
const maxConcurrency = 12;

/** A kind of Client in one version, over one transport, in one place. */
interface Cell {
  readonly placeName: PlaceName;
  readonly version: Version;
  readonly transport: Transport;
}

/**
 * Registers the tests of kinds of Clients, and ends their programs after them.
 *
 * @param only stories instead of all, told in every version
 */
export function tellStories(kinds: readonly Kind[], only?: Stories): void {
  vi.setConfig({ testTimeout: 3 * processMs, hookTimeout: 3 * processMs, maxConcurrency });
  for (const { name, missing, lacks } of kinds) {
    if (missing !== undefined) console.info(`skipped: ${missing}`);
    for (const [transport, reason] of Object.entries(lacks)) {
      console.info(`skipped: ${name} over ${transport}: ${reason}`);
    }
  }
  const present = kinds.filter(({ missing }) => missing === undefined);
  let places: Places | undefined;
  beforeAll(async () => {
    const names = kinds.map(({ name }) => name.replaceAll(/\W+/g, '-'));
    if (present.length > 0) places = await Places.start(`interop-${names.join('-')}`);
  });
  afterAll(async () => {
    for (const kind of kinds) await kind[Symbol.asyncDispose]();
    await places?.[Symbol.asyncDispose]();
  });

  for (const kind of kinds) {
    describe.skipIf(kind.missing !== undefined)(kind.name, () => {
      describe.concurrent.each(cellsOf(kind))('MQTT $version over $transport on $placeName', (cell) => {
        for (const [name, tell] of Object.entries(only ?? storiesOf(cell))) {
          const reason = kind.cannot(name, cell.version);
          it.skipIf(reason !== undefined)(reason === undefined ? name : `${name} (not told: ${reason})`, async () => {
            await tell(new Stage(kind, cell, (places as Places).at(cell.placeName)));
          });
        }
      });
    });
  }
}

function storiesOf({ version }: Cell): Stories {
  return version === '5.0' ? { ...stories, ...stories5 } : stories;
}

function cellsOf(kind: Kind): readonly Cell[] {
  const transports = (['tcp', 'websocket'] as const).filter((transport) => kind.lacks[transport] === undefined);
  return transports.flatMap((transport) => [
    ...(['3.1.1', '5.0'] as const).map((version) => ({ placeName: 'one node', version, transport }) as const),
    // 3.1 differs from 3.1.1 in how it connects, and once will do.
    ...(['3.1', '3.1.1', '5.0'] as const).map((version) => ({ placeName: 'two nodes', version, transport }) as const),
  ]);
}
