import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readOfficialParameters } from '#shared/experts/official-parameters.js';
import { projectRoot } from '#shared/paths.js';
import { readTorchVectors } from '#shared/torch/state-dict.js';
import { zipOf } from '../nats-server/zip-writer.js';

const file = (name: string): Buffer => readFileSync(join(projectRoot, 'tests/golden/torch', name));
const expected = JSON.parse(file('expected.json').toString()) as {
  readonly names: readonly string[];
  readonly p: Readonly<Record<string, readonly number[]>>;
  readonly m: Readonly<Record<string, readonly number[]>>;
  readonly tensors: Readonly<Record<string, readonly number[]>>;
};
/** Ranks in another order than the published code's. */
const RANKS = new Map([...expected.names].reverse().map((name) => [name, expected.p[name]!.length]));

test('vectors of each type, and a view into a larger storage, are read exactly', () => {
  const vectors = readTorchVectors(file('tensors.pt'));
  assert.deepEqual(Object.fromEntries([...vectors].map(([name, v]) => [name, [...v]])), expected.tensors);
});

test('parameters of the published code keep their names and bits', () => {
  const vectors = readTorchVectors(file('learnable_params.pt'));
  assert.deepEqual([...vectors.keys()], expected.names);
  for (const [name, vector] of vectors) assert.deepEqual([...vector], expected.p[name]);
});

for (const name of ['learnable_params.pt', 'policy.pt'])
  test(`${name} becomes an expert: sigmoid of each parameter, scaled to the trace, under the weights’ names`, () => {
    const { normalisation, multipliers } = readOfficialParameters(file(name), RANKS);
    assert.equal(normalisation, 'trace');
    assert.deepEqual([...multipliers.keys()].sort(), [...expected.names].sort());
    for (const [matrix, vector] of multipliers)
      vector.forEach((m, i) => {
        assert.equal(m, Math.fround(expected.m[matrix]![i]!), `${matrix} ${i}`);
      });
  });

test('parameters of another model are refused by name, shape and number', () => {
  const fewer = new Map([...RANKS].slice(1));
  assert.throws(() => readOfficialParameters(file('learnable_params.pt'), fewer), {
    reason: 'UNKNOWN_MATRIX',
  });
  assert.throws(() => readOfficialParameters(file('policy.pt'), fewer), {
    reason: 'INVALID_FIELD',
    message: /numbers 6 vectors; the model adapts 5 MLP matrices/,
  });
  const longer = new Map([...RANKS].map(([name, rank]) => [name, rank + 1]));
  assert.throws(() => readOfficialParameters(file('policy.pt'), longer), { reason: 'WRONG_SHAPE' });
});

for (const [name, why] of [
  ['refused-command.pt', /it names "posix system", which is not data/],
  ['refused-global.pt', /it names "pathlib PurePosixPath", which is not data/],
  ['refused-matrix.pt', /shape \[2,3\], not a vector/],
  ['refused-stride.pt', /stride 2, not 1/],
  ['refused-dtype.pt', /it names "torch DoubleStorage", which is not data/],
  ['refused-legacy.pt', /not a zip archive/],
] as const)
  test(`${name} is refused`, () => {
    assert.throws(() => readTorchVectors(file(name)), { reason: 'INVALID_FIELD', message: why });
    assert.ok(!existsSync('it-ran'));
  });

test('no byte that is changed or cut crashes the reader: it answers, or refuses with a reason', () => {
  const whole = file('learnable_params.pt');
  let refused = 0;
  const attempt = (bytes: Buffer): void => {
    try {
      readTorchVectors(bytes);
    } catch (error) {
      assert.equal((error as { reason?: string }).reason, 'INVALID_FIELD', String(error));
      refused++;
    }
  };
  for (let at = 0; at < whole.length; at++) {
    const changed = Buffer.from(whole);
    changed[at]! ^= 1 << (at % 8);
    attempt(changed);
    attempt(whole.subarray(0, at));
  }
  assert(refused > whole.length, `only ${refused} of ${2 * whole.length} refused`);
});

test('values that hold each other many times over are refused at once', () => {
  // A shape of 2^40 numbers in 40 tuples of two.
  const text = (content: string): string => `X${String.fromCharCode(content.length)}\0\0\0${content}`;
  const doubled = Array.from(
    { length: 40 },
    (_, i) => `q${String.fromCharCode(i)}h${String.fromCharCode(i)}\x86`,
  ).join('');
  const storage = `(${text('storage')}ctorch\nFloatStorage\n${text('0')}${text('cpu')}K\x04tQ`;
  const tensor = `ctorch._utils\n_rebuild_tensor_v2\n(${storage}K\x00K\x01${doubled}K\x01\x85\x89N)tR`;
  const data = Buffer.from(`\x80\x02}${text('a')}${tensor}s.`, 'latin1');
  const archive = zipOf([{ name: 'x/data.pkl', data, stored: true }]);
  assert.throws(() => readTorchVectors(archive), /shape is not made of whole numbers/);
});
