// How the stories and the programs beside them talk: a line is a verb and fields, `publish topic=a/b qos=1`. Values are
// percent-encoded, so that a line holds any bytes, and C can read it as easily as Python.

/** What a field may be given as. A field that is undefined is left out; a list says the field again for each value. */
export type Value = string | number | boolean | Uint8Array | readonly string[] | undefined;

/** A line that a program has said. */
export class Line {
  readonly verb: string;
  readonly #fields: readonly (readonly [name: string, value: Buffer])[];

  constructor(line: string) {
    const [verb = '', ...fields] = line.split(' ');
    this.verb = verb;
    this.#fields = fields.map((field) => {
      const at = field.indexOf('=');
      return [field.slice(0, at), decode(field.slice(at + 1))] as const;
    });
  }

  /** The bytes of a field. */
  bytes(name: string): Buffer | undefined {
    return this.#fields.find(([each]) => each === name)?.[1];
  }

  /** A field as text. */
  text(name: string): string | undefined {
    return this.bytes(name)?.toString('utf8');
  }

  /** A field as a number. */
  number(name: string): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : Number(text);
  }

  /** All fields of a name, as text. */
  all(name: string): readonly string[] {
    return this.#fields.filter(([each]) => each === name).map(([, value]) => value.toString('utf8'));
  }
}

/** Writes a line, with its end. */
export function formatLine(verb: string, fields: Readonly<Record<string, Value>>): string {
  const said = Object.entries(fields).flatMap(([name, value]) => {
    if (value === undefined) return [];
    const values = Array.isArray(value) ? (value as readonly string[]) : [value as Exclude<Value, readonly string[]>];
    return values.map((each) => ` ${name}=${encode(each as string | number | boolean | Uint8Array)}`);
  });
  return `${verb}${said.join('')}\n`;
}

const plain = new Set(Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./:+#$'));

function encode(value: string | number | boolean | Uint8Array): string {
  const bytes = value instanceof Uint8Array ? value : Buffer.from(String(typeof value === 'boolean' ? +value : value));
  let encoded = '';
  for (const byte of bytes) {
    encoded += plain.has(byte) ? String.fromCharCode(byte) : `%${byte.toString(16).padStart(2, '0')}`;
  }
  return encoded;
}

function decode(encoded: string): Buffer {
  const bytes = Buffer.allocUnsafe(encoded.length);
  let length = 0;
  for (let at = 0; at < encoded.length; at += 1) {
    if (encoded[at] !== '%') {
      bytes[length++] = encoded.charCodeAt(at);
      continue;
    }
    bytes[length++] = Number.parseInt(encoded.slice(at + 1, at + 3), 16);
    at += 2;
  }
  return bytes.subarray(0, length);
}
