// Buckets: all keys of one Client Identifier, and of the others in its bucket, bear one hash tag and share one slot.
//
// There are 1024. A tag is the shortest text whose slot is bucket · 16, so that the buckets lie evenly over the 16,384
// slots of a Redis Cluster, however these are dealt out to its servers. Nobody may ever change how a bucket is found:
// what is stored would be lost.

/** How many buckets there are. */
export const bucketCount = 1024;

const slotCount = 16_384;
const slotsPerBucket: number = slotCount / bucketCount;

const crcTable: Uint16Array = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc & 0xffff;
});

/** The slot in which a Redis Cluster keeps keys with a tag of ASCII characters: CRC16 (XMODEM) mod 16,384. */
export function slotOf(tag: string): number {
  let crc = 0;
  for (let i = 0; i < tag.length; i++) {
    crc = ((crc << 8) & 0xffff) ^ (crcTable[(crc >> 8) ^ tag.charCodeAt(i)] as number);
  }
  return crc % slotCount;
}

/** The hash tag of each bucket, without its braces. */
export const bucketTags: readonly string[] = findTags();

function findTags(): string[] {
  const tags: string[] = new Array(bucketCount);
  let missing = bucketCount;
  for (let n = 0; missing > 0; n++) {
    const tag = n.toString(36);
    const slot = slotOf(tag);
    const bucket = slot / slotsPerBucket;
    if (slot % slotsPerBucket !== 0 || tags[bucket] !== undefined) continue;
    tags[bucket] = tag;
    missing--;
  }
  return tags;
}

/** FNV-1a over the UTF-8 bytes of a text, 32 bits. */
export function byteHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) return byteHashOf(Buffer.from(text));
    hash = Math.imul(hash ^ unit, 0x01000193);
  }
  return hash >>> 0;
}

function byteHashOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** The bucket of a Client Identifier. The upper bits take part: FNV's lower ones alone mix badly. */
export function bucketOf(clientId: string): number {
  const hash = byteHash(clientId);
  return ((hash ^ (hash >>> 10) ^ (hash >>> 20)) >>> 0) % bucketCount;
}
