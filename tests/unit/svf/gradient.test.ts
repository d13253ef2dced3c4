import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Arm } from '#shared/svf/compose.js';
import { multiplierGradient } from '#shared/svf/gradient.js';
import type { NormalisationName } from '#shared/svf/model.js';

const MATRICES = [
  { name: 'a', sigma: Float64Array.of(3, 2, 0.5) },
  { name: 'b', sigma: Float64Array.of(5, 1) },
  { name: 'zero', sigma: Float64Array.of(0, 0) },
];
const M = { a: [0.5, 1.25, 2], b: [1, 3], zero: [1, 2] };
/** d loss / d spectrum of a loss that is linear in the spectrum. */
const G = [1, -2, 3, 0.5, 4, 7, -7];

const armsOf = (normalisation: NormalisationName): Arm[] => [
  {
    name: 'draft',
    alpha: 1,
    alphaPerMatrix: new Map(),
    expert: {
      normalisation,
      multipliers: new Map(Object.entries(M).map(([name, m]) => [name, Float32Array.from(m)])),
    },
  },
];

/** The loss, by the definition of composing. */
function loss(m: Readonly<Record<string, readonly number[]>>, normalisation: NormalisationName): number {
  let at = 0;
  let total = 0;
  for (const { name, sigma } of MATRICES) {
    const scaled = [...sigma].map((value, i) => value * m[name]![i]!);
    const sum = (values: Iterable<number>) => [...values].reduce((all, value) => all + value, 0);
    const c = normalisation === 'trace' && sum(sigma) > 0 ? sum(sigma) / sum(scaled) : 1;
    for (const value of scaled) total += G[at++]! * value * c;
  }
  return total;
}

describe('the gradient by multipliers', () => {
  for (const normalisation of ['none', 'trace'] as const) {
    test(`under ${normalisation} it is what central differences of the definition say`, () => {
      const gradients = multiplierGradient(MATRICES, armsOf(normalisation), Float64Array.from(G));
      MATRICES.forEach(({ name }, index) => {
        const m = M[name as keyof typeof M];
        m.forEach((value, i) => {
          const moved = (by: number) => loss({ ...M, [name]: m.with(i, value + by) }, normalisation);
          const numeric = (moved(1e-6) - moved(-1e-6)) / 2e-6;
          assert.ok(Math.abs(gradients[index]![i]! - numeric) < 1e-8, `${name}[${i}]: ${numeric}`);
        });
      });
    });
  }

  test('of a mixture it is that of the multipliers it mixes to, with its own α in a matrix and the base beside', () => {
    const [draft] = armsOf('trace');
    const other = armsOf('trace')[0]!.expert!.multipliers;
    const arms: Arm[] = [
      { ...draft!, alpha: 0.75, alphaPerMatrix: new Map([['b', 0.25]]) },
      {
        name: 'other',
        alpha: 0.5,
        alphaPerMatrix: new Map(),
        expert: {
          normalisation: 'trace',
          multipliers: new Map([['a', other.get('a')!.map((value) => 3 - value)]]),
        },
      },
      { name: 'base', expert: null, alpha: 0.125, alphaPerMatrix: new Map() },
    ];
    const mixed = {
      a: M.a.map((value) => 0.75 * value + 0.5 * (3 - value) + 0.125),
      b: M.b.map((value) => 0.25 * value + 0.5 + 0.125),
      zero: M.zero.map((value) => 0.75 * value + 0.5 + 0.125),
    };
    const gradients = multiplierGradient(MATRICES, arms, Float64Array.from(G));
    MATRICES.forEach(({ name }, index) => {
      const m = mixed[name as keyof typeof mixed];
      m.forEach((value, i) => {
        const moved = (by: number) => loss({ ...mixed, [name]: m.with(i, value + by) }, 'trace');
        const numeric = (moved(1e-6) - moved(-1e-6)) / 2e-6;
        assert.ok(Math.abs(gradients[index]![i]! - numeric) < 1e-8, `${name}[${i}]: ${numeric}`);
      });
    });
  });

  test('under trace it has no share along the multipliers: scaling all of a matrix changes nothing', () => {
    const [a] = multiplierGradient(MATRICES, armsOf('trace'), Float64Array.from(G));
    const along = a!.reduce((sum, value, i) => sum + value * M.a[i]!, 0);
    assert.ok(Math.abs(along) < 1e-12);
  });

  test('of the base it is σ∘g', () => {
    const gradients = multiplierGradient(MATRICES, [], Float64Array.from(G));
    assert.deepEqual(
      gradients.map((values) => [...values]),
      [
        [3, -4, 1.5],
        [2.5, 4],
        [0, -0],
      ],
    );
  });
});
