// How the process ends, for scripts and supervisors; the numbers of sysexits.h where it has one.

/** Exit statuses. */
export const ExitCode = {
  success: 0,
  /** Told twice to stop, or stopping took too long: Clients may not have been told. */
  stoppedShort: 1,
  /** check-data has found damage. */
  damaged: 1,
  /** A command that does not exist. */
  usage: 64,
  /** A defect of ours; the log has it. */
  internalError: 70,
  /** The disk failed, and may have lost what it had taken: the log has it. */
  diskFailed: 74,
  /** A setting that is wrong, or that this machine cannot fulfil. */
  wrongSetting: 78,
} as const;

/** One of the exit statuses. */
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
