import assert from 'node:assert/strict';
import { test } from 'node:test';
import { floors, slopePerHour } from '../../chaos/slope.js';

const series = (value: (minute: number) => number) =>
  Array.from({ length: 30 }, (_, minute) => ({ hours: minute / 60, value: value(minute) }));

test('the slope is the growth per hour, whatever a few samples do', () => {
  assert.ok(Math.abs(slopePerHour(series((minute) => 100 + minute))!.perHour - 60) < 1e-9);
  assert.equal(slopePerHour(series(() => 7))!.perHour, 0);
  const disturbed = series((minute) => 100 + minute + (minute % 10 === 9 ? 500 : 0));
  assert.ok(Math.abs(slopePerHour(disturbed)!.perHour - 60) < 5);
});

test('a saw tooth that comes back to its floor does not grow', () => {
  const teeth = series((minute) => 50 + (minute % 6) * 10);
  assert.equal(slopePerHour(floors(teeth, 6))!.perHour, 0);
});

test('fewer than two samples have no slope', () => {
  assert.equal(slopePerHour([]), undefined);
  assert.equal(slopePerHour([{ hours: 1, value: 100 }]), undefined);
  assert.equal(slopePerHour(floors(series(() => 7).slice(0, 11), 6)), undefined);
});

test('the interval holds the growth beneath noise, and is wider where less is known', () => {
  // Noise of ±4 with period 7 on 1 a minute.
  const noisy = series((minute) => 100 + minute + ((minute * 5) % 7) - 3);
  const all = slopePerHour(noisy)!;
  assert.ok(all.low < 60 && 60 < all.high, JSON.stringify(all));
  assert.ok(all.low > 0, 'it grows, and that is certain');
  const few = slopePerHour(noisy.slice(0, 10))!;
  assert.ok(few.high - few.low > all.high - all.low);
});

test('the interval is that of Sen: for ten even samples the 11th and the 35th of 45 slopes', () => {
  // n = 10: 1.96 √(10·9·25/18) = 21.9; ranks (45 − 21.9)/2 = 11.6 and (45 + 21.9)/2 + 1 = 34.4, rounded outwards.
  const bent = Array.from({ length: 10 }, (_, i) => ({ hours: i, value: i ** 2 }));
  const slopes = bent
    .flatMap((a, i) => bent.slice(i + 1).map((b) => a.hours + b.hours))
    .sort((a, b) => a - b);
  const { perHour, low, high } = slopePerHour(bent)!;
  assert.deepEqual([perHour, low, high], [slopes[22], slopes[10], slopes[34]]);
});
