// What else speaks to an MQTT port: a browser, a TLS client, a load balancer that was told to announce its clients.
//
// They are refused like any first packet that is no CONNECT; naming them saves the person who reads the log an hour.

const openings: readonly (readonly [opening: string, protocol: string])[] = [
  ['GET ', 'an HTTP request'],
  ['POST ', 'an HTTP request'],
  ['PUT ', 'an HTTP request'],
  ['HEAD ', 'an HTTP request'],
  ['OPTIONS ', 'an HTTP request'],
  ['DELETE ', 'an HTTP request'],
  ['PATCH ', 'an HTTP request'],
  ['CONNECT ', 'an HTTP request'],
  ['PRI ', 'an HTTP/2 request'],
  ['SSH-', 'SSH'],
  ['PROXY ', 'a PROXY protocol header'],
  ['\r\n\r\n\0\r\nQUIT\n', 'a PROXY protocol header'],
  ['\x16\x03', 'TLS'],
];

/** What the bytes from `at` to `end` look like, if they are a beginning that is known here and no MQTT. */
export function foreignProtocol(bytes: Uint8Array, at: number, end: number): string | undefined {
  return openings.find(([opening]) => {
    if (opening.length > end - at) return false;
    for (let i = 0; i < opening.length; i++) {
      if (bytes[at + i] !== opening.charCodeAt(i)) return false;
    }
    return true;
  })?.[1];
}
