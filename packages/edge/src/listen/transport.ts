// Bytes of one Network Connection, whatever carries them: TCP, WebSocket, later TLS.

/** The sending half of a Network Connection, and its brakes. */
export interface Transport {
  /**
   * The other end, as `address:port`; `unix` where it has no address. The kernel is asked the first time, and may not
   * know any more when the other end is gone.
   */
  readonly remoteAddress: string;
  /** Bytes handed to {@link write} that the kernel has not taken yet, as far as is known without asking it. */
  readonly pendingBytes: number;
  /** Bytes that the kernel has taken so far, counted in the middle of a write too: whether anything moves. */
  readonly takenBytes: number;
  /**
   * Writes bytes. The memory belongs to the transport until `done` is called, which happens at once or later, and
   * also when the connection ends.
   */
  write(bytes: Uint8Array, done: () => void): void;
  /** Stops reading; what was read already may still arrive once. */
  pause(): void;
  resume(): void;
  /**
   * Sends what was written and then the end of the stream. What still arrives is to be read, or else the last bytes
   * may be lost on their way; whoever ends a connection destroys it if the other side does not end it as well.
   */
  end(): void;
  destroy(): void;
}

/** The receiving half: what a listener calls. */
export interface Receiver {
  /** Bytes arrived. They are the transport's again when the call returns. */
  data(chunk: Uint8Array): void;
  /**
   * The other side has broken the rules of the carrier itself (say, text in a WebSocket): nothing more is coming, and
   * the transport closes.
   */
  broken(why: string): void;
  /** The connection is gone, by either side; called once, and nothing is called after it. */
  closed(error: Error | undefined): void;
}

/** Who receives the connections of a listener. */
export interface Reception {
  /** Makes the receiver of a new connection; undefined refuses it, and the listener destroys it. */
  accept(transport: Transport): Receiver | undefined;
  /** A connection could not be accepted: the process has no more file descriptors, say. */
  failed(error: Error): void;
}

/** A bound address that accepts connections. */
export interface Listener {
  /** As bound, with the real port: `mqtt://127.0.0.1:41234`. */
  readonly url: string;
  /** Stops accepting; connections stay. */
  close(): Promise<void>;
}
