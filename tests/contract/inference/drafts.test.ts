import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Normalisation } from '#proto/zmesh/v1/common.js';
import { ExpertSpec } from '#proto/zmesh/v1/expert_registry.js';
import { Continuation, LoadMultipliersRequest, ScoreRequest } from '#proto/zmesh/v1/inference.js';
import { DraftStore } from '#services/inference/drafts.js';
import type { ZmeshError } from '#shared/errors.js';
import { checkExpertName } from '#shared/svf/names.js';
import { writeVectors } from '#shared/svf/vectors.js';
import { expertVersion } from '#shared/svf/version.js';
import { fakePrepared } from '../../support/fake-engine.js';
import { fakeLogit, fakeLogSumExp, fakeNext } from '../../support/fake-runtime.js';
import { type InferenceHarness, ids, SIGMA, startInferenceHarness } from './harness.js';

const V = 497;
const vectorsOf = (m: number, name = 'w') => writeVectors(new Map([[name, Float32Array.of(m)]]));

describe('LoadMultipliers', () => {
  let harness: InferenceHarness;
  before(async () => {
    harness = await startInferenceHarness();
  });
  after(() => harness.stop());

  const load = (given: Partial<LoadMultipliersRequest>) =>
    harness.client.loadMultipliers(
      LoadMultipliersRequest.create({ normalisation: Normalisation.NONE, ...given }),
    );
  const scoreUnder = async (expert: string): Promise<number> => {
    const { scores } = await harness.client.score(
      ScoreRequest.create({
        prompt: ids(4, 5),
        mixture: { arms: [{ expert, alpha: 1, alphaPerMatrix: {} }] },
        continuations: [Continuation.create({ input: { $case: 'tokens', value: { ids: [6] } } })],
      }),
    );
    return scores[0]!.logLikelihood;
  };

  test('multipliers that no registry knows are served under the hash of their content', async () => {
    const { expert, draftsMax, leaseMs } = await load({ vectors: vectorsOf(1.5) });
    const { basisId } = fakePrepared();
    const spec = ExpertSpec.create({
      model: 'fake',
      name: 'draft',
      basisId,
      normalisation: Normalisation.NONE,
    });
    assert.equal(expert, `draft@${expertVersion(spec, new Map([['w', Float32Array.of(1.5)]]))}`);
    assert.deepEqual([draftsMax, leaseMs], [4, 60_000n]);
    const best = fakeNext([4, 5], SIGMA * 1.5, V);
    assert.ok(Math.abs((await scoreUnder(expert)) - (fakeLogit(6, best, V) - fakeLogSumExp(V))) < 1e-4);
    assert.equal((await load({ vectors: vectorsOf(1.5) })).expert, expert, 'loading again changes nothing');
    assert.notEqual((await load({ vectors: vectorsOf(1.25) })).expert, expert);
    const traced = await load({ vectors: vectorsOf(1.5), normalisation: Normalisation.TRACE });
    assert.notEqual(traced.expert, expert, 'the normalisation is part of the content');
  });

  test('a draft that gave way is refused with UNKNOWN_EXPERT, even while its spectrum is resident', async () => {
    const { expert } = await load({ vectors: vectorsOf(2) });
    await scoreUnder(expert);
    for (const m of [3, 4, 5, 6]) await load({ vectors: vectorsOf(m) });
    await assert.rejects(scoreUnder(expert), (error: ZmeshError) => {
      assert.equal(error.reason, 'UNKNOWN_EXPERT');
      assert.match(error.message, /LoadMultipliers/);
      assert.equal(error.details.names?.expert, expert);
      return true;
    });
    assert.equal((await load({ vectors: vectorsOf(2) })).expert, expert);
    await scoreUnder(expert);
  });

  test('what does not fit the model is refused by its reason', async () => {
    const refused = (given: Partial<LoadMultipliersRequest>, reason: string) =>
      assert.rejects(load(given), (error: ZmeshError) => error.reason === reason);
    await refused({}, 'MISSING_FIELD');
    await refused({ vectors: vectorsOf(1), normalisation: Normalisation.UNSPECIFIED }, 'INVALID_FIELD');
    await refused({ vectors: Buffer.from('no file') }, 'BAD_SAFETENSORS');
    await refused({ vectors: vectorsOf(Number.NaN) }, 'BAD_MULTIPLIER');
    await refused({ vectors: vectorsOf(-1) }, 'BAD_MULTIPLIER');
    await refused({ vectors: vectorsOf(1, 'other') }, 'UNKNOWN_MATRIX');
    await refused({ vectors: writeVectors(new Map([['w', Float32Array.of(1, 2)]])) }, 'WRONG_SHAPE');
    await refused({ vectors: vectorsOf(1), model: 'absent' }, 'UNKNOWN_MODEL');
  });

  test('no expert can be published under the name of drafts', () => {
    assert.throws(
      () => checkExpertName('draft', 'spec.name'),
      (error: ZmeshError) => error.reason === 'INVALID_FIELD',
    );
  });
});

describe('draft store', () => {
  const expert = { normalisation: 'none' as const, multipliers: new Map<string, Float32Array>() };

  test('a use renews the lease; one that passed is gone', () => {
    let now = 0;
    const drafts = new DraftStore({ max: 8, leaseMs: 100 }, () => now);
    drafts.put('a', expert);
    drafts.put('b', expert);
    now = 90;
    drafts.get('a');
    now = 150;
    drafts.get('a');
    assert.throws(
      () => drafts.get('b'),
      (error: ZmeshError) => error.reason === 'UNKNOWN_EXPERT',
    );
    assert.equal(drafts.count, 1);
  });

  test('the least recently used gives way', () => {
    const drafts = new DraftStore({ max: 2, leaseMs: 1e9 });
    drafts.put('a', expert);
    drafts.put('b', expert);
    drafts.get('a');
    drafts.put('c', expert);
    drafts.get('a');
    drafts.get('c');
    assert.throws(() => drafts.get('b'));
  });
});
