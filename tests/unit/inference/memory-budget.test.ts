import assert from 'node:assert/strict';
import { totalmem } from 'node:os';
import { test } from 'node:test';
import { availableBytes, MemoryBudget } from '#services/inference/memory-budget.js';
import { ZmeshError } from '#shared/errors.js';

const MB = 1e6;

test('models are taken in until one does not fit, which is refused with both numbers', () => {
  const budget = new MemoryBudget(1000 * MB);
  budget.take('one', { weightBytes: 300 * MB, kvBytes: 100 * MB });
  budget.take('two', { weightBytes: 200 * MB, kvBytes: 100 * MB });
  assert.throws(
    () => budget.take('three', { weightBytes: 250 * MB, kvBytes: 100 * MB }),
    (error: unknown) => {
      assert.ok(error instanceof ZmeshError);
      assert.equal(error.reason, 'TOO_LARGE');
      assert.equal(
        error.message,
        'model three needs 350 MB (weights 250 MB, keys and values 100 MB), 300 MB of 1000 MB are left for models',
      );
      assert.deepEqual([error.details.limit, error.details.value], [300 * MB, 350 * MB]);
      return true;
    },
  );
  budget.take('fits', { weightBytes: 200 * MB, kvBytes: 100 * MB });
});

test('without a setting 80 % of what the process may use is the budget', () => {
  const available = availableBytes();
  assert.ok(available > 0 && available <= totalmem());
  const budget = new MemoryBudget(0);
  budget.take('most', { weightBytes: Math.floor(available * 0.79), kvBytes: 0 });
  assert.throws(
    () => budget.take('more', { weightBytes: Math.floor(available * 0.02), kvBytes: 0 }),
    /are left for models/,
  );
});
