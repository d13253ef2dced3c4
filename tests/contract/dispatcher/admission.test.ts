import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ZmeshError } from '#shared/errors.js';
import { ask, NONE, startBench } from './harness.js';

const full = new ZmeshError('QUEUE_FULL', '8 interactive requests wait; the limit is 8', {
  limit: 8,
  value: 8,
  retryAfterMs: 8000,
});

test('what inference refused one caller is told to others like him at the door, and inference does not hear of them', async (t) => {
  const { client, inference } = await startBench(t);
  let asked = 0;
  inference.before = async (what) => {
    if (what !== 'generate') return;
    asked += 1;
    throw full;
  };
  const refused = (timeoutMs: number): Promise<ZmeshError> =>
    client.complete({ request: ask(NONE) }, { timeoutMs }).then(
      () => assert.fail('answered'),
      (error) => ZmeshError.from(error),
    );
  for (const error of [await refused(5000), await refused(5000), await refused(1000)]) {
    const { reason, code, message, retryAfterMs } = error;
    assert.deepEqual([reason, code, retryAfterMs], ['QUEUE_FULL', 'RESOURCE_EXHAUSTED', 8000]);
    assert.match(message, /the limit is 8/);
    assert.deepEqual([Number(error.limit), Number(error.value)], [8, 8]);
  }
  assert.equal(asked, 1);
  await refused(60_000);
  assert.equal(asked, 2, 'one who waits longer may have better luck');
});
