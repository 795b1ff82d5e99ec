// The one door of this package: bytes to packets (Decoder), packets to bytes (encode, PublishFrame), and their words.

export { Decoder, type DecoderOptions } from './decoder.ts';
export { encode } from './encoder.ts';
export { MqttError } from './error.ts';
export type { Sender } from './fixed-header.ts';
export * from './packet.ts';
export { appendFrame, encodePublishFrame, type PublishFlags, type PublishFrame } from './publish-frame.ts';
export { ReasonCode } from './reason-code.ts';
export { sessionExpirySeconds, sessionNeverExpires } from './session-expiry.ts';
export { Slab } from './slab.ts';
export { TopicTable } from './topic-table.ts';
