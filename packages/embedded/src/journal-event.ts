// What happens to the journal that whoever runs the broker should know.

/** Something worth a line in the log. */
export type JournalEvent =
  /** At the start: the end of the last log was lost in a crash, and cut off. */
  | { readonly is: 'torn'; readonly file: string; readonly at: number; readonly bytes: number }
  /** Nothing can be written at present: changes are refused, and what was applied waits. */
  | { readonly is: 'stuck'; readonly error: unknown }
  /** Writing goes on. */
  | { readonly is: 'unstuck' }
  /** There is little room left on the disk: what would fill it is refused. */
  | { readonly is: 'short'; readonly freeBytes: number }
  /** There is room again. */
  | { readonly is: 'roomy'; readonly freeBytes: number }
  /** The disk has lost what was written, or may have: the process has to end. */
  | { readonly is: 'failed'; readonly error: unknown }
  /** A snapshot is complete. */
  | { readonly is: 'snapshot'; readonly file: string; readonly bytes: number }
  /** The directory is kept for this process by less than the kernel: another machine may have to be kept off by hand. */
  | { readonly is: 'weak_lock' }
  /** Something failed that can wait: a superseded file could not be deleted, free space could not be learnt. */
  | { readonly is: 'hindered'; readonly doing: string; readonly error: unknown };
