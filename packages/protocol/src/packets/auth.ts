// AUTH [§3.15], the packet that only MQTT 5.0 has.

import type { Chunk } from '../bytes.ts';
import { Cursor } from '../cursor.ts';
import { packetType, type Sender } from '../fixed-header.ts';
import type { Auth, AuthProperties } from '../packet.ts';
import { isEmpty, readProperties, writeProperties } from '../properties.ts';
import { ReasonCode } from '../reason-code.ts';
import { type ReasonCodes, readReasonCode, reasonCodes } from '../reason-codes.ts';
import type { Slab } from '../slab.ts';
import { closeLength, openLength, writeByte } from '../write.ts';

const authCodes: Record<Sender, ReasonCodes> = {
  client: reasonCodes([ReasonCode.continueAuthentication, ReasonCode.reAuthenticate], 'MQTT-3.15.2-1'),
  server: reasonCodes([ReasonCode.success, ReasonCode.continueAuthentication], 'MQTT-3.15.2-1'),
};

/** Decodes an AUTH whose Variable Header lies between `at` and `end`. */
export function decodeAuth(chunk: Chunk, at: number, end: number, sender: Sender): Auth {
  const cursor = new Cursor('AUTH', chunk, at, end);
  // Success without properties may be left off, and is a server's to say.
  if (cursor.atEnd) {
    if (sender === 'client') throw cursor.protocolError('Success is not for a Client to say', 'MQTT-3.15.2-1');
    return { type: 'auth', reasonCode: ReasonCode.success, properties: undefined };
  }
  const reasonCode = readReasonCode(cursor, authCodes[sender]);
  const properties: AuthProperties | undefined = cursor.atEnd ? undefined : readProperties(cursor, 'auth');
  if (properties?.authenticationMethod === undefined) throw cursor.protocolError('no Authentication Method');
  cursor.finish();
  return { type: 'auth', reasonCode, properties };
}

/** Appends an AUTH, in the shortest form. */
export function encodeAuth(auth: Auth, out: Slab): void {
  const { reasonCode, properties } = auth;
  writeByte(out, packetType.auth << 4);
  const length = openLength(out);
  if (!(reasonCode === ReasonCode.success && isEmpty(properties))) {
    writeByte(out, reasonCode);
    writeProperties(out, 'auth', properties);
  }
  closeLength(out, length);
}
