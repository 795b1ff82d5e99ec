import { describe, expect, it } from 'vitest';
import { connect } from '../cases/case.ts';
import { sessionExpirySeconds, sessionNeverExpires } from './index.ts';

describe('[MQTT-3.1.2-23] the Session Expiry Interval', () => {
  it('is what a CONNECT of 5.0 says, and 0 if it says nothing, whatever Clean Start is', () => {
    for (const cleanStart of [true, false]) {
      expect(sessionExpirySeconds(connect(5, { cleanStart }))).toBe(0);
      expect(sessionExpirySeconds(connect(5, { cleanStart, properties: { receiveMaximum: 1 } }))).toBe(0);
      expect(sessionExpirySeconds(connect(5, { cleanStart, properties: { sessionExpiryInterval: 60 } }))).toBe(60);
    }
    expect(sessionExpirySeconds(connect(5, { properties: { sessionExpiryInterval: 0xffff_ffff } }))).toBe(
      sessionNeverExpires,
    );
  });

  it('follows from Clean Session before', () => {
    for (const version of [3, 4] as const) {
      expect(sessionExpirySeconds(connect(version, { cleanStart: true }))).toBe(0);
      expect(sessionExpirySeconds(connect(version, { cleanStart: false }))).toBe(sessionNeverExpires);
    }
  });
});
