// Text for a terminal, broken into indented lines.

/** How wide help is. */
const helpWidth = 100;

const indent = '      ';

/** Breaks a text at its blanks into indented lines. */
export function wrap(text: string): string {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line.length + word.length + indent.length + 1 > helpWidth) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.map((line) => indent + line).join('\n');
}
