// Why a node does not start, where the settings are good and the world is not as they say.

/** The node cannot start as it was told to; the message names the setting and says what to do. */
export class StartRefused extends Error {
  override readonly name = 'StartRefused';

  constructor(setting: string, why: string, cause?: unknown) {
    super(`${setting}: ${why}`, { cause });
  }
}
