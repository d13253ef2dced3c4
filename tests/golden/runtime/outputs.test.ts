import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createOnnxRuntime } from '#services/inference/runtime/onnx-runtime.js';
import type { SpectrumHandle, StepRow } from '#services/inference/runtime/runtime.js';
import { ZmeshError } from '#shared/errors.js';
import { type Served, serveCheckpoint } from './fixture.js';
import { nextRow, sequenceMaker } from './sequence.js';

describe('outputs of a step', () => {
  let served: Served;
  let spectrum: SpectrumHandle;
  let rows: StepRow[];
  before(async () => {
    served = await serveCheckpoint('qwen2-bias');
    spectrum = served.runtime.addSpectrum(await served.spectrum(null));
    const make = sequenceMaker(served.runtime);
    const [long, short] = [
      make(served.golden.prompts[2]!, spectrum),
      make(served.golden.prompts[1]!, spectrum),
    ];
    rows = [
      { ...nextRow(long, 1000), wanted: Int32Array.of(0, 11, 22) },
      { ...nextRow(short, 1000), wanted: new Int32Array(0) },
      { ...nextRow(short, 1000), wanted: Int32Array.of(6) },
    ];
  });
  after(() => served.close());

  it('are the wanted tokens in the order of rows, and agree with the whole logits', async () => {
    const targets = Int32Array.of(5, -1, 319, 0);
    const result = await served.runtime.step(rows, { topK: 7, fullLogits: true, targets });
    const width = served.runtime.info.vocabularySize;
    const golden = await served.logits('base', 2);
    assert.equal(result.logits!.length, 4 * width);
    for (const [index, token] of [0, 11, 22].entries()) {
      assert.ok(Math.abs(result.logits![index * width]! - golden[token * width]!) < 1e-4, `row ${index}`);
    }
    for (let index = 0; index < 4; index += 1) {
      const logits = [...result.logits!.subarray(index * width, (index + 1) * width)];
      const order = logits.map((_, i) => i).sort((a, b) => logits[b]! - logits[a]!);
      assert.deepEqual([...result.topIds!.subarray(index * 7, index * 7 + 7)], order.slice(0, 7));
      assert.deepEqual(
        [...result.topValues!.subarray(index * 7, index * 7 + 7)],
        order.slice(0, 7).map((i) => logits[i]),
      );
      const sum = logits.reduce((total, value) => total + Math.exp(value - logits[order[0]!]!), 0);
      const logSumExp = logits[order[0]!]! + Math.log(sum);
      assert.ok(Math.abs(result.logSumExp[index]! - logSumExp) < 1e-5, `log Σ exp of ${index}`);
      if (targets[index] !== -1) assert.equal(result.targetLogits![index], logits[targets[index]!]);
    }
  });

  it('are null where they are not asked for', async () => {
    const { logSumExp, ...rest } = await served.runtime.step(rows, {
      topK: 0,
      fullLogits: false,
      targets: null,
    });
    assert.equal(logSumExp.length, 4);
    assert.deepEqual(rest, { topValues: null, topIds: null, logits: null, targetLogits: null });
  });

  it('are empty where no token is wanted', async () => {
    const silent = rows.map((row) => ({ ...row, wanted: new Int32Array(0) }));
    const result = await served.runtime.step(silent, {
      topK: 3,
      fullLogits: true,
      targets: new Int32Array(0),
    });
    assert.equal(result.logSumExp.length, 0);
    assert.equal(result.logits, null);
  });

  it('are refused for our own mistakes: a spectrum that is gone, too few pages, two steps at a time', async () => {
    const { runtime } = served;
    const gone = runtime.addSpectrum(await served.spectrum(null));
    runtime.removeSpectrum(gone);
    const outputs = { topK: 0, fullLogits: false, targets: null };
    await assert.rejects(
      runtime.step([{ ...rows[0]!, spectrum: gone }], outputs),
      /spectrum \d+ is resident/,
    );
    await assert.rejects(
      runtime.step([{ ...rows[0]!, pages: Int32Array.of(0) }], outputs),
      /pages for 16 positions hold 0 and 23 more/,
    );
    const running = runtime.step(rows, outputs);
    await assert.rejects(runtime.step(rows, outputs), /one step runs at a time/);
    await running;
  });
});

describe('a runtime that cannot start', () => {
  it('says how many bytes one page needs', async () => {
    const served = await serveCheckpoint('qwen2-bias', 'none');
    const { folder, model } = served.prepared;
    await assert.rejects(
      createOnnxRuntime({ folder, model, kvBytes: 1000, threads: 1 }),
      (error: ZmeshError) => {
        assert.equal(error.reason, 'KV_CACHE_EXCEEDED');
        assert.match(
          error.message,
          /KV storage of 1000 bytes holds no page: at least 16384 bytes are needed/,
        );
        return true;
      },
    );
    await served.close();
  });

  it('names the file that is missing', async () => {
    const served = await serveCheckpoint('qwen2-bias', 'mlp');
    const { folder, model } = served.prepared;
    const name = 'model.layers.1.mlp.down_proj.weight';
    await rm(join(folder, 'factors', `${name}.safetensors`));
    await assert.rejects(
      createOnnxRuntime({ folder, model, kvBytes: 1 << 20, threads: 1 }),
      (error: ZmeshError) => {
        assert.ok(error instanceof ZmeshError);
        assert.equal(error.reason, 'CORRUPT');
        assert.match(error.message, /layers\.1\.mlp\.down_proj\.weight\.safetensors/);
        return true;
      },
    );
    await served.close();
  });

  it('names the tensor that is not as the config says', async () => {
    const served = await serveCheckpoint('qwen2-bias', 'mlp');
    const { folder, model } = served.prepared;
    const wider = { ...model, config: { ...model.config, vocabularySize: 321 } };
    await assert.rejects(
      createOnnxRuntime({ folder, model: wider, kvBytes: 1 << 20, threads: 1 }),
      (error: ZmeshError) => {
        assert.equal(error.reason, 'CORRUPT');
        assert.match(
          error.message,
          /tensor `model\.embed_tokens\.weight` should be F32 \[321,64\] and is F32 \[320,64\]/,
        );
        return true;
      },
    );
    await served.close();
  });
});
