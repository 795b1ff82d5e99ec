// The bytes of one Network Connection: TCP or WebSocket, the same to whoever holds it.

import { connect } from 'node:net';
import { WebSocket } from 'ws';

/** The sending half. */
export interface Wire {
  write(data: Uint8Array): void;
  /** Says that no more comes, and lets what was written arrive. */
  end(): void;
  /** Ends at once, as a cable that is cut. */
  destroy(): void;
  /** Stops reading, so that the other end's sends pile up. */
  pause(): void;
  resume(): void;
}

/** The receiving half. */
export interface WireListener {
  data(chunk: Uint8Array): void;
  /** Called once, however it ended. */
  closed(): void;
}

/**
 * Opens a Network Connection.
 *
 * @param url `mqtt://host:port`, or `ws://host:port/path`, which offers the sub-protocol `mqtt` [MQTT-6.0.0-3]
 * @throws Error if nobody accepts
 */
export function openWire(url: string, listener: WireListener): Promise<Wire> {
  return url.startsWith('ws') ? openWebSocket(url, listener) : openTcp(url, listener);
}

function openTcp(url: string, listener: WireListener): Promise<Wire> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port), noDelay: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      // A reset is one way of being closed; 'close' follows.
      socket.on('error', () => {});
      socket.on('data', (chunk) => listener.data(chunk));
      socket.once('close', () => listener.closed());
      resolve({
        write: (data) => void socket.write(data),
        end: () => void socket.end(),
        destroy: () => void socket.destroy(),
        pause: () => void socket.pause(),
        resume: () => void socket.resume(),
      });
    });
  });
}

function openWebSocket(url: string, listener: WireListener): Promise<Wire> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, ['mqtt'], { perMessageDeflate: false });
    socket.binaryType = 'nodebuffer';
    socket.once('error', reject);
    socket.once('open', () => {
      socket.off('error', reject);
      socket.on('error', () => {});
      socket.on('message', (data) => listener.data(data as Buffer));
      socket.once('close', () => listener.closed());
      resolve({
        write: (data) => socket.send(data, { binary: true }),
        end: () => socket.close(),
        destroy: () => socket.terminate(),
        pause: () => socket.pause(),
        resume: () => socket.resume(),
      });
    });
  });
}
