import assert from 'node:assert/strict';
import { itemFaults } from '#shared/tasks/item-faults.js';
import type { TaskItem } from '#shared/tasks/task.js';
import { type VerifierSpec, verify } from '#shared/tasks/verifier.js';

/** A question that is judged so. */
export function question(verifier: VerifierSpec): TaskItem {
  return { id: 'a', prompt: 'What?', system: undefined, answers: [], maxTokens: undefined, verifier };
}

/** Asserts that a specification is sound, and for each [answer, right or wrong] the verdict and that its reward is ±1. */
export async function check(
  verifier: VerifierSpec,
  cases: readonly (readonly [answer: string, right: boolean])[],
): Promise<void> {
  assert.deepEqual(itemFaults({ id: 'a', prompt: 'What?', verifier }), []);
  for (const [answer, right] of cases) {
    const { correct, reward, detail } = await verify(answer, question(verifier));
    const what = `${JSON.stringify(verifier)}: ${answer}`;
    assert.equal(correct, right, `${what}: ${detail}`);
    assert.equal(reward, right ? 1 : -1, what);
    assert.notEqual(detail, '', what);
  }
}
