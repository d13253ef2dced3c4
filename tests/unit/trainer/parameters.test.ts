import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layoutOf, pack, unpack } from '#services/trainer/layout.js';
import { chain, multipliersOf, project } from '#services/trainer/parameters.js';

const MODEL = [
  { name: 'l.0.self_attn.q_proj.weight', sigma: Float64Array.of(2, 1) },
  { name: 'l.0.mlp.up_proj.weight', sigma: Float64Array.of(3, 2, 1) },
];

test('a layout keeps the matrices of its choice in the order of the model', () => {
  assert.deepEqual(layoutOf(MODEL, 'all').slots, [
    { name: 'l.0.self_attn.q_proj.weight', offset: 0, length: 2 },
    { name: 'l.0.mlp.up_proj.weight', offset: 2, length: 3 },
  ]);
  assert.deepEqual(layoutOf(MODEL, 'mlp').slots, [{ name: 'l.0.mlp.up_proj.weight', offset: 0, length: 3 }]);
  assert.equal(layoutOf(MODEL, 'attention').size, 2);
  assert.equal(layoutOf(MODEL, 'mlp, l.0.self_attn.q_proj.weight').size, 5);
  assert.throws(() => layoutOf(MODEL.slice(0, 1), 'mlp'), { reason: 'INVALID_FIELD' });
  assert.throws(() => layoutOf(MODEL, 'mlp,l.9.mlp.up_proj.weight'), {
    reason: 'UNKNOWN_MATRIX',
    message: /does not adapt "l.9.mlp.up_proj.weight"/,
  });
});

test('packing and unpacking are each other’s inverse', () => {
  const layout = layoutOf(MODEL, 'all');
  const packed = Float64Array.of(1, 2, 3, 4, 5);
  const cut = unpack(layout, packed);
  assert.deepEqual([...cut.get('l.0.mlp.up_proj.weight')!], [3, 4, 5]);
  assert.deepEqual(pack(layout, cut), packed);
});

test('the chain rule agrees with central differences, at both ends of the sigmoid too', () => {
  const p = Float64Array.of(-8, -0.5, 0, 0.1, 3, 9);
  const byM = Float64Array.of(0.3, -1, 2, 0.7, -0.2, 5);
  for (const kind of ['sigmoid', 'direct'] as const) {
    const gradient = chain(byM, p, kind);
    for (let i = 0; i < p.length; i++) {
      const at = (delta: number): number => {
        const moved = p.slice();
        moved[i]! += delta;
        return multipliersOf(moved, kind).reduce((sum, m, j) => sum + m * byM[j]!, 0);
      };
      const numeric = (at(1e-5) - at(-1e-5)) / 2e-5;
      assert(Math.abs(gradient[i]! - numeric) < 1e-8, `${kind} ${i}: ${gradient[i]} and ${numeric}`);
    }
  }
});

test('direct parameters are clamped at 0, sigmoid ones are free', () => {
  assert.deepEqual([...project(Float64Array.of(-1, 0, 2), 'direct')], [0, 0, 2]);
  assert.deepEqual([...project(Float64Array.of(-1, 0, 2), 'sigmoid')], [-1, 0, 2]);
});
