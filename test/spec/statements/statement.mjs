// A normative statement of MQTT, as a line of the lists beside this file.
//
// The lists are plain modules, so that the check and the page of conformance can read them without a compiler.

/**
 * One numbered statement.
 *
 * @typedef {object} Statement
 * @property {string} number as appendix B prints it: `MQTT-3.1.4-3`
 * @property {string} asks what it asks for, in our words
 * @property {'server' | 'client' | 'both'} binds who has to do it
 * @property {string} [untested] why no test can show it; only where it binds a Server
 * @property {string} [pending] the feature whose tests will show it
 */

/**
 * What stands in for a test.
 *
 * @typedef {Pick<Statement, 'untested' | 'pending'>} Instead
 */

/**
 * A statement that binds a Server.
 *
 * @param {string} number without `MQTT-`
 * @param {string} asks
 * @param {Instead} [instead]
 * @returns {Statement}
 */
export const server = (number, asks, instead) => ({ number: `MQTT-${number}`, asks, binds: 'server', ...instead });

/**
 * A statement that binds whoever sends or receives, so a Server too.
 *
 * @param {string} number without `MQTT-`
 * @param {string} asks
 * @param {Instead} [instead]
 * @returns {Statement}
 */
export const both = (number, asks, instead) => ({ number: `MQTT-${number}`, asks, binds: 'both', ...instead });

/**
 * A statement that binds a Client alone. Tests may say what the Server answers to one who does not keep it.
 *
 * @param {string} number without `MQTT-`
 * @param {string} asks
 * @returns {Statement}
 */
export const client = (number, asks) => ({ number: `MQTT-${number}`, asks, binds: 'client' });
