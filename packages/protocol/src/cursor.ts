// Reading the data types of the wire [§1.5]: integers, Variable Byte Integers, UTF-8 Encoded Strings, Binary Data.
//
// A Cursor never leaves its packet, and names the packet and the field that it could not read.

import { type Bytes, type Chunk, uint8, uint16 } from './bytes.ts';
import { MqttError } from './error.ts';
import { ReasonCode } from './reason-code.ts';
import { decodeText } from './text.ts';

/** A place in a packet, moving towards its end. Everything it reads throws Malformed Packet where bytes are missing. */
export class Cursor {
  readonly packet: string;
  readonly chunk: Chunk;
  readonly bytes: Bytes;
  at: number;
  end: number;

  /**
   * @param packet the packet's name in the specification, for errors
   * @param at where its Variable Header begins
   * @param end where the packet ends
   */
  constructor(packet: string, chunk: Chunk, at: number, end: number) {
    this.packet = packet;
    this.chunk = chunk;
    this.bytes = chunk.bytes;
    this.at = at;
    this.end = end;
  }

  /** Whether everything has been read. */
  get atEnd(): boolean {
    return this.at === this.end;
  }

  /** Reads a byte. */
  byte(field: string): number {
    return uint8(this.bytes, this.#take(1, field));
  }

  /** Reads a Two Byte Integer [§1.5.2]. */
  twoByteInteger(field: string): number {
    return uint16(this.bytes, this.#take(2, field));
  }

  /** Reads a Four Byte Integer [§1.5.3]. */
  fourByteInteger(field: string): number {
    const at = this.#take(4, field);
    return uint16(this.bytes, at) * 65_536 + uint16(this.bytes, at + 2);
  }

  /** Reads a Variable Byte Integer; refused too with more bytes than it needs, or than four [MQTT-1.5.5-1]. */
  variableByteInteger(field: string): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.byte(field);
      value += (byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      if (byte === 0 && shift > 0) throw this.malformed(`${field} has more bytes than it needs`, 'MQTT-1.5.5-1');
      return value;
    }
    throw this.malformed(`${field} has more than four bytes`, 'MQTT-1.5.5-1');
  }

  /** Reads a UTF-8 Encoded String; refused too if it is no good text [MQTT-1.5.4-1, MQTT-1.5.4-2]. */
  text(field: string): string {
    const length = this.twoByteInteger(field);
    const at = this.#take(length, field);
    return decodeText(this.bytes, at, at + length, `${this.packet}: ${field}`);
  }

  /** Reads Binary Data [§1.5.6]: a view, not a copy. */
  binaryData(field: string): Uint8Array {
    const length = this.twoByteInteger(field);
    const at = this.#take(length, field);
    return this.chunk.view(at, at + length);
  }

  /** Refuses the packet unless everything has been read. */
  finish(): void {
    if (!this.atEnd) throw this.malformed(`${this.end - this.at} bytes follow its last field`);
  }

  /** The error for bytes that are no such packet [§4.13.1]. */
  malformed(what: string, statement = ''): MqttError {
    return new MqttError(ReasonCode.malformedPacket, `${this.packet}: ${what}`, statement);
  }

  /** The error for a packet that says what it may not say [§4.13.1]. */
  protocolError(what: string, statement = ''): MqttError {
    return new MqttError(ReasonCode.protocolError, `${this.packet}: ${what}`, statement);
  }

  /** Moves over `count` bytes and returns where they begin. */
  #take(count: number, field: string): number {
    const at = this.at;
    if (count > this.end - at) throw this.malformed(`${field} runs past the end`);
    this.at = at + count;
    return at;
  }
}
