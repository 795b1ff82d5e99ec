// Names that no other test of the same file uses, so that all of them can talk to one broker.

let count = 0;

/**
 * Makes a Client Identifier, or one level of a topic, that nobody else has.
 *
 * @param word what it is for, so that a failing test can be read: `lamp` becomes `lamp-7`
 */
export function fresh(word: string): string {
  count += 1;
  return `${word}-${count}`;
}
