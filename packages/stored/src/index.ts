export { Reader, Writer } from './bytes.ts';
export { decodeMessage, encodeMessage, messageSize, readMessage, writeMessage } from './message-bytes.ts';
export { Texts } from './texts.ts';
export { decodeWill, encodeWill, readWill, type StoredWill, writeWill } from './will-bytes.ts';
