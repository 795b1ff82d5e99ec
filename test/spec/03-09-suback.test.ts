// MQTT 5.0 chapter 3.9, SUBACK: what it may say.

import { ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { fresh } from '../support/fresh.ts';

const broker = await startBroker({ limits: { subscriptionsMax: 4 } });
afterAll(() => broker[Symbol.asyncDispose]());

/** [§3.9.3] */
const subscribeReasonCodes: readonly ReasonCode[] = [
  ReasonCode.grantedQos0,
  ReasonCode.grantedQos1,
  ReasonCode.grantedQos2,
  ReasonCode.unspecifiedError,
  ReasonCode.implementationSpecificError,
  ReasonCode.notAuthorized,
  ReasonCode.topicFilterInvalid,
  ReasonCode.packetIdentifierInUse,
  ReasonCode.quotaExceeded,
  ReasonCode.sharedSubscriptionsNotSupported,
  ReasonCode.subscriptionIdentifiersNotSupported,
  ReasonCode.wildcardSubscriptionsNotSupported,
];

describe('[MQTT-3.9.3-2] the Reason Codes of a SUBACK', () => {
  it('are of its list, whatever is wrong with a Topic Filter', async () => {
    const own = fresh('own');
    const client = await broker.connect();
    const topicFilters = [
      `${own}/good`,
      'a/#/b',
      'a+',
      '$share//a',
      '$share/g',
      `${own}/${'x'.repeat(2000)}`,
      `${own}${'/d'.repeat(100)}`,
      ...Array.from({ length: 5 }, (_, index) => `${own}/${index}`),
    ];
    const { reasonCodes } = await client.subscribe(topicFilters, { qos: 1 });
    expect(reasonCodes).toHaveLength(topicFilters.length);
    for (const reasonCode of reasonCodes) expect(subscribeReasonCodes).toContain(reasonCode);
    expect(reasonCodes[0]).toBe(ReasonCode.grantedQos1);
    expect(reasonCodes[1]).toBe(ReasonCode.topicFilterInvalid);
    expect(reasonCodes.at(-1)).toBe(ReasonCode.quotaExceeded);
  });
});
