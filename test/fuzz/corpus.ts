// What the fuzzer has kept: conversations that came to where none had been, and those that once broke a rule.
//
// Both are text, one conversation a line, and grow by `npm run fuzz` alone; what was found stays for ever.

import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Conversation, fromText, inText } from './conversation.ts';
import type { Found } from './fuzzer.ts';

/** Who is under fire. */
export type TargetName = 'decoder' | 'connection';

function fileOf(name: TargetName | `found-${TargetName}`): string {
  return fileURLToPath(new URL(`corpus/${name}.txt`, import.meta.url));
}

function read(file: string): Conversation[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '' && !line.startsWith('#')).map(fromText);
}

/** What was kept, and before it what once broke a rule. */
export function corpusOf(target: TargetName): Conversation[] {
  return [...read(fileOf(`found-${target}`)), ...read(fileOf(target))];
}

/** Replaces what is kept. */
export function keep(target: TargetName, conversations: readonly Conversation[]): void {
  const lines = [...new Set(conversations.map(inText))].toSorted();
  writeFileSync(
    fileOf(target),
    `# Conversations that come to every place the fuzzer knows. See ../corpus.ts\n${lines.join('\n')}\n`,
  );
}

/** Adds what broke a rule. */
export function keepFound(target: TargetName, { rule, conversation }: Found, seed: number): void {
  appendFileSync(
    fileOf(`found-${target}`),
    `# Broke the rule: ${rule}. Found with seed ${seed}\n${inText(conversation)}\n`,
  );
}

/** A finding as it is told. */
export function inWords({ rule, detail, conversation }: Found, seed: number): string {
  return `${rule} (seed ${seed})\n  ${detail.slice(0, 2000)}\n  ${inText(conversation)}`;
}
