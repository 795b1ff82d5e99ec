// Settings from a YAML file. What is wrong with it is said of the line and the column where it stands.
//
// By itself, since whoever gives no file need not load what reads one.

import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import { fromNested, type Source } from './sources.ts';

/** Reads a YAML file. A file that cannot be read is a problem like any other. */
export function fromFile(path: string): Source {
  const lines = new LineCounter();
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    return { given: [], problems: [`${path}: the file cannot be read: ${(error as Error).message}`] };
  }
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => {
      const { line, col } = lines.linePos(error.pos[0]);
      return `${path}:${line}:${col}: ${error.message}`;
    });
    return { given: [], problems };
  }
  return fromNested(document.toJS({ maxAliasCount: 100 }), path);
}
