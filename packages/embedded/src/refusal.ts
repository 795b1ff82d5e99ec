// Why a data directory cannot be used, said so that whoever starts the broker knows what to do about it.
//
// A store that begins with half of what it held is worse than one that does not begin: it would tell Clients that their
// Sessions are gone, and overwrite what could have been saved. So whatever is not understood is refused, with a sentence
// that names the file and the remedy.

/** The data directory cannot be used; the message says why, and what helps. */
export class StoreRefused extends Error {
  override readonly name: string = 'StoreRefused';
}

/** Bytes that were safely on the disk are not what was written. */
export class DataDamaged extends StoreRefused {
  override readonly name = 'DataDamaged';
  /** The file, by its name in the data directory. */
  readonly file: string;
  /** Where in it, in bytes from its beginning; undefined if it is the file as a whole. */
  readonly offset: number | undefined;

  constructor(directory: string, damage: Damage, options?: ErrorOptions) {
    super(`${sentenceOf(directory, damage)} (skein check-data ${directory} tells what can be saved, and how)`, options);
    this.file = damage.file;
    this.offset = damage.offset;
  }
}

/** A file is none of ours, or one that this version cannot read. */
export class FormatUnknown extends StoreRefused {
  override readonly name = 'FormatUnknown';
}

/** What is wrong with the files of a directory. */
export interface Damage {
  readonly file: string;
  readonly offset: number | undefined;
  /** The end of a sentence that begins with the file. */
  readonly why: string;
}

function sentenceOf(directory: string, { file, offset, why }: Damage): string {
  const place = offset === undefined ? '' : ` at byte ${offset}`;
  return `The data directory ${directory} is damaged: ${file}${place} ${why}`;
}

/** What an operating system's error means for whoever chose the directory. */
const remedies: Readonly<Record<string, string>> = {
  EACCES: 'this user may not read and write there; give it the directory, or choose another one with --store file:DIR',
  EPERM: 'this user may not read and write there; give it the directory, or choose another one with --store file:DIR',
  EROFS: 'the file system can only be read; mount it so that it can be written to, or choose another directory',
  ENOENT: 'there is no such directory',
  ENOTDIR: 'it is, or lies in, something that is not a directory; choose another one with --store file:DIR',
  EEXIST: 'it is not a directory; choose another one with --store file:DIR',
  ELOOP: 'it is a symbolic link that leads nowhere; choose another directory',
  ENAMETOOLONG: 'its name is too long; choose another one with --store file:DIR',
  ENOSPC: 'there is no room left on the disk; make room, or choose another directory',
  EDQUOT: 'the quota of this user is used up; make room, or choose another directory',
  EMFILE: 'this process has too many files open; raise the limit (ulimit -n)',
  EIO: 'the disk reports errors; look at the log of the operating system',
};

/** Says why a directory cannot be used, from an error of the operating system. Any other error is returned as it is. */
export function refusalOf(directory: string, error: unknown): unknown {
  if (error instanceof StoreRefused || !isSystemError(error)) return error;
  const remedy = remedies[error.code] ?? error.message;
  return new StoreRefused(`The data directory ${directory} cannot be used: ${remedy} (${error.code})`, {
    cause: error,
  });
}

/** Whether the operating system says so. */
function isSystemError(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && 'syscall' in error;
}
