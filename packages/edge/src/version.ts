// The version of this package, as it is published.

import { readFileSync } from 'node:fs';

/** As in package.json, say `1.4.2`. */
export const version: string = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version;
