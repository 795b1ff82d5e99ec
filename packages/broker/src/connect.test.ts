import { MqttError, ReasonCode, type Will } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import { connack, negotiate, type Terms } from './connect.ts';
import { willOn } from './contract/samples.ts';
import { SeededRandom } from './contract/seeded-random.ts';
import { defaultLimits, type Limits } from './limits.ts';
import { defaultPolicy } from './policy.ts';
import { type ConnectOptions, connectPacket } from './testing/broker-trial.ts';

const random = new SeededRandom(1);

function termsOf(options: ConnectOptions & { keepAliveSeconds?: number }, limits: Partial<Limits> = {}): Terms {
  const { keepAliveSeconds = 0, ...rest } = options;
  return negotiate({ ...connectPacket('lamp', rest), keepAliveSeconds }, { ...defaultLimits, ...limits }, random);
}

function refusalOf(reasonCode: ReasonCode): MqttError {
  return expect.objectContaining({ constructor: MqttError, reasonCode });
}

describe('a Client Identifier', () => {
  it('is assigned where the Client has none and may have none [MQTT-3.1.3-6, MQTT-3.1.3-7]', () => {
    const assigned = new Set<string>();
    for (const version of [4, 5] as const) {
      for (let i = 0; i < 100; i++) {
        const connect = { ...connectPacket('', { protocolVersion: version, cleanStart: true }), clientId: '' };
        const terms = negotiate(connect, defaultLimits, random);
        expect(terms.isAssigned).toBe(true);
        assigned.add(terms.clientId);
        expect(
          connack(connect, terms, false, { limits: defaultLimits, policy: defaultPolicy }).properties
            ?.assignedClientIdentifier,
        ).toBe(terms.clientId);
      }
    }
    expect(assigned.size).toBe(200);
    expect([...assigned].every((clientId) => /^[0-9a-z-]{1,40}$/.test(clientId))).toBe(true);
  });

  it('is required of MQTT 3.1, and of 3.1.1 with Clean Session 0 [3.1.1 MQTT-3.1.3-8]', () => {
    for (const options of [
      { protocolVersion: 3, cleanStart: true },
      { protocolVersion: 4, cleanStart: false },
    ] as const) {
      expect(() => negotiate(connectPacket('', options), defaultLimits, random)).toThrow(
        refusalOf(ReasonCode.clientIdentifierNotValid),
      );
    }
  });

  it('has a longest length in UTF-8', () => {
    const limits = { ...defaultLimits, clientIdBytesMax: 6 };
    expect(negotiate(connectPacket('ööö'), limits, random).clientId).toBe('ööö');
    expect(() => negotiate(connectPacket('öööö'), limits, random)).toThrow(
      refusalOf(ReasonCode.clientIdentifierNotValid),
    );
  });
});

describe('the terms of a connection', () => {
  it('hold what the Client asked for within what the server grants, and CONNACK tells the difference', () => {
    const limits = { ...defaultLimits, keepAliveMaxSeconds: 60, sessionExpiryMaxSeconds: 100 };
    const connect = { ...connectPacket('lamp', { sessionExpirySeconds: 3600 }), keepAliveSeconds: 600 };
    const terms = negotiate(connect, limits, random);
    expect(terms).toMatchObject({ keepAliveSeconds: 60, sessionExpirySeconds: 100, isAssigned: false });
    expect(connack(connect, terms, true, { limits, policy: defaultPolicy })).toMatchObject({
      sessionPresent: true,
      reasonCode: ReasonCode.success,
      properties: { serverKeepAlive: 60, sessionExpiryInterval: 100, receiveMaximum: limits.receiveMaximum },
    });
    const modest = { ...connect, keepAliveSeconds: 30, properties: { sessionExpiryInterval: 50 } };
    const answer = connack(modest, negotiate(modest, limits, random), false, { limits, policy: defaultPolicy });
    expect(Object.keys(answer.properties ?? {})).not.toContain('serverKeepAlive');
    expect(Object.keys(answer.properties ?? {})).not.toContain('sessionExpiryInterval');
  });

  it('keep a Client awake that wanted no Keep Alive where the server insists [MQTT-3.1.2-21]', () => {
    expect(termsOf({ keepAliveSeconds: 0 }, { keepAliveMaxSeconds: 60 }).keepAliveSeconds).toBe(60);
    expect(termsOf({ keepAliveSeconds: 0 }).keepAliveSeconds).toBe(0);
  });

  it('follow from Clean Session before 5.0: for ever, or not beyond the connection', () => {
    expect(termsOf({ protocolVersion: 4, cleanStart: false }).sessionExpirySeconds).toBe(0xffff_ffff);
    expect(termsOf({ protocolVersion: 4, cleanStart: true }).sessionExpirySeconds).toBe(0);
    expect(
      termsOf({ protocolVersion: 3, cleanStart: false }, { sessionExpiryMaxSeconds: 7 }).sessionExpirySeconds,
    ).toBe(7);
  });

  it('bound what is in flight, each way, by the smaller of both wishes', () => {
    const limits = { outboundInflightMax: 100, outboundInflightMax3: 10, receiveMaximum: 50, inboundInflightMax3: 5 };
    expect(termsOf({}, limits)).toMatchObject({ outboundInflightMax: 100, inboundInflightMax: 50 });
    expect(termsOf({ receiveMaximum: 3 }, limits)).toMatchObject({ outboundInflightMax: 3 });
    expect(termsOf({ protocolVersion: 4 }, limits)).toMatchObject({ outboundInflightMax: 10, inboundInflightMax: 5 });
  });
});

