import { describe, expect, it } from 'vitest';
import { referenceProblem, responseProblem } from './directions.ts';

describe('Response Information', () => {
  it.each(['answers', 'answers/%c', 'a/%c/%c', 'a/b/c/', '%c/answers', 'grüße/%c', 'a b', 'x'.repeat(256)])(
    'may be %j',
    (text) => {
      expect(responseProblem(text)).toBeUndefined();
    },
  );

  it.each([
    [7, 'a topic is text'],
    ['', 'it is empty'],
    ['answers/+', 'Clients would subscribe to what is for others'],
    ['#', 'Clients would subscribe to what is for others'],
    ['$SYS/%c', 'what begins with $ belongs to the server'],
    ['%c', 'a Client Identifier alone might be any topic'],
    ['answers/%u', 'after % comes c'],
    ['100%', 'after % comes c'],
    ['a\u0000', 'it has signs that cannot be seen'],
    ['a\nb', 'it has signs that cannot be seen'],
    ['ü'.repeat(129), 'it is longer than 256 bytes'],
  ])('may not be %j', (text, problem) => {
    expect(responseProblem(text)).toBe(problem);
  });
});

describe('a Server Reference', () => {
  it.each(['b.example', 'b.example:1884', 'b', '10.0.0.1:1883', '[2001:db8::1]', '[::1]:1883', 'b.example [::1]:1 c'])(
    'may be %j',
    (text) => {
      expect(referenceProblem(text)).toBeUndefined();
    },
  );

  it.each([
    [undefined, 'a host is text'],
    ['', 'it is empty'],
    ['b.example  c.example', 'a blank too many is no host'],
    ['mqtt://b.example', 'mqtt://b.example is no host'],
    ['b.example:0', 'b.example:0 is no host'],
    ['b.example:65536', 'b.example:65536 is no host'],
    ['b.example:port', 'b.example:port is no host'],
    ['2001:db8::1', '2001:db8::1 is no host'],
    ['-b', '-b is no host'],
    ['[b.example]', '[b.example] is no host'],
    ['b.example/x', 'b.example/x is no host'],
    ['b,c', 'b,c is no host'],
    ['b\u200b.example', 'it has signs that cannot be seen'],
    [`${'b'.repeat(250)}.example`, 'it is longer than 256 bytes'],
  ])('may not be %j', (text, problem) => {
    expect(referenceProblem(text)).toBe(problem);
  });
});
