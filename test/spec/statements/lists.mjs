// Both lists, whole: every number of appendix B of MQTT 5.0 and of MQTT 3.1.1.

import { behaviour } from './v5-behaviour.mjs';
import { connecting } from './v5-connect.mjs';
import { packets } from './v5-packets.mjs';
import { v311 } from './v311.mjs';

/**
 * One specification.
 *
 * @typedef {object} Specification
 * @property {string} name
 * @property {string} prefix what stands before a number in the title of a test: the same number means two things
 * @property {RegExp} others a test whose title says this is of another version
 * @property {readonly import('./statement.mjs').Statement[]} statements
 */

/** @type {readonly [Specification, Specification]} */
export const specifications = [
  {
    name: 'MQTT 5.0',
    prefix: '',
    others: /\blevel [34]\b/,
    statements: [...connecting, ...packets, ...behaviour],
  },
  { name: 'MQTT 3.1.1', prefix: '3.1.1 ', others: /\blevel [35]\b/, statements: v311 },
];