describe('a Will that could not be published refuses the connection', () => {
  const refused = (will: Will, reasonCode: ReasonCode): void => {
    expect(() => termsOf({ will }, { willMaxBytes: 10, topicLevelsMax: 4 })).toThrow(refusalOf(reasonCode));
  };

  it('by its topic or its size', () => {
    expect(termsOf({ will: willOn('a/b', 0, '0123456789') }, { willMaxBytes: 10 })).toBeDefined();
    refused(willOn(''), ReasonCode.topicNameInvalid);
    refused(willOn('a/+'), ReasonCode.topicNameInvalid);
    refused(willOn('a/#'), ReasonCode.topicNameInvalid);
    refused(willOn('a/b/c/d/e'), ReasonCode.topicNameInvalid);
    refused(willOn('$SYS/a'), ReasonCode.notAuthorized);
    refused(willOn('a', 0, '0123456789x'), ReasonCode.quotaExceeded);
  });

  it('has no more User Properties than a PUBLISH may have', () => {
    const will = (count: number): Will => ({
      ...willOn('a/b', 0, ''),
      properties: { userProperties: Array.from({ length: count }, (): [string, string] => ['a', 'b']) },
    });
    expect(termsOf({ will: will(3) }, { userPropertiesMax: 3 })).toBeDefined();
    expect(() => termsOf({ will: will(4) }, { userPropertiesMax: 3 })).toThrow(refusalOf(ReasonCode.quotaExceeded));
  });
});

describe('the Response Information', () => {
  const policy = { ...defaultPolicy, responseInformation: 'answers/%c' };

  function informationFor(clientId: string, pattern = policy.responseInformation, asked: 0 | 1 | 'not said' = 1) {
    const properties = asked === 'not said' ? {} : { requestResponseInformation: asked };
    const connect = { ...connectPacket(clientId), properties };
    const around = {
      limits: { ...defaultLimits, topicBytesMax: 40 },
      policy: { ...policy, responseInformation: pattern },
    };
    return connack(connect, negotiate(connect, defaultLimits, random), false, around).properties?.responseInformation;
  }

  it('names the Client that asks for it, and goes to no other [MQTT-3.1.2-28]', () => {
    expect(informationFor('lamp')).toBe('answers/lamp');
    expect(informationFor('lamp-7.kitchen:A_b@c~d=e')).toBe('answers/lamp-7.kitchen:A_b@c~d=e');
    expect(informationFor('lamp', 'a/%c/%c')).toBe('a/lamp/lamp');
    expect(informationFor('lamp', 'everybody')).toBe('everybody');
    expect(informationFor('lamp', 'answers/%c', 0)).toBeUndefined();
    expect(informationFor('lamp', 'answers/%c', 'not said')).toBeUndefined();
  });

  it('is kept from a Client whose identifier would be more than a word in it', () => {
    for (const clientId of ['+', '#', 'a/b', 'a+', '/', '$SYS', '%c', '$&', 'a b', 'ü', 'a\u0001', 'a\n', '*', '>']) {
      expect([clientId, informationFor(clientId)]).toEqual([clientId, undefined]);
      // Where the identifier has no part in it, it does no harm.
      expect(informationFor(clientId, 'everybody')).toBe('everybody');
    }
    expect(informationFor('x'.repeat(33))).toBeUndefined();
  });

  it('is of an assigned identifier too', () => {
    const connect = {
      ...connectPacket('', { cleanStart: true }),
      properties: { requestResponseInformation: 1 as const },
    };
    const terms = negotiate(connect, defaultLimits, random);
    const answer = connack(connect, terms, false, { limits: defaultLimits, policy });
    expect(answer.properties?.responseInformation).toBe(`answers/${terms.clientId}`);
  });
});
