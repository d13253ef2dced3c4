import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EMBEDDED_FOLDER } from '#deploy/local/embedded-model.js';
import { ScoreRequest } from '#proto/zmesh/v1/inference.js';
import { prepareModel } from '#services/inference/model/prepare.js';
import { score } from '#services/inference/score.js';
import { unpack } from '#services/trainer/layout.js';
import { promptOf } from '#services/trainer/trials-options.js';
import { type DenseModel, denseWeight, openDenseModel, serveDense } from '../../evidence/lora/dense-model.js';
import { loraLayout, loraShape, mergeLora } from '../../evidence/lora/shape.js';
import { loraTrials } from '../../evidence/lora/trials.js';
import { questionsOf } from '../../evidence/mesh.js';
import { randomNumbers } from '../../support/random-numbers.js';

const signal = AbortSignal.timeout(60_000);
const NO_REWARDS = { of: async () => [], close: () => {} };

describe('the LoRA baseline on octo-nano', () => {
  let scratch: string;
  let model: DenseModel;
  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'zmesh-lora-'));
    const target = join(scratch, 'factored');
    await prepareModel({
      checkpoint: EMBEDDED_FOLDER,
      name: 'octo-nano',
      target,
      adapt: 'mlp',
      replace: false,
      onEvent: () => {},
    });
    model = await openDenseModel(target, scratch);
  });
  after(() => rm(scratch, { recursive: true, force: true }));

  it('is differentiated at the policy that answers: log-probabilities are those of the merged weights that are served', async (t) => {
    const shape = loraShape(model.prepared, { rank: 4, targets: 'q,v,mlp' });
    const layout = loraLayout(shape);
    const values = randomNumbers(layout.size, 3).map((value) => 0.3 * value);
    const multipliers = unpack(layout, values);
    const trials = loraTrials({ model, shape, rewards: NO_REWARDS, scratch });
    t.after(() => trials.close());
    const items = (await questionsOf('ordering', 'test')).slice(0, 6);
    const texts = items.map(({ answers }) => answers[0]!);
    const tokens = await trials.tokenise(items, texts, signal);
    const seeds = items.map(() => 0n);
    const greedy = { items, seeds, samples: 1, temperature: 0, topP: 1, normalisation: 'none' as const };
    const base = await trials.sample({ ...greedy, multipliers: undefined }, signal);
    const moved = await trials.sample({ ...greedy, multipliers }, signal);
    assert.notDeepEqual(moved, base, 'A and B change what is answered');
    const { logProbs } = await trials.gradient(
      {
        multipliers,
        normalisation: 'none',
        klDirection: 'policy-to-reference',
        answers: items.map((item, i) => ({ item, tokenIds: tokens[i]!, weight: 1, klWeight: 0 })),
      },
      signal,
    );
    const merged = new Map(
      shape.linears.map(({ name, rows, columns }) => {
        const factors = { a: multipliers.get(`${name}.A`)!, b: multipliers.get(`${name}.B`)! };
        return [name, mergeLora(denseWeight(model, name), factors, { ...shape, rows, columns })];
      }),
    );
    const { served, close } = await serveDense(model, join(scratch, 'served'), merged);
    t.after(close);
    for (const [i, item] of items.entries()) {
      const { scores } = await score(
        served,
        ScoreRequest.create({
          prompt: promptOf(item),
          continuations: [{ input: { $case: 'text', value: texts[i]! }, endOfTurn: true }],
        }),
        { signal, deadline: undefined, ageMs: 0, promptBytesMax: 1 << 20 },
      );
      const expected = scores[0]!.logLikelihood;
      const off = Math.abs(logProbs[i]! - expected);
      assert.ok(off < 1e-3 * Math.max(1, Math.abs(expected)), `${item.id}: ${logProbs[i]}, ${expected}`);
    }
  });
});
