// An address that peers cannot be listened for at, in words that say what to do.

const meanings: Record<string, string> = {
  EADDRINUSE: 'the port is in use; another process, perhaps another node, listens there',
  EACCES: 'this user may not listen there; ports below 1024 need a privilege',
  EPERM: 'this user may not listen there',
  EADDRNOTAVAIL: 'this machine does not have that address',
  EAFNOSUPPORT: 'this machine does not have that kind of address',
  ENOTFOUND: 'the name has no address',
  EAI_AGAIN: 'the name could not be looked up',
};

/** Peers cannot be listened for; the message names the address and the reason. */
export class PeersListenError extends Error {
  override readonly name = 'PeersListenError';
  /** `host:port`, as configured. */
  readonly address: string;
  /** As the system names it: `EADDRINUSE`. */
  readonly code: string | undefined;

  constructor(address: string, cause: NodeJS.ErrnoException) {
    super(`${address}: ${meanings[cause.code ?? ''] ?? cause.message} (${cause.code ?? 'no code'})`, { cause });
    this.address = address;
    this.code = cause.code;
  }
}
