import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runPool } from '#shared/pool.js';
import { createTurnstile } from '#shared/turnstile.js';

/** Counts turns of the event loop until it is stopped. */
function countTurns(): { readonly turns: () => number; stop(): void } {
  let [turns, stopped] = [0, false];
  const next = (): void => {
    turns++;
    if (!stopped) setImmediate(next);
  };
  setImmediate(next);
  return {
    turns: () => turns,
    stop: () => {
      stopped = true;
    },
  };
}

test('a turnstile lets one caller through at each turn of the event loop, in their order', async () => {
  const turnstile = createTurnstile();
  const { turns, stop } = countTurns();
  const passed: (readonly [caller: number, turn: number])[] = [];
  await Promise.all(
    Array.from({ length: 20 }, (_, caller) => turnstile().then(() => passed.push([caller, turns()]))),
  );
  stop();
  assert.deepEqual(
    passed.map(([caller]) => caller),
    Array.from({ length: 20 }, (_, i) => i),
  );
  assert.equal(new Set(passed.map(([, turn]) => turn)).size, 20);
});

test('a pool begins one job at each turn of the event loop, and runs as many at once as it may', async () => {
  const { turns, stop } = countTurns();
  const begun: number[] = [];
  let [running, most] = [0, 0];
  await runPool(Array.from({ length: 30 }), { concurrency: 8 }, async () => {
    begun.push(turns());
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 20));
    running--;
  });
  stop();
  assert.equal(new Set(begun.slice(0, 8)).size, 8);
  assert.equal(begun.length, 30);
  assert.equal(most, 8);
});
