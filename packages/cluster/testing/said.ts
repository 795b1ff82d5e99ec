// Messages that bear a text, and an inbox that keeps what it is told, in words.

import type { PeerInbox, PeerMessage } from '@skein/broker';

/** A QoS 0 message. */
export function messageOf(text: string): PeerMessage {
  return {
    uid: undefined,
    message: {
      topic: 'lamp/brightness',
      payload: Buffer.from(text),
      qos: 0,
      retain: false,
      properties: undefined,
      publisherId: 'lamp',
      expiresAtMs: 0,
      frames: undefined,
    },
  };
}

/** The same at QoS 1. */
export function deliveryOf(text: string): PeerMessage {
  const { message, uid } = messageOf(text);
  return { message: { ...message, qos: 1 }, uid };
}

/** An inbox that keeps what it is told: `publish …`, `deliver …`, `kick …`, and how often it was told to look. */
export function inboxOf(): PeerInbox & { readonly said: string[]; readonly looks: number } {
  const said: string[] = [];
  const textOf = ({ message }: PeerMessage): string => Buffer.from(message.payload).toString();
  return {
    said,
    looks: 0,
    publish: (message) => {
      said.push(`publish ${textOf(message)}`);
    },
    deliver: (messages) => {
      for (const message of messages) said.push(`deliver ${textOf(message)}`);
    },
    push: ({ clientId }) => {
      said.push(`push ${clientId}`);
    },
    kick: (_, epoch) => {
      said.push(`kick ${epoch}`);
    },
    look() {
      (this as { looks: number }).looks += 1;
    },
    storeAnswers: () => true,
  };
}
