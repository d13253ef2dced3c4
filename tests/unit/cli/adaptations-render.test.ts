import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Adaptation, AdaptationCandidate, JobState } from '#proto/zmesh/v1/adaptation.js';
import { renderAdaptation } from '#services/cli/adaptations/render.js';

const VERSION = 'a'.repeat(64);

function rendered(chosen: AdaptationCandidate, expert: string): string {
  const candidate = (kind: AdaptationCandidate, name = '') => ({ kind, expert: name, score: 0.5 });
  return renderAdaptation(
    Adaptation.fromPartial({
      id: 'one',
      state: JobState.SUCCEEDED,
      result: {
        chosen,
        arms: expert === '' ? [] : [{ expert, alpha: 1 }],
        candidates: [
          candidate(AdaptationCandidate.BASE),
          candidate(AdaptationCandidate.EXPERT, `nano/math@${VERSION}`),
          candidate(AdaptationCandidate.EXPERT, `nano/code@${VERSION}`),
        ],
      },
    } as never),
  );
}

const marked = (text: string): string[] => text.split('\n').filter((line) => /\bchosen\s*$/.test(line));

test('the table of candidates marks the one that was chosen, a single expert too', () => {
  const [math, ...others] = marked(rendered(AdaptationCandidate.EXPERT, `nano/math@${VERSION}`));
  assert.match(math!, /^nano\/math@/);
  assert.deepEqual(others, []);
  assert.match(marked(rendered(AdaptationCandidate.BASE, ''))[0]!, /^base /);
});
