import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Adaptation,
  AdaptationCandidate,
  AdaptationEvent,
  JobState,
  SearchStage,
} from '#proto/zmesh/v1/adaptation.js';
import { renderAdaptation } from '#services/cli/adaptations/render.js';
import { showSearch } from '#services/cli/commands/adapt.js';
import { EXIT } from '#services/cli/exit-codes.js';
import { fakeIo } from '../../support/fake-io.js';

const VERSION = 'a'.repeat(64);

function rendered(
  chosen: AdaptationCandidate,
  expert: string,
  stage: SearchStage = SearchStage.AUTO,
): string {
  const candidate = (kind: AdaptationCandidate, name = '') => ({ kind, expert: name, score: 0.5 });
  return renderAdaptation(
    Adaptation.fromPartial({
      id: 'one',
      state: JobState.SUCCEEDED,
      spec: { settings: { stage } },
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

test('where nothing was answered the table tells no share of right answers', () => {
  assert.match(rendered(AdaptationCandidate.BASE, ''), /^base +0\.50 +\[0\.00, 0\.00\]/m);
  assert.match(rendered(AdaptationCandidate.BASE, '', SearchStage.LIKELIHOOD), /^base +– +–/m);
});

test('Ctrl-C leaves the search alone and says how to come back; another error stays one', async () => {
  const interrupt = new AbortController();
  const io = { ...fakeIo(), signal: interrupt.signal };
  const broken = async function* (): AsyncIterable<AdaptationEvent> {
    yield AdaptationEvent.fromPartial({
      sequence: 1n,
      adaptation: { id: 'one', state: JobState.RUNNING },
    } as never);
    throw new Error('the stream broke');
  };
  await assert.rejects(showSearch(broken(), io, false), /the stream broke/);
  interrupt.abort();
  assert.equal(await showSearch(broken(), io, false), EXIT.interrupted);
  assert.match(io.complained(), /the search goes on: "zmesh adaptations watch one" comes back/);
});
