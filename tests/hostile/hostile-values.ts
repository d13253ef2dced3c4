import type { Random } from './random.js';
import type { Field } from './schema.js';

/** Numbers that break what was not checked. */
const DOUBLES = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  -0,
  -1,
  -1e-300,
  0,
  5e-324,
  0.5,
  1,
  1.0000001,
  100.5,
  1e38,
  3.5e38,
  1.7e308,
  -1.7e308,
] as const;

const INTEGERS = [
  0n,
  1n,
  2n,
  7n,
  20n,
  21n,
  65n,
  319n,
  320n,
  496n,
  497n,
  511n,
  512n,
  513n,
  4097n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
] as const;

/** -1 as an enum travels as ten bytes. */
const ENUMS = [0n, 1n, 2n, 3n, 4n, 5n, 99n, 2n ** 31n - 1n, 2n ** 32n - 1n, 2n ** 64n - 1n] as const;

const TEXTS = [
  '',
  ' ',
  '\0',
  '\n\r\t',
  'a\0b',
  'base',
  'base@stable',
  'other',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  '../../../../etc/passwd',
  'octo-nano/../tiny',
  'octo-nano//math@@stable',
  '@stable',
  'math@',
  '/',
  '*',
  '>',
  'a.b.>',
  '%s%n%x',
  '{{ messages.constructor.constructor("return process")() }}',
  '<|end|><|assistant|>',
  '"; DROP TABLE experts; --',
  '\u202e\u0000\ufeff',
  '\u{1f9a0}'.repeat(40),
  'İ'.repeat(64),
  'ffffffff',
  'f'.repeat(64),
  'F'.repeat(64),
  'f'.repeat(65),
  `${'0'.repeat(63)}g`,
  '-1',
  '1e999',
  'NaN',
  '[]',
  'eyJ9',
  Buffer.from('["[\\"\\",\\"\\",false]","","",-1]').toString('base64url'),
] as const;

/** Bytes that are no UTF-8: a lone continuation, an overlong slash, a surrogate, a cut-off character, above U+10FFFF. */
const NO_UTF8 = ['80', 'c0af', 'eda080', 'e282', 'f4908080', '61ff62'].map((hex) => Buffer.from(hex, 'hex'));

const LENGTHS = [65, 129, 257, 513, 4096, 70_000] as const;

/** Where values come from beside what every field may get. */
export interface Words {
  readonly random: Random;
  /** Names, versions and the like that the mesh knows. */
  readonly known: readonly string[];
  /** A sound vectors file. */
  readonly vectors: Buffer;
}

/** A hostile number. */
export function hostileDouble({ random }: Words): number {
  return random.chance(0.8) ? random.pick(DOUBLES) : (random.uniform() - 0.5) * 10 ** (random.below(80) - 40);
}

/** A hostile whole number, for a field of any width. */
export function hostileInteger(field: Field, { random }: Words): bigint {
  if (field.kind === 'enum') return random.pick(ENUMS);
  if (field.kind === 'boolean') return random.pick([0n, 1n, 2n, 2n ** 64n - 1n]);
  return random.chance(0.8) ? random.pick(INTEGERS) : BigInt(random.below(2 ** 32));
}

/** A hostile text, as bytes since it may be no UTF-8. One in some thousand is a megabyte or more long. */
export function hostileText({ random, known }: Words): Buffer {
  const kind = random.uniform();
  if (kind < 0.5) return Buffer.from(random.pick(known));
  if (kind < 0.75) return Buffer.from(random.pick(TEXTS));
  if (kind < 0.82) return random.pick(NO_UTF8);
  if (kind < 0.9985) {
    const unit = random.pick(['a', '7', '{', '[', 'ü', '\u{1f9a0}', '\0', ' ', '<|end|>']);
    return Buffer.from(unit.repeat(Math.ceil(random.pick(LENGTHS) / Buffer.byteLength(unit))));
  }
  return Buffer.alloc(random.pick([1_000_000, 4_200_000, 6_000_000]), 'a');
}

/** Hostile bytes: nothing, noise, or a vectors file that was tampered with. */
export function hostileBytes({ random, vectors }: Words): Buffer {
  const kind = random.uniform();
  if (kind < 0.1) return Buffer.alloc(0);
  if (kind < 0.25) return random.bytes(random.below(200));
  if (kind < 0.3) return Buffer.alloc(random.pick([8, 4096, 200_000]), random.below(256));
  const copy = Buffer.from(vectors);
  if (kind < 0.4) return copy.subarray(0, random.below(copy.length));
  if (kind < 0.5) copy.writeBigUInt64LE(BigInt.asUintN(64, BigInt(random.pick([-1, 0, 1e12, copy.length]))));
  else if (kind < 0.75) {
    const at = copy.length - 4 * (1 + random.below(500));
    copy.writeFloatLE(random.pick([Number.NaN, -1, Number.POSITIVE_INFINITY, -1e-40, 3e38]), at);
  } else for (let i = random.below(8) + 1; i > 0; i -= 1) copy[random.below(700)] = random.below(256);
  return copy;
}
