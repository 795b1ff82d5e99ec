// MQTT 5.0, chapters 1 to 3.2: data, packets, CONNECT and CONNACK.

import { both, client, server } from './statement.mjs';

/** Chapters 1 and 2. */
const format = [
  both('1.5.4-1', 'Text is well-formed UTF-8, without surrogates.'),
  both('1.5.4-2', 'Text has no U+0000 in it.'),
  both('1.5.4-3', 'EF BB BF in a text is U+FEFF, and is not stripped.'),
  both('1.5.5-1', 'A Variable Byte Integer takes as few bytes as it can.'),
  both('1.5.7-1', 'Both halves of a UTF-8 String Pair are such texts.'),
  both('2.1.3-1', 'Reserved flags have the values listed for them.'),
  both('2.2.1-2', 'A PUBLISH at QoS 0 has no Packet Identifier.'),
  client('2.2.1-3', 'A new SUBSCRIBE, UNSUBSCRIBE or PUBLISH has a Packet Identifier that is unused and not 0.'),
  server('2.2.1-4', 'A new PUBLISH has a Packet Identifier that is unused and not 0.'),
  both('2.2.1-5', 'PUBACK, PUBREC, PUBREL and PUBCOMP have the Packet Identifier of their PUBLISH.'),
  server('2.2.1-6', 'SUBACK and UNSUBACK have the Packet Identifier of what they answer.'),
  both('2.2.2-1', 'No properties are written as a Property Length of 0.'),
];

/** Chapter 3.1. */
const connect = [
  client('3.1.0-1', 'CONNECT is the first packet.'),
  server('3.1.0-2', 'A second CONNECT is a Protocol Error and ends the Network Connection.'),
  server('3.1.2-1', 'Another protocol name than MQTT: at most CONNACK 0x84, then it is closed.'),
  server('3.1.2-2', 'A Protocol Version it does not want: at most CONNACK 0x84, then it is closed.'),
  server('3.1.2-3', 'The reserved flag of CONNECT is checked to be 0.'),
  both('3.1.2-4', 'Clean Start 1 discards the Session there was, and begins a new one.'),
  server('3.1.2-5', 'Clean Start 0 goes on with the Session there is.'),
  server('3.1.2-6', 'Clean Start 0 without a Session begins one.'),
  server('3.1.2-7', 'A Will Message is stored, with the Session.'),
  server(
    '3.1.2-8',
    'The Will is published after the end of the Network Connection and its delay, unless it was deleted.',
  ),
  client('3.1.2-9', 'Will Flag 1: Will Properties, Will Topic and Will Payload are there.'),
  server('3.1.2-10', 'The Will is forgotten once it is published, or at DISCONNECT 0x00.'),
  client('3.1.2-11', 'Will Flag 0: Will QoS is 0.'),
  client('3.1.2-12', 'Will Flag 1: Will QoS is 0, 1 or 2.'),
  client('3.1.2-13', 'Will Flag 0: Will Retain is 0.'),
  server('3.1.2-14', 'Will Retain 0: the Will is published as a message that is not retained.'),
  server('3.1.2-15', 'Will Retain 1: the Will is published as a retained message.'),
  client('3.1.2-16', 'User Name Flag 0: there is no User Name.'),
  client('3.1.2-17', 'User Name Flag 1: there is a User Name.'),
  client('3.1.2-18', 'Password Flag 0: there is no Password.'),
  client('3.1.2-19', 'Password Flag 1: there is a Password.'),
  client('3.1.2-20', 'With a Keep Alive, and nothing else to send, PINGREQ is sent.'),
  client('3.1.2-21', 'A Server Keep Alive is used in place of its own.'),
  server('3.1.2-22', 'Silence for one and a half Keep Alives is a failed network.'),
  both('3.1.2-23', 'The Session stays after the Network Connection if its expiry is more than 0.'),
  server('3.1.2-24', 'No packet is larger than the Maximum Packet Size of the Client.'),
  server('3.1.2-25', 'A message too large is left out, as if it had been delivered.'),
  server('3.1.2-26', 'A Topic Alias is not greater than the Topic Alias Maximum of the Client.'),
  server('3.1.2-27', 'No Topic Alias is sent where that maximum is absent or 0.'),
  server('3.1.2-28', 'No Response Information unless it was requested.'),
  server('3.1.2-29', 'Request Problem Information 0: Reason String and User Properties in 3 packets only.'),
  client('3.1.2-30', 'With an Authentication Method, only AUTH and DISCONNECT before CONNACK.'),
  client('3.1.3-1', 'The fields of the payload come in their order.'),
  both('3.1.3-2', 'The Client Identifier names the state of the Session.'),
  client('3.1.3-3', 'The Client Identifier is there, and first.'),
  client('3.1.3-4', 'The Client Identifier is UTF-8.'),
  server('3.1.3-5', 'Client Identifiers of 1 to 23 letters and digits are allowed.'),
  server('3.1.3-6', 'An empty Client Identifier, if allowed, is replaced by one of the Server’s.'),
  server('3.1.3-7', 'The Client is served under that one, and told it in CONNACK.'),
  server('3.1.3-8', 'A Client Identifier it rejects: at most CONNACK 0x85, then it is closed.'),
  server('3.1.3-9', 'A new Network Connection within the Will Delay Interval cancels the Will.'),
  server('3.1.3-10', 'The User Properties of a Will keep their order.'),
  client('3.1.3-11', 'The Will Topic is UTF-8.'),
  client('3.1.3-12', 'The User Name is UTF-8.'),
  server('3.1.4-1', 'A CONNECT that does not have the format of 3.1 ends the Network Connection.'),
  server('3.1.4-2', 'So does one that fails a further check, as authentication.'),
  server('3.1.4-3', 'A Client that is connected already is told Session taken over, and closed.'),
  server('3.1.4-4', 'Clean Start is acted upon.'),
  server('3.1.4-5', 'A CONNECT that is accepted is answered by CONNACK 0x00.'),
  server('3.1.4-6', 'After a refusal nothing that follows is processed but AUTH.'),
];

