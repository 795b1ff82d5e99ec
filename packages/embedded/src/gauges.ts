// What a data directory tells of itself, in numbers.

/** What was found when a data directory was opened. */
export interface EmbeddedOpened {
  readonly sessions: number;
  /** Messages in the queues of Sessions. */
  readonly messages: number;
  readonly retained: number;
  /** Of the logs that were replayed behind the snapshot. */
  readonly replayedBytes: number;
  readonly tookMs: number;
  /** That were cut off at the end, since they had not been written whole. */
  readonly tornBytes: number;
}

/** Figures of a data directory that is open, as they are now. */
export interface EmbeddedGauges {
  /** Of the journal since the last snapshot: what the next start has to replay. */
  readonly journalBytes: number;
  /** Of the last snapshot; 0 if there is none. */
  readonly snapshotBytes: number;
  /** Taken since the start. */
  readonly snapshots: number;
  /** How long the last of them took; 0 before the first. */
  readonly snapshotSeconds: number;
  /** On the disk, when it was last asked; undefined before. */
  readonly freeBytes: number | undefined;
  /** Whether new messages are refused since the disk is nearly full. */
  readonly isShort: boolean;
  /** Whether what was to be written cannot be. */
  readonly isStuck: boolean;
  /** Calls of fdatasync that have ended, and how long all of them took. */
  readonly syncs: number;
  readonly syncSeconds: number;
}
