import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from '#shared/paths.js';
import { type VerifierSpec, verify } from '#shared/tasks/verifier.js';
import { question } from './check.js';

interface Cases {
  readonly golds: readonly (string | null)[];
  readonly options?: readonly number[];
  readonly answers: readonly string[];
  /** What the published code says, by gold, then by answer. */
  readonly right: readonly (readonly boolean[])[];
}

const GOLDEN = join(projectRoot, 'tests/golden/verifiers/official-cases.json');
const { number, choice, math } = JSON.parse(readFileSync(GOLDEN, 'utf8')) as Record<string, Cases>;

/** Cases on which a verifier and the published code differ, as `gold | answer`. */
async function differences(
  cases: Cases,
  specOf: (gold: string, i: number) => VerifierSpec,
): Promise<string[]> {
  const found: string[] = [];
  for (const [g, gold] of cases.golds.entries())
    for (const [a, answer] of cases.answers.entries()) {
      const { correct } = await verify(answer, question(specOf(gold ?? '', g)));
      if (correct !== cases.right[g]![a]) found.push(`${gold} | ${answer}`);
    }
  return found;
}

test('official final-number says what the published code says', async () => {
  const found = await differences(number!, (value) => ({
    type: 'final-number',
    value,
    extraction: 'official',
  }));
  assert.deepEqual(found, []);
});

test('official multiple-choice says what the published code says', async () => {
  const found = await differences(choice!, (value, i) => ({
    type: 'multiple-choice',
    value,
    options: choice!.options![i]!,
    extraction: 'official',
  }));
  assert.deepEqual(found, []);
});

test('official math says what the published code says, but for expressions with variables', async () => {
  const found = await differences(math!, (value) => ({ type: 'math', value, extraction: 'official' }));
  assert.deepEqual(found, []);
});
