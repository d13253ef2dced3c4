import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readPickle } from '#shared/torch/pickle.js';

const read = (...parts: (string | number[])[]) =>
  readPickle(
    Buffer.concat(
      parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))),
    ),
    { 'a b': (args) => args.length },
    new Set(['c d']),
  );
const PROTO = [0x80, 2];
const text = (content: string): string => `X${String.fromCharCode(content.length)}\0\0\0${content}`;

test('data are read: numbers, tuples, shared values, dictionaries, allowed calls', () => {
  // pickletools: PROTO 2, (…) TUPLE, BINPUT, BINGET.
  assert.deepEqual(read(PROTO, '(K\x05M\x01\x02J\xff\xff\xff\xffN', [0x88, 0x89], 't.'), [
    5,
    513,
    -1,
    null,
    true,
    false,
  ]);
  assert.deepEqual(read(PROTO, `${text('ab')}q\0h\0`, [0x86], '.'), ['ab', 'ab']);
  assert.deepEqual(
    read(PROTO, `}${text('k')}K\x01s(${text('l')}K\x02u.`),
    new Map([
      ['k', 1],
      ['l', 2],
    ]),
  );
  assert.deepEqual(read(PROTO, 'ca\nb\nK\x07', [0x85], 'R.'), 1);
  assert.deepEqual(read(PROTO, 'cc\nd\n.'), { kind: 'global', name: 'c d' });
});

for (const [what, parts, why] of [
  ['a global that is not allowed', ['cos\nsystem\n.'], /names "os system", which is not data/],
  ['a call of what may only be named', ['cc\nd\n)R.'], /calls what may not be called/],
  ['a call of a text', [`${text('a b')})R.`], /calls what may not be called/],
  ['a name from the prototype', ['ctoString\nx\n.'], /which is not data/],
  ['INST', ['(ios\nsystem\n.'], /operation 0x69/],
  ['STACK_GLOBAL of protocol 4', [`${text('os')}${text('system')}`, [0x93], '.'], /operation 0x93/],
  ['another protocol', [[0x80, 4], '.'], /protocol 4, not 2/],
  ['a huge text', ['X\xff\xff\xff\x7f.'], /a text of 2147483647 bytes; at most 65536/],
  ['a value that is missing', ['.'], /a value is missing/],
  ['a mark that is missing', ['K\x01t.'], /a mark is missing/],
  ['a mark as a value', ['(.'], /a value is missing/],
  ['a memory that is empty', ['h\x05.'], /nothing is remembered as 5/],
  ['a key twice', [`}(${text('k')}K\x01${text('k')}K\x02u.`], /"k" stands twice/],
  ['a key that is no text', ['}K\x01K\x02s.'], /a key that is no text/],
  ['items on a tuple', [`)${text('k')}K\x01s.`], /no dictionary/],
  ['state on a tuple', [')}b.'], /state of what is no dictionary/],
  ['an end that does not come', ['K\x01'], /ends too early/],
  ['a name without end', [`c${'x'.repeat(400)}`], /a name without end/],
] as const)
  test(`${what} is refused`, () => {
    const whole = typeof parts[0] === 'object' ? [...parts] : [PROTO, ...parts];
    assert.throws(() => read(...(whole as (string | number[])[])), why);
  });

test('a pickle without end in its operations is refused', () => {
  const bytes = Buffer.alloc(2_000_002, 'N');
  bytes[0] = 0x80;
  bytes[1] = 2;
  assert.throws(() => readPickle(bytes, {}, new Set()), /more than 2000000 pickle operations/);
});
