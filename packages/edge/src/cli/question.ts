// A question to whoever sits at the terminal, who may say yes; whatever else comes is a no.

import { createInterface } from 'node:readline';

/**
 * Asks. Who leaves without an answer, by Ctrl-C, by Ctrl-D, or because the terminal has gone, has said no.
 *
 * @param output where the question is shown
 */
export function ask(question: string, input: NodeJS.ReadableStream, output: NodeJS.WritableStream): Promise<boolean> {
  const lines = createInterface({ input, output });
  return new Promise((resolve) => {
    // What comes next is not to stand behind the question; after an answer nobody listens to this any more.
    lines.once('close', () => {
      output.write('\n');
      resolve(false);
    });
    lines.question(question, (answer) => {
      lines.removeAllListeners('close');
      lines.close();
      resolve(/^y(es)?$/i.test(answer.trim()));
    });
  });
}
