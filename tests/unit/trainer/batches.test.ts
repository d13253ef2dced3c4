import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchOf } from '#services/trainer/batches.js';
import { drawSeed, drawStream, normals } from '#services/trainer/draws.js';

const PLAN = { seed: 7n, items: 23, prompts: 5, order: 'epoch' } as const;

test('no question comes twice within an epoch, and epochs differ', () => {
  const epochs = [0, 1, 2].map((epoch) => [0, 1, 2, 3].map((i) => batchOf(PLAN, epoch * 4 + i)));
  for (const batches of epochs) {
    const asked = batches.flat();
    assert.equal(asked.length, 20);
    assert.equal(new Set(asked).size, 20);
    assert.ok(asked.every((index) => index >= 0 && index < 23));
  }
  assert.notDeepEqual(epochs[0], epochs[1]);
});

test('a batch depends on the seed and the step alone', () => {
  assert.deepEqual(batchOf(PLAN, 11), batchOf(PLAN, 11));
  assert.notDeepEqual(batchOf(PLAN, 11), batchOf({ ...PLAN, seed: 8n }, 11));
});

test('independent batches hold no question twice either, and may share some', () => {
  const plan = { ...PLAN, order: 'independent' } as const;
  const batches = Array.from({ length: 40 }, (_, step) => batchOf(plan, step));
  for (const batch of batches) assert.equal(new Set(batch).size, 5);
  assert.ok(batches.slice(0, 4).flat().length > new Set(batches.slice(0, 4).flat()).size);
});

test('every question is as likely in a batch as every other', () => {
  const counts = new Array<number>(23).fill(0);
  for (let step = 0; step < 4600; step++)
    for (const i of batchOf({ ...PLAN, order: 'independent' }, step)) counts[i]!++;
  // Binomial(4600, 5/23): mean 1000, standard deviation 28.
  for (const count of counts) assert(Math.abs(count - 1000) < 5 * 28, String(count));
});

test('a batch is never larger than the split', () => {
  assert.equal(batchOf({ ...PLAN, prompts: 256 }, 3).length, 23);
});

test('draws of different purposes, steps and indices have nothing in common', () => {
  const key = { seed: 1n, step: 2, purpose: 'rollout', index: 3 };
  const seeds = [
    key,
    { ...key, seed: 2n },
    { ...key, step: 3 },
    { ...key, purpose: 'batch' },
    { ...key, index: 2 },
    { ...key, step: 23, index: 3 },
    { ...key, seed: -1n },
  ].map(drawSeed);
  assert.equal(new Set(seeds).size, seeds.length);
  // Pinned: a run that was stored before an update must draw the same after it.
  assert.equal(seeds[0], PINNED);
});

/** By Python: int.from_bytes(sha256(b"zmesh-draw-1\n1\n2\nrollout\n3").digest()[:8], "little"). */
const PINNED = 4095238355228604075n;

test('normal numbers are normal', () => {
  const values = normals(drawStream({ seed: 1n, step: 0, purpose: 'test', index: 0 }), 20_001);
  const moment = (k: number): number => values.reduce((sum, v) => sum + v ** k, 0) / values.length;
  assert(Math.abs(moment(1)) < 0.03 && Math.abs(moment(2) - 1) < 0.04);
  assert(Math.abs(moment(3)) < 0.1 && Math.abs(moment(4) - 3) < 0.25);
});
