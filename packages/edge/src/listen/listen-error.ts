// An address that cannot be listened at, in words that say what to do.

const meanings: Record<string, string> = {
  EADDRINUSE: 'the port is in use; another process, perhaps another Skein, listens there',
  EACCES: 'this user may not listen there; ports below 1024 need a privilege',
  EPERM: 'this user may not listen there',
  EADDRNOTAVAIL: 'this machine does not have that address',
  EAFNOSUPPORT: 'this machine does not have that kind of address',
  ENOTFOUND: 'the name has no address',
  EAI_AGAIN: 'the name could not be looked up',
  ENOENT: 'the directory does not exist',
  ENOTDIR: 'the directory does not exist',
  EINVAL: 'the path is too long for a socket, or the address is not one',
};

/** An address cannot be listened at; the message names the address and the reason. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
  /** As configured. */
  readonly url: string;

  constructor(url: string, cause: NodeJS.ErrnoException) {
    const meaning = cause.code === 'EADDRINUSE' && url.startsWith('unix:') ? 'a process listens there' : undefined;
    super(`${url}: ${meaning ?? meanings[cause.code ?? ''] ?? cause.message} (${cause.code ?? 'no code'})`, { cause });
    this.url = url;
  }
}
