// What both ends of a way keep to.

/** The largest message, in bytes: the largest packet there is [§2.1.4], in a batch that was nearly full before it. */
export const messageMaxBytes: number = 268_435_460 + 1_048_576;

/** A peer that has said nothing is pinged, and is gone if it does not answer: noticed within 2.5 seconds. */
export const pings = {
  'grpc.keepalive_time_ms': 1000,
  'grpc.keepalive_timeout_ms': 1500,
  'grpc.keepalive_permit_without_calls': 1,
} as const;
