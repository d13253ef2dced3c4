import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ZmeshError } from '#shared/errors.js';
import { askPatiently } from '#shared/patience.js';

/** A call that fails with these errors, one after the other, and answers then. */
function failing(...errors: ZmeshError[]): { call: () => Promise<string>; calls: () => number } {
  let calls = 0;
  return {
    calls: () => calls,
    async call() {
      const error = errors[calls];
      calls += 1;
      if (error) throw error;
      return 'done';
    },
  };
}

const late = new ZmeshError('DEADLINE', 'too late');

describe('patience', () => {
  const { signal } = new AbortController();

  test('a full queue is waited for as long as it says', async () => {
    const full = failing(new ZmeshError('QUEUE_FULL', 'full', { retryAfterMs: 20 }));
    const startMs = performance.now();
    assert.equal(await askPatiently('a call', { signal }, full.call), 'done');
    assert.ok(performance.now() - startMs >= 19);
    assert.equal(full.calls(), 2);
  });

  test('a passed deadline is an error unless calls may overrun, and then as often as they may', async () => {
    const once = failing(late);
    await assert.rejects(askPatiently('a call', { signal }, once.call), {
      reason: 'DEADLINE',
      message: /a call: too late/,
    });
    assert.equal(once.calls(), 1);

    const twice = failing(late, late);
    assert.equal(await askPatiently('a call', { signal, overruns: 2 }, twice.call), 'done');
    const thrice = failing(late, late, late);
    await assert.rejects(askPatiently('a call', { signal, overruns: 2 }, thrice.call), {
      reason: 'DEADLINE',
    });
    assert.equal(thrice.calls(), 3);
  });

  test('every other failure is thrown at once, with what was asked', async () => {
    const wrong = failing(new ZmeshError('UNKNOWN_EXPERT', 'no math'));
    await assert.rejects(askPatiently('question 7', { signal, overruns: 2 }, wrong.call), {
      reason: 'UNKNOWN_EXPERT',
      message: 'question 7: no math',
    });
    assert.equal(wrong.calls(), 1);
  });
});
