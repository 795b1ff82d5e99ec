// Topic Names: what a Server may accept in a PUBLISH, beyond what the codec has already refused [MQTT 4.7].

import type { Limits } from '../limits.ts';

/** Topic trees that belong to the server: a Client may not publish there. */
const reserved = ['$SYS', '$share', '$queue'];

/** Whether a Topic Name lies in a tree that only the server publishes to [§4.7.2]. */
export function isReserved(topic: string): boolean {
  if (topic.charCodeAt(0) !== 0x24) return false;
  return reserved.some((root) => topic === root || topic.startsWith(`${root}/`));
}

/**
 * How many UTF-8 bytes a string takes.
 * Counted without encoding it: the strings here are short and nearly always ASCII.
 */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) bytes += unit >= 0x800 && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1;
  }
  return bytes;
}

/**
 * Whether a Topic Name or Filter is longer or deeper than this server takes.
 * A string of UTF-16 units is never more than three times as long in UTF-8, so short ones are not measured.
 */
export function exceeds(topic: string, limits: Limits): boolean {
  if (topic.length * 3 > limits.topicBytesMax && utf8Length(topic) > limits.topicBytesMax) return true;
  if (topic.length < limits.topicLevelsMax) return false;
  let levels = 1;
  for (let at = topic.indexOf('/'); at !== -1; at = topic.indexOf('/', at + 1)) levels++;
  return levels > limits.topicLevelsMax;
}
