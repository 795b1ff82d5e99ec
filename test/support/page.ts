// A page of the admin port, over a connection of its own: one that is kept from before may be closed by the other end
// in the very moment in which it is used again, when everything has stood still for some seconds.

import { get } from 'node:http';

/** What was answered. */
export interface Page {
  readonly status: number;
  readonly text: string;
}

/** Asks for a page. @throws Error if nobody answers */
export function readPage(url: string | URL): Promise<Page> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('error', reject).once('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.once('error', reject);
  });
}
