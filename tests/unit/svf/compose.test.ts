import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Reason, ZmeshError } from '#shared/errors.js';
import { type Arm, composeSpectrum } from '#shared/svf/compose.js';
import { foldTrace } from '#shared/svf/fold.js';
import { mixtureHash } from '#shared/svf/mixture-hash.js';
import type { Expert, NormalisationName, SpectralMatrix } from '#shared/svf/model.js';

const MATRICES: readonly SpectralMatrix[] = [
  { name: 'gate', sigma: Float64Array.of(4, 2, 1) },
  { name: 'down', sigma: Float64Array.of(3, 0.5) },
];
const expert = (normalisation: NormalisationName, vectors: Record<string, number[]>): Expert => ({
  normalisation,
  multipliers: new Map(Object.entries(vectors).map(([name, values]) => [name, Float32Array.from(values)])),
});
const arm = (
  name: string,
  held: Expert | null,
  alpha: number,
  alphaPerMatrix: Record<string, number> = {},
): Arm => ({
  name,
  expert: held,
  alpha,
  alphaPerMatrix: new Map(Object.entries(alphaPerMatrix)),
});
const A = { gate: [0.5, 1.5, 2], down: [0.25, 4] };
const B = { gate: [1, 0, 0.5], down: [2, 1] };
const refuses = (reason: Reason, text: RegExp, arms: readonly Arm[]): void => {
  assert.throws(
    () => composeSpectrum(MATRICES, arms),
    (error: ZmeshError) => error.reason === reason && text.test(error.message),
  );
};

test('no arms give σ itself, bit for bit, and so does the base arm alone', () => {
  const sigma = Float32Array.of(4, 2, 1, 3, 0.5);
  assert.deepEqual(composeSpectrum(MATRICES, []), sigma);
  assert.deepEqual(composeSpectrum(MATRICES, [arm('base', null, 1)]), sigma);
});

test('without normalisation s = σ∘Σα·m, computed by hand', () => {
  const spectrum = composeSpectrum(MATRICES, [
    arm('a', expert('none', A), 0.5),
    arm('b', expert('none', B), 2),
  ]);
  // gate: m' = (0.25+2, 0.75+0, 1+1) = (2.25, 0.75, 2); down: (0.125+4, 2+2) = (4.125, 4)
  assert.deepEqual([...spectrum], [9, 1.5, 2, 12.375, 2]);
});

test('trace normalisation scales each matrix by Σσ / Σ(σ∘m) after mixing, computed by hand', () => {
  const spectrum = composeSpectrum(MATRICES, [arm('a', expert('trace', A), 1)]);
  // gate: σm = (2, 3, 2), Σ = 7 = Σσ → c = 1; down: σm = (0.75, 2), Σ = 2.75, Σσ = 3.5
  const c = 3.5 / 2.75;
  assert.deepEqual([...spectrum], [2, 3, 2, Math.fround(0.75 * c), Math.fround(2 * c)]);
});

test('invariant 1: under trace a constant multiplier is the base', () => {
  const spectrum = composeSpectrum(MATRICES, [
    arm('c', expert('trace', { gate: [0.5, 0.5, 0.5], down: [8, 8] }), 1),
  ]);
  assert.deepEqual([...spectrum], [4, 2, 1, 3, 0.5]);
});

test('invariants 2 and 3: under trace a common factor does not matter and Σσ is kept', () => {
  const one = composeSpectrum(MATRICES, [arm('a', expert('trace', A), 1)]);
  const four = composeSpectrum(MATRICES, [arm('a', expert('trace', A), 4)]);
  assert.deepEqual(one, four);
  const sum = (values: Float32Array): number => values.reduce((total, value) => total + value, 0);
  assert.ok(Math.abs(sum(one.subarray(0, 3)) - 7) < 1e-6);
  assert.ok(Math.abs(sum(one.subarray(3)) - 3.5) < 1e-6);
});

test('invariant 4: a one-hot mixture is that expert bit for bit, whatever else stands beside it with α = 0', () => {
  for (const normalisation of ['none', 'trace'] as const) {
    const a = arm('a', expert(normalisation, A), 1);
    const alone = composeSpectrum(MATRICES, [a]);
    assert.deepEqual(
      composeSpectrum(MATRICES, [a, arm('b', expert(normalisation, B), 0), arm('base', null, 0)]),
      alone,
    );
  }
});

test('an expert that lacks a matrix counts as m = 1 there', () => {
  const partial = expert('none', { gate: [2, 2, 2] });
  assert.deepEqual([...composeSpectrum(MATRICES, [arm('p', partial, 1)])], [8, 4, 2, 3, 0.5]);
});

