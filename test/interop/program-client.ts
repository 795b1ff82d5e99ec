// The adapter of Clients that are programs beside this file: told by lines what to do, heard by lines what happened.
//
// A program serves one Client at a time and is used again when that has ended well: to start one costs more than a
// whole story. One that was killed, or does not answer, is not used again.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { within } from '../support/deadline.ts';
import { endWithUs } from '../support/end-with-us.ts';
import { processMs } from '../support/process.ts';
import type { Arrived, Connecting, Ended, ForeignClient, Message, MessageProperties, Subscribing } from './foreign.ts';
import { formatLine, Line, type Value } from './line.ts';

/** The programs of one kind that run. Disposing of it ends them. */
export class Programs implements AsyncDisposable {
  readonly #command: () => Promise<readonly [file: string, ...args: string[]]>;
  readonly #idle: LineProgram[] = [];
  readonly #all = new Set<LineProgram>();

  /** @param command what to run, asked for each program */
  constructor(command: () => Promise<readonly [file: string, ...args: string[]]>) {
    this.#command = command;
  }

  /** Connects a Client. @throws Error if it is refused */
  async connect(options: Connecting): Promise<ForeignClient> {
    const program = this.#idle.pop() ?? new LineProgram(...(await this.#command()));
    this.#all.add(program);
    const client = new ProgramClient(program, () => this.#idle.push(program));
    await client.connect(options);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#all) await program[Symbol.asyncDispose]();
  }
}

/** A Client in a program. */
class ProgramClient implements ForeignClient {
  readonly arrived: Arrived[] = [];
  sessionPresent: boolean | undefined;
  ended: Ended | undefined;
  pings = 0;
  readonly #program: LineProgram;
  readonly #giveBack: () => void;
  #is: 'connected' | 'disconnected' | 'killed' = 'connected';

  constructor(program: LineProgram, giveBack: () => void) {
    this.#program = program;
    this.#giveBack = giveBack;
    program.onEvent = (line) => this.#hear(line);
  }

  async connect(options: Connecting): Promise<void> {
    const { url, version, clientId, clean = true, keepAliveSeconds = 30, will } = options;
    const isV5 = version === '5.0';
    const answer = await this.#program.ask('connect', {
      ...{ url, version, clientId, clean, keepAlive: keepAliveSeconds },
      sessionExpiry: isV5 ? options.sessionExpirySeconds : undefined,
      receiveMaximum: isV5 ? options.receiveMaximum : undefined,
      topicAliasMaximum: isV5 ? options.topicAliasMaximum : undefined,
      ...(will && { willTopic: will.topic, willPayload: will.payload, willQos: will.qos }),
    });
    const sessionPresent = answer.number('sessionPresent');
    if (sessionPresent !== undefined) this.sessionPresent = sessionPresent === 1;
  }

  async subscribe(topicFilter: string, { qos, subscriptionIdentifier }: Subscribing): Promise<number> {
    const asked = { filter: topicFilter, qos, identifier: subscriptionIdentifier };
    return (await this.#program.ask('subscribe', asked)).number('granted') ?? 0x80;
  }

  async unsubscribe(topicFilter: string): Promise<void> {
    await this.#program.ask('unsubscribe', { filter: topicFilter });
  }

  async publish(...messages: readonly Message[]): Promise<void> {
    await Promise.all(
      messages.map(({ topic, payload, qos, retain, ...properties }) =>
        this.#program.ask('publish', { topic, payload, qos, retain, ...fieldsOf(properties) }),
      ),
    );
    await this.#program.ask('flush', {});
  }

  async disconnect(): Promise<void> {
    this.#is = 'disconnected';
    await this.#program.ask('disconnect', {});
    this.#giveBack();
  }

  kill(): void {
    this.#is = 'killed';
    this.#program.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#is !== 'connected') return;
    this.#is = 'disconnected';
    try {
      await this.#program.ask('end', {});
      this.#giveBack();
    } catch {
      this.#program.kill(); // it was in the middle of something that failed the story already
    }
  }

  #hear(line: Line): void {
    if (line.verb === 'ping') this.pings += 1;
    if (line.verb === 'ended' && this.#is === 'connected') this.ended ??= { reasonCode: line.number('reason') };
    if (line.verb !== 'message') return;
    this.arrived.push({
      topic: line.text('topic') ?? '',
      payload: line.bytes('payload') ?? Buffer.alloc(0),
      qos: line.number('qos') ?? 0,
      retain: line.number('retain') === 1,
      properties: propertiesOf(line),
    });
  }
}

function fieldsOf(properties: MessageProperties): Readonly<Record<string, Value>> {
  const { userProperties, contentType, responseTopic, correlationData } = properties;
  return {
    ...{ contentType, responseTopic, correlation: correlationData },
    user: userProperties?.map(([name, value]) => `${name}=${value}`),
    expiry: properties.messageExpirySeconds,
    format: properties.payloadFormat,
    alias: properties.topicAlias,
  };
}

function propertiesOf(line: Line): MessageProperties {
  const [contentType, responseTopic] = [line.text('contentType'), line.text('responseTopic')];
  const [correlationData, expiry, format] = [line.text('correlation'), line.number('expiry'), line.number('format')];
  const user = line.all('user').map((pair): [string, string] => {
    const at = pair.indexOf('=');
    return [pair.slice(0, at), pair.slice(at + 1)];
  });
  const identifiers = line.all('identifier').map(Number);
  return {
    ...(user.length > 0 && { userProperties: user }),
    ...(contentType !== undefined && { contentType }),
    ...(responseTopic !== undefined && { responseTopic }),
    ...(correlationData !== undefined && { correlationData }),
    ...(expiry !== undefined && { messageExpirySeconds: expiry }),
    ...(format !== undefined && { payloadFormat: format }),
    ...(identifiers.length > 0 && { subscriptionIdentifiers: identifiers }),
  };
}

/** A program that answers each line with `done` or `failed`, in order, and says events in between. */
class LineProgram implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<void>;
  readonly #asked: { resolve: (line: Line) => void; reject: (error: Error) => void }[] = [];
  onEvent: (line: Line) => void = () => {};
  #stderr = '';

  constructor(file: string, ...args: readonly string[]) {
    const child = spawn(file, args, { stdio: 'pipe' });
    endWithUs(child);
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      const end = (): void => {
        for (const { reject } of this.#asked.splice(0)) reject(new Error(`${file} ended; it said: ${this.#stderr}`));
        resolve();
      };
      child.once('close', end).once('error', end);
    });
    child.stdin.on('error', () => {}); // seen in the answer that does not come
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    createInterface({ input: child.stdout }).on('line', (text) => this.#hear(new Line(text)));
  }

  /** Says a line, and waits for its answer. @throws Error if that is `failed` */
  async ask(verb: string, fields: Readonly<Record<string, Value>>): Promise<Line> {
    const answered = new Promise<Line>((resolve, reject) => this.#asked.push({ resolve, reject }));
    this.#child.stdin.write(formatLine(verb, fields));
    const answer = await within(processMs, `an answer to ${verb}; it said: ${this.#stderr}`, answered);
    if (answer.verb === 'failed') throw new Error(`${verb}: ${answer.text('why')}; it said: ${this.#stderr}`);
    return answer;
  }

  /** Ends it as a power cut would. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.#ended;
  }

  #hear(line: Line): void {
    if (line.verb === 'done' || line.verb === 'failed') this.#asked.shift()?.resolve(line);
    else this.onEvent(line);
  }
}
