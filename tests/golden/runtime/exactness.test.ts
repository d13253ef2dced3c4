import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CHECKPOINTS, type Served, serveCheckpoint } from './fixture.js';
import { feed, greedy, relativeError, sequenceMaker } from './sequence.js';

/** Largest error of a logit, relative to the largest logit. */
const TOLERANCE = 2e-4;

for (const name of CHECKPOINTS) {
  describe(`${name}, all linears factored`, () => {
    let served: Served;
    before(async () => {
      served = await serveCheckpoint(name);
    });
    after(() => served.close());

    /** Every way of adapting with the spectrum's handle; the base first. */
    const arms = async () => {
      const { golden, runtime } = served;
      const all = [{ tag: 'base', greedy: golden.greedy, adapted: null }].concat(
        golden.adapted.map((adapted) => ({ tag: adapted.tag, greedy: adapted.greedy, adapted }) as never),
      );
      return Promise.all(
        all.map(async ({ tag, greedy: tokens, adapted }) => ({
          tag,
          tokens,
          spectrum: runtime.addSpectrum(await served.spectrum(adapted)),
        })),
      );
    };

    for (const [way, piece] of [
      ['in one piece', 1000],
      ['in chunks of 7', 7],
      ['token by token', 1],
    ] as const) {
      it(`gives PyTorch's logits for every adaptation, alone, ${way}`, async () => {
        for (const arm of await arms()) {
          for (const [index, prompt] of served.golden.prompts.entries()) {
            const sequence = sequenceMaker(served.runtime)(prompt, arm.spectrum);
            const [logits] = await feed(served.runtime, [sequence], [piece]);
            const error = relativeError(logits!, await served.logits(arm.tag, index));
            assert.ok(error <= TOLERANCE, `${arm.tag}, prompt ${index}: error ${error}`);
          }
        }
      });
    }

    it('gives the same logits in ragged batches where every row has another adaptation and pace', async () => {
      const all = await arms();
      const make = sequenceMaker(served.runtime);
      const cases = all.flatMap((arm) =>
        served.golden.prompts.map((prompt, index) => ({ arm, prompt, index })),
      );
      const sequences = cases.map(({ arm, prompt }) => make(prompt, arm.spectrum));
      const logits = await feed(
        served.runtime,
        sequences,
        cases.map((_, i) => [1000, 1, 5, 16, 9][i % 5]!),
      );
      for (const [i, { arm, index }] of cases.entries()) {
        const error = relativeError(logits[i]!, await served.logits(arm.tag, index));
        assert.ok(error <= TOLERANCE, `${arm.tag}, prompt ${index}: error ${error}`);
      }
    });

    it("decodes PyTorch's greedy tokens for every adaptation in one batch", async () => {
      const all = await arms();
      const make = sequenceMaker(served.runtime);
      const sequences = all.flatMap((arm) =>
        served.golden.prompts.map((prompt) => make(prompt, arm.spectrum)),
      );
      const got = await greedy(served.runtime, sequences, 16);
      assert.deepEqual(
        got,
        all.flatMap((arm) => arm.tokens),
      );
    });
  });

  describe(`${name}, nothing factored`, () => {
    it("gives PyTorch's base logits", async () => {
      const served = await serveCheckpoint(name, 'none');
      const spectrum = served.runtime.addSpectrum(new Float32Array(0));
      for (const [index, prompt] of served.golden.prompts.entries()) {
        const [logits] = await feed(
          served.runtime,
          [sequenceMaker(served.runtime)(prompt, spectrum)],
          [1000],
        );
        const error = relativeError(logits!, await served.logits('base', index));
        assert.ok(error <= TOLERANCE, `prompt ${index}: error ${error}`);
      }
      await served.close();
    });
  });
}
