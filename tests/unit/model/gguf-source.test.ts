import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { rotaryFrequencies } from '#services/inference/graph/rotary-tables.js';
import { readSource } from '#services/inference/model/read-source.js';
import type { CheckpointSource } from '#services/inference/model/source.js';
import { readWeight } from '#services/inference/model/weight-place.js';
import { ZmeshError } from '#shared/errors.js';
import { projectRoot } from '#shared/paths.js';
import { ggufOfFolder } from '../../support/gguf-of-folder.js';

const GOLDENS = join(projectRoot, 'tests/golden/models');
const folder = await mkdtemp(join(tmpdir(), 'zmesh-gguf-'));
after(() => rm(folder, { recursive: true, force: true }));

async function weightsOf(source: CheckpointSource): Promise<Map<string, Float32Array>> {
  const checkpoint = await source.open();
  try {
    const weights = new Map<string, Float32Array>();
    for (const { name, place, floats } of checkpoint.weights) {
      const whole = await readWeight(place);
      const pieces: number[] = [];
      for await (const piece of floats()) pieces.push(...piece);
      assert.deepEqual(Float32Array.from(pieces), whole, `${name} in pieces`);
      weights.set(name, whole);
    }
    return weights;
  } finally {
    await checkpoint.close();
  }
}

for (const [model, parts] of [
  ['llama-tied-gqa', 1],
  ['llama-tied-gqa', 3],
  ['llama3-rope', 1],
  ['mistral-window', 1],
  ['qwen2-bias', 2],
  ['qwen3-qknorm', 1],
] as const) {
  test(`${model} as GGUF in ${parts} part${parts > 1 ? 's' : ''} is the folder: config, and every weight in its rows`, async () => {
    const original = await readSource(join(GOLDENS, model));
    const gguf = await readSource(
      ggufOfFolder(join(GOLDENS, model), join(folder, `${model}-${parts}`), parts),
    );
    const { ropeScaling: _, ...computation } = original.config;
    const { ropeScaling: __, ropeDivisors: ___, ...imported } = gguf.config;
    // The file holds the epsilon as f32.
    assert.ok(Math.abs(imported.normEpsilon - computation.normEpsilon) < 1e-12);
    assert.deepEqual({ ...imported, normEpsilon: 0 }, { ...computation, normEpsilon: 0 });
    assert.deepEqual([gguf.bosTokenId, gguf.eosTokenIds, gguf.files.length], [1, [2], parts]);
    assert.deepEqual(await weightsOf(gguf), await weightsOf(original));
  });
}

test('rope_freqs gives the frequencies that llama3 scaling gives', async () => {
  const original = await readSource(join(GOLDENS, 'llama3-rope'));
  const gguf = await readSource(ggufOfFolder(join(GOLDENS, 'llama3-rope'), join(folder, 'rope')));
  assert.equal(gguf.config.ropeScaling, null);
  const wanted = rotaryFrequencies(original.config);
  rotaryFrequencies(gguf.config).forEach((frequency, i) => {
    assert.ok(
      Math.abs(frequency - wanted[i]!) <= 1e-7 * wanted[i]!,
      `${i}: ${frequency} against ${wanted[i]}`,
    );
  });
});

test('a missing part is refused by its name', async () => {
  const first = ggufOfFolder(join(GOLDENS, 'qwen2-bias'), join(folder, 'cut'), 2);
  await rm(first.replace('00001-of', '00002-of'));
  await assert.rejects(
    readSource(first),
    (error: unknown) =>
      error instanceof ZmeshError && /cut-00002-of-00002\.gguf: there is no such file/.test(error.message),
  );
});
