// MQTT 5.0, chapters 4 and 6: how Client and Server behave, and WebSocket.

import { both, client, server } from './statement.mjs';

/** Chapters 4.1 to 4.6. */
const delivery = [
  both('4.1.0-1', 'The Session stays while the Network Connection is open.'),
  server('4.1.0-2', 'The Session is discarded when its expiry has passed after the Network Connection.'),
  both('4.2.0-1', 'There is a transport that keeps the order of bytes and loses none.'),
  both('4.3.1-1', 'QoS 0: a PUBLISH with QoS 0 and DUP 0.'),
  both('4.3.2-1', 'QoS 1: a new message has an unused Packet Identifier.'),
  both('4.3.2-2', 'QoS 1: it is a PUBLISH with QoS 1 and DUP 0.'),
  both('4.3.2-3', 'QoS 1: it is unacknowledged until PUBACK.'),
  both('4.3.2-4', 'QoS 1: PUBACK is sent once the message is owned.'),
  both('4.3.2-5', 'QoS 1: after PUBACK the same Packet Identifier is a new message.'),
  both('4.3.3-1', 'QoS 2: a new message has an unused Packet Identifier.'),
  both('4.3.3-2', 'QoS 2: it is a PUBLISH with QoS 2 and DUP 0.'),
  both('4.3.3-3', 'QoS 2: it is unacknowledged until PUBREC.'),
  both('4.3.3-4', 'QoS 2: a PUBREC below 0x80 is answered by PUBREL.'),
  both('4.3.3-5', 'QoS 2: PUBREL is unacknowledged until PUBCOMP.'),
  both('4.3.3-6', 'QoS 2: after PUBREL the PUBLISH is not sent again.'),
  both('4.3.3-7', 'QoS 2: what was sent does not expire.'),
  both('4.3.3-8', 'QoS 2: PUBREC is sent once the message is owned.'),
  both('4.3.3-9', 'QoS 2: after PUBREC 0x80 or greater the same Packet Identifier is a new message.'),
  both('4.3.3-10', 'QoS 2: until PUBREL the same Packet Identifier is answered by PUBREC, and delivered once.'),
  both('4.3.3-11', 'QoS 2: PUBREL is answered by PUBCOMP.'),
  both('4.3.3-12', 'QoS 2: after PUBCOMP the same Packet Identifier is a new message.'),
  both('4.3.3-13', 'QoS 2: the handshake is completed though the message has expired.'),
  both('4.4.0-1', 'A Session that is resumed sends again what is unacknowledged; nothing is sent again otherwise.'),
  both('4.4.0-2', 'A PUBACK or PUBREC of 0x80 or greater acknowledges too.'),
  server('4.5.0-1', 'A message is added to the Session of every Client with a matching Subscription.'),
  client('4.5.0-2', 'Every PUBLISH received is acknowledged as its QoS demands.'),
  client('4.6.0-1', 'PUBLISHes are sent again in the order of the first time.'),
  client('4.6.0-2', 'PUBACKs come in the order of the PUBLISHes.'),
  client('4.6.0-3', 'PUBRECs come in the order of the PUBLISHes.'),
  client('4.6.0-4', 'PUBRELs come in the order of the PUBRECs.'),
  server('4.6.0-5', 'Messages of one Client to an Ordered Topic arrive in order, for each QoS.'),
  server('4.6.0-6', 'Every topic is an Ordered Topic, outside Shared Subscriptions.'),
];

/** Chapters 4.7 to 4.9. */
const topics = [
  both('4.7.0-1', 'A Topic Name has no wildcards.'),
  client('4.7.1-1', '# is a level of its own, and the last.'),
  client('4.7.1-2', '+ is a level of its own.'),
  server('4.7.2-1', 'A Topic Filter that begins with a wildcard does not match a topic that begins with $.'),
  both('4.7.3-1', 'Topic Names and Topic Filters have one character at least.'),
  both('4.7.3-2', 'They have no U+0000 in them.'),
  both('4.7.3-3', 'They have 65,535 bytes at most.'),
  server('4.7.3-4', 'They are matched as they are, without normalization.'),
  both('4.8.2-1', 'A Shared Subscription is $share/, and a ShareName of one character at least.'),
  both('4.8.2-2', 'The ShareName has none of / + #, and is followed by / and a Topic Filter.'),
  server('4.8.2-3', 'The QoS granted to the member is respected.'),
  server('4.8.2-4', 'QoS 2: a delivery that was begun is completed when that member comes back.'),
  server('4.8.2-5', 'QoS 2: if its Session ends first, the message goes to nobody else.'),
  server('4.8.2-6', 'A message that a member refused with 0x80 or greater goes to nobody else.'),
  both('4.9.0-1', 'The first send quota is not 0, and not more than the Receive Maximum.'),
  both('4.9.0-2', 'With a send quota of 0 no PUBLISH above QoS 0 is sent.'),
  both('4.9.0-3', 'With a send quota of 0 all other packets are processed and answered.'),
];

/** Chapters 4.12, 4.13 and 6. */
const rest = [
  server('4.12.0-1', 'An Authentication Method it does not support: at most CONNACK 0x8C or 0x87, then it is closed.'),
  server('4.12.0-2', 'AUTH that asks for more has Reason Code 0x18.'),
  client('4.12.0-3', 'AUTH that answers has Reason Code 0x18.'),
  server('4.12.0-4', 'Authentication that is rejected ends the Network Connection.'),
  both('4.12.0-5', 'AUTH and a CONNACK that accepts have the Authentication Method of CONNECT.'),
  server('4.12.0-6', 'Without an Authentication Method in CONNECT there is no AUTH, and none in CONNACK.'),
  client('4.12.0-7', 'Without an Authentication Method in CONNECT, no AUTH is sent.'),
  client('4.12.1-1', 'Re-authentication has the Authentication Method of CONNECT.'),
  both('4.12.1-2', 'Re-authentication that fails ends the Network Connection.'),
  server('4.13.1-1', 'A Malformed Packet or Protocol Error ends the Network Connection.'),
  both('4.13.2-1', 'A Reason Code of 0x80 or greater ends the Network Connection, whether it is told or not.'),
  both('6.0.0-1', 'Packets are sent in binary frames; another frame ends the Network Connection.'),
  both('6.0.0-2', 'Packets and frames need not begin together.'),
  client('6.0.0-3', 'The sub-protocol mqtt is offered.'),
  server('6.0.0-4', 'The sub-protocol chosen is mqtt.'),
];

/** Chapters 4 and 6, in the order of the text. */
export const behaviour = [...delivery, ...topics, ...rest];
