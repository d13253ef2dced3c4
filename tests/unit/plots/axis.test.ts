import assert from 'node:assert/strict';
import { test } from 'node:test';
import { axisRange, rangeOf, tickLabel, ticks } from '#shared/plots/axis.js';

test('ticks are round numbers inside the range', () => {
  assert.deepEqual(ticks({ low: 0, high: 1 }, 5), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(ticks({ low: -1, high: 1 }, 4), [-1, -0.5, 0, 0.5, 1]);
  assert.deepEqual(ticks({ low: 3, high: 47 }, 5), [10, 20, 30, 40]);
  assert.deepEqual(ticks({ low: 0.0001, high: 0.0004 }, 3), [0.0001, 0.0002, 0.0003, 0.0004]);
});

test('ticks of any range lie in it, rise and are not many', () => {
  for (let i = 1; i < 400; i++) {
    const low = Math.sin(i) * 10 ** ((i % 13) - 6);
    const range = { low, high: low + Math.abs(Math.cos(i * 7)) * 10 ** ((i % 11) - 5) + 1e-9 };
    const found = ticks(range);
    assert(found.length <= 8, `${found.length} ticks`);
    found.forEach((tick, k) => {
      const spare = (range.high - range.low) * 1e-6;
      assert(tick >= range.low - spare && tick <= range.high + spare);
      if (k > 0) assert(tick > found[k - 1]!);
    });
  }
});

test('labels are short and have a real minus sign', () => {
  assert.deepEqual([0, 0.30000000000000004, -0.25, 123456, 1e6, 2e-5, -1e-7].map(tickLabel), [
    '0',
    '0.3',
    '−0.25',
    '123456',
    '1e6',
    '2e−5',
    '−1e−7',
  ]);
});

test('a range leaves out what is not finite and is never empty', () => {
  assert.deepEqual(rangeOf([3, Number.NaN, -1, Number.POSITIVE_INFINITY]), { low: -1, high: 3 });
  assert.deepEqual(rangeOf([]), { low: 0, high: 1 });
  assert.deepEqual(rangeOf([5, 5]), { low: 4.5, high: 5.5 });
  assert.deepEqual(rangeOf([0]), { low: -1, high: 1 });
  assert.deepEqual(axisRange({ label: '', low: 0, high: 0 }, [1]), { low: 0, high: 1 });
});
