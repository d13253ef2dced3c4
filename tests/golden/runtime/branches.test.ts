import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StepRow } from '#services/inference/runtime/runtime.js';
import { serveCheckpoint } from './fixture.js';
import { feed, nextRow, relativeError, sequenceMaker } from './sequence.js';

const BRANCHES = [[5, 9, 200], [77], [5, 9, 14, 250]];
const FULL = { topK: 0, fullLogits: true, targets: null };

// The window of mistral's checkpoint is shorter than the prompt, so it cuts through trunk and branches.
for (const name of ['llama-tied-gqa', 'mistral-window', 'qwen3-qknorm']) {
  describe(`branches of one row, ${name}`, () => {
    for (const stored of [0, 10, 22]) {
      it(`equal rows of their own, with ${stored} of the trunk's 23 tokens in pages`, async () => {
        const served = await serveCheckpoint(name);
        const { runtime, golden } = served;
        const spectrum = runtime.addSpectrum(await served.spectrum(golden.adapted[1]!));
        const trunk = golden.prompts[2]!;
        const make = sequenceMaker(runtime);
        const separate = BRANCHES.map((branch) => make([...trunk, ...branch], spectrum));
        const expected = await feed(runtime, separate, [1000, 1000, 1000]);

        const tree = make(trunk, spectrum);
        if (stored > 0) await runtime.step([nextRow(tree, stored)], FULL);
        tree.past = stored;
        const result = await runtime.step([treeRow(nextRow(tree, trunk.length), trunk.length, stored)], FULL);

        const width = runtime.info.vocabularySize;
        let from = (trunk.length - stored) * width;
        for (const [index, branch] of BRANCHES.entries()) {
          const got = result.logits!.subarray(from, from + branch.length * width);
          from += got.length;
          const error = relativeError(got, expected[index]!.subarray(trunk.length * width));
          assert.ok(error < 1e-5, `branch ${index}: ${error}`);
        }
        await served.close();
      });
    }

    it('store nothing of themselves: the trunk goes on as if they had not been', async () => {
      const served = await serveCheckpoint(name);
      const { runtime, golden } = served;
      const spectrum = runtime.addSpectrum(await served.spectrum(null));
      const trunk = golden.prompts[2]!;
      const make = sequenceMaker(runtime);
      const tree = make(trunk, spectrum);
      await runtime.step([treeRow(nextRow(tree, trunk.length), trunk.length, 0)], FULL);
      tree.past = trunk.length;
      tree.tokens.push(40, 41);
      const after = await runtime.step([nextRow(tree, 2)], FULL);
      const [expected] = await feed(runtime, [make([...trunk, 40, 41], spectrum)], [1000]);
      const error = relativeError(
        after.logits!,
        expected!.subarray(trunk.length * runtime.info.vocabularySize),
      );
      assert.ok(error < 1e-5, `${error}`);
      await served.close();
    });
  });
}

/** Appends the branches to a row that ends with the trunk's last token. */
function treeRow(row: StepRow, trunkLength: number, stored: number): StepRow {
  const trunk = trunkLength - stored;
  const tokens = Int32Array.from([...row.tokens, ...BRANCHES.flat()]);
  const offsets = BRANCHES.flatMap((branch) => branch.map((_, i) => trunkLength + i));
  return {
    ...row,
    tokens,
    positions: Int32Array.from([...row.positions, ...offsets]),
    branches: Int32Array.from([
      ...new Array<number>(trunk).fill(-1),
      ...BRANCHES.flatMap((branch, index) => branch.map(() => index)),
    ]),
    store: trunk,
    wanted: tokens.map((_, i) => i),
  };
}
