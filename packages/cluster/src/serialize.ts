// A batch as bytes, with as few copies as protobuf allows.
//
// The generated way makes a writer for each message, which grows by doubling, and copies the outcome twice: half of what
// a batch costs its sender. A writer keeps its memory when it has finished, so one for all is as good.

import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { Batch } from './generated/peer.ts';

/** Memory of a writer that has written more than this, in bytes, is not kept. */
const keptBytes = 1_048_576;

let writer = new BinaryWriter();

/** Serializes a batch. */
export function serializeBatch(batch: Batch): Buffer {
  const bytes = Batch.encode(batch, writer).finish();
  if (bytes.length > keptBytes) writer = new BinaryWriter();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
