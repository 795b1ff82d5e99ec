// As much of Redis' protocol as a test needs to look at what is stored, or to tamper with it [RESP 2].

import { once } from 'node:events';
import { connect } from 'node:net';
import { soonMs, within } from './deadline.ts';

/** An answer of Redis. */
export type Reply = string | number | null | readonly Reply[];

/**
 * Asks one question over a connection of its own.
 *
 * @throws Error with Redis' words if it refuses, or if it does not answer soon
 */
export async function askRedis(port: number, ...words: readonly string[]): Promise<Reply> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  try {
    await within(soonMs, 'Redis to accept', once(socket, 'connect'));
    const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
    socket.write(`*${words.length}\r\n${parts.join('')}`);
    return await within(soonMs, `Redis to answer ${words[0]}`, readReply(socket));
  } finally {
    socket.destroy();
  }
}

async function readReply(chunks: AsyncIterable<Buffer>): Promise<Reply> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of chunks) {
    bytes = Buffer.concat([bytes, chunk]);
    const parsed = parse(bytes, 0);
    if (parsed === undefined) continue;
    if (parsed.reply instanceof Error) throw parsed.reply;
    return parsed.reply;
  }
  throw new Error('Redis hung up');
}

interface Parsed {
  readonly reply: Reply | Error;
  readonly end: number;
}

/** @returns undefined if the reply is not complete yet */
function parse(bytes: Buffer, start: number): Parsed | undefined {
  const lineEnd = bytes.indexOf('\r\n', start);
  if (lineEnd < 0) return undefined;
  const line = bytes.toString('utf8', start + 1, lineEnd);
  const end = lineEnd + 2;
  switch (String.fromCharCode(bytes[start] as number)) {
    case '+':
      return { reply: line, end };
    case '-':
      return { reply: new Error(line), end };
    case ':':
      return { reply: Number(line), end };
    case '$': {
      const length = Number(line);
      if (length < 0) return { reply: null, end };
      if (bytes.length < end + length + 2) return undefined;
      return { reply: bytes.toString('utf8', end, end + length), end: end + length + 2 };
    }
    case '*':
      return parseList(bytes, Number(line), end);
    default:
      throw new Error(`Redis said ${line}`);
  }
}

function parseList(bytes: Buffer, count: number, start: number): Parsed | undefined {
  const list: Reply[] = [];
  let end = start;
  for (let left = count; left > 0; left--) {
    const parsed = parse(bytes, end);
    if (parsed === undefined) return undefined;
    if (parsed.reply instanceof Error) return parsed;
    list.push(parsed.reply);
    end = parsed.end;
  }
  return { reply: list, end };
}
