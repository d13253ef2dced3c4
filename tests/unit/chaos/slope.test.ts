import assert from 'node:assert/strict';
import { test } from 'node:test';
import { floors, slopePerHour } from '../../chaos/slope.js';

const series = (value: (minute: number) => number) =>
  Array.from({ length: 30 }, (_, minute) => ({ hours: minute / 60, value: value(minute) }));

test('the slope is the growth per hour, whatever a few samples do', () => {
  assert.ok(Math.abs(slopePerHour(series((minute) => 100 + minute))! - 60) < 1e-9);
  assert.equal(slopePerHour(series(() => 7)), 0);
  const disturbed = series((minute) => 100 + minute + (minute % 10 === 9 ? 500 : 0));
  assert.ok(Math.abs(slopePerHour(disturbed)! - 60) < 5);
});

test('a saw tooth that comes back to its floor does not grow', () => {
  const teeth = series((minute) => 50 + (minute % 6) * 10);
  assert.equal(slopePerHour(floors(teeth, 6)), 0);
});

test('fewer than two samples have no slope', () => {
  assert.equal(slopePerHour([]), undefined);
  assert.equal(slopePerHour([{ hours: 1, value: 100 }]), undefined);
  assert.equal(slopePerHour(floors(series(() => 7).slice(0, 11), 6)), undefined);
});
