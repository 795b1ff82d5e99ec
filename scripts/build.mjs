// `npm run build`: every package compiled to its `dist`, and `node_modules/.bin/skein` ready to be called.

import './node-version.mjs';
import { build, install } from './workspace.mjs';

await install();
process.exitCode = await build();