/** Chapter 3.2. */
const connack = [
  server('3.2.0-1', 'CONNACK 0x00 is sent before any other packet but AUTH.'),
  server('3.2.0-2', 'CONNACK is sent once at most.'),
  server('3.2.2-1', 'Bits 7 to 1 of the Connect Acknowledge Flags are 0.'),
  server('3.2.2-2', 'Clean Start 1 is answered by Session Present 0.'),
  server('3.2.2-3', 'Clean Start 0 is answered by Session Present 1 if there was a Session, else 0.'),
  client('3.2.2-4', 'Session Present 1, and no Session here: it closes.'),
  client('3.2.2-5', 'Session Present 0, and a Session here: it discards it.'),
  server('3.2.2-6', 'A refusal says Session Present 0.'),
  server('3.2.2-7', 'After CONNACK 0x80 or greater it closes.'),
  server('3.2.2-8', 'The Reason Code of CONNACK is one of its list.'),
  server('3.2.2-9', 'Without QoS 1 or 2, it says so in Maximum QoS.', {
    untested: 'It binds a Server that lacks a QoS, and ours has all three.',
  }),
  server('3.2.2-10', 'Without QoS 1 or 2, it accepts a SUBSCRIBE that asks for them.', {
    untested: 'It binds a Server that lacks a QoS, and ours has all three.',
  }),
  client('3.2.2-11', 'Nothing is published above the Maximum QoS.'),
  server('3.2.2-12', 'A Will QoS above its capabilities is refused.', {
    untested: 'It binds a Server that lacks a QoS, and ours has all three.',
  }),
  server('3.2.2-13', 'Without retained messages, Will Retain 1 is refused.', {
    untested: 'It binds a Server without retained messages, and ours has them.',
  }),
  client('3.2.2-14', 'Retain Available 0: nothing is published with RETAIN 1.'),
  client('3.2.2-15', 'No packet is larger than the Maximum Packet Size of the Server.'),
  server('3.2.2-16', 'An Assigned Client Identifier belongs to nobody else.'),
  client('3.2.2-17', 'A Topic Alias is not greater than the Topic Alias Maximum of the Server.'),
  client('3.2.2-18', 'No Topic Alias is sent where that maximum is absent or 0.'),
  server('3.2.2-19', 'CONNACK: a Reason String that would make it too large is left out.'),
  server('3.2.2-20', 'CONNACK: User Properties that would make it too large are left out.'),
  client('3.2.2-21', 'A Server Keep Alive is used in place of its own.'),
  server('3.2.2-22', 'Without a Server Keep Alive, the one of CONNECT counts.'),
];

/** Chapters 1 to 3.2, in the order of the text. */
export const connecting = [...format, ...connect, ...connack];
