// Reason Codes as the specification calls them, for people.

import { ReasonCode } from '@skein/protocol';

const names = new Map<number, string>(
  Object.entries(ReasonCode)
    .reverse()
    .map(([name, value]) => [value, inWords(name)]),
);

/** Such as `Quota exceeded`. */
export function reasonName(reasonCode: number): string {
  return names.get(reasonCode) ?? `0x${reasonCode.toString(16)}`;
}

function inWords(name: string): string {
  const words = name.replace(/[A-Z0-9]/g, (letter) => ` ${letter.toLowerCase()}`).replace('qo s', 'qos');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