test('α per matrix overrides α for the matrices it names', () => {
  const mixed = composeSpectrum(MATRICES, [
    arm('a', expert('none', A), 1, { down: 0 }),
    arm('b', expert('none', B), 0, { down: 1 }),
  ]);
  assert.deepEqual([...mixed], [2, 3, 2, 6, 0.5]);
});

test('unsound mixtures are refused with their reason', () => {
  const none = expert('none', A);
  refuses('BAD_MIXTURE', /every α of the mixture is zero/, [arm('a', none, 0)]);
  refuses('BAD_MIXTURE', /every α is zero for down/, [arm('a', none, 1, { down: 0 })]);
  refuses('BAD_MIXTURE', /α of a is -1; it must be finite/, [arm('a', none, -1)]);
  refuses('BAD_MIXTURE', /α of a is NaN/, [arm('a', none, Number.NaN)]);
  refuses('BAD_MIXTURE', /α of a is Infinity/, [arm('a', none, 1, { gate: Number.POSITIVE_INFINITY })]);
  refuses('BAD_MIXTURE', /a stands twice/, [arm('a', none, 1), arm('a', none, 1)]);
  refuses(
    'BAD_MIXTURE',
    /at most 64 arms, not 65/,
    Array.from({ length: 65 }, (_, i) => arm(`a${i}`, none, 1)),
  );
  refuses('BAD_MIXTURE', /leaves nothing of gate to scale/, [
    arm('z', expert('trace', { gate: [0, 0, 0] }), 1),
  ]);
  refuses('MIXED_NORMALISATION', /a is normalised "none" and b "trace"/, [
    arm('a', none, 1),
    arm('b', expert('trace', B), 1),
  ]);
  refuses('UNKNOWN_MATRIX', /x adapts up, which the model does not adapt/, [
    arm('x', expert('none', { up: [1] }), 1),
  ]);
  refuses('UNKNOWN_MATRIX', /a adapts up/, [arm('a', none, 1, { up: 1 })]);
  refuses('WRONG_SHAPE', /2 multipliers for gate, whose rank is 3/, [
    arm('w', expert('none', { gate: [1, 1] }), 1),
  ]);
});

test('folding gives every matrix the base scale and keeps the served spectrum; a folded expert is left as it is', () => {
  const raw = expert('trace', A);
  const folded = foldTrace(MATRICES, raw);
  const before = composeSpectrum(MATRICES, [arm('a', raw, 1)]);
  const after = composeSpectrum(MATRICES, [arm('a', folded, 1)]);
  for (let i = 0; i < before.length; i++) assert.ok(Math.abs(before[i]! - after[i]!) < 1e-6 * before[i]!);
  for (const matrix of MATRICES) {
    const m = folded.multipliers.get(matrix.name)!;
    const scaled = matrix.sigma.reduce((total, s, i) => total + s * m[i]!, 0);
    const total = matrix.sigma.reduce((sum, s) => sum + s, 0);
    assert.ok(Math.abs(scaled - total) < 1e-6 * total);
  }
  assert.equal(foldTrace(MATRICES, folded), folded);
  const paper = expert('none', A);
  assert.equal(foldTrace(MATRICES, paper), paper);
});

test('the mixture hash ignores order and zero arms, and tells everything else apart', () => {
  const a = { name: 'a@1', alpha: 0.5, alphaPerMatrix: new Map() };
  const b = {
    name: 'b@1',
    alpha: 0.5,
    alphaPerMatrix: new Map([
      ['x', 1],
      ['w', 2],
    ]),
  };
  const same = mixtureHash('basis', [a, b]);
  assert.equal(mixtureHash('basis', [b, a]), same);
  assert.equal(
    mixtureHash('basis', [
      a,
      {
        ...b,
        alphaPerMatrix: new Map([
          ['w', 2],
          ['x', 1],
        ]),
      },
    ]),
    same,
  );
  assert.equal(mixtureHash('basis', [a, b, { name: 'c@1', alpha: 0, alphaPerMatrix: new Map() }]), same);
  const others = [
    mixtureHash('basis', [a]),
    mixtureHash('basis', []),
    mixtureHash('other', [a, b]),
    mixtureHash('basis', [{ ...a, name: 'a@2' }, b]),
    mixtureHash('basis', [{ ...a, alpha: 0.25 }, b]),
    mixtureHash('basis', [{ ...a, alphaPerMatrix: new Map([['x', 0.5]]) }, b]),
  ];
  assert.equal(new Set([same, ...others]).size, 7);
});
