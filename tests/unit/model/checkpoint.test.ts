import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { modelFingerprint } from '#services/inference/model/fingerprint.js';
import { readSource } from '#services/inference/model/read-source.js';
import { encodeSafetensors } from '#shared/safetensors/safetensors.js';
import {
  asF32,
  copyCheckpoint,
  type EditableWeight,
  editJson,
  editWeights,
  readWeights,
  withLeastBitFlipped,
} from '../../support/checkpoint-folder.js';
import { zmeshError } from '../../support/safetensors-cases.js';

async function fingerprintOf(folder: string): Promise<string> {
  const source = await readSource(folder);
  const checkpoint = await source.open();
  try {
    return await modelFingerprint(source.config, checkpoint.weights);
  } finally {
    await checkpoint.close();
  }
}

async function writeShards(
  folder: string,
  shards: Readonly<Record<string, readonly EditableWeight[]>>,
): Promise<void> {
  const map: Record<string, string> = {};
  for (const [name, weights] of Object.entries(shards)) {
    await writeFile(join(folder, name), encodeSafetensors(weights));
    for (const weight of weights) map[weight.name] = name;
  }
  await rm(join(folder, 'model.safetensors'));
  await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }));
}

test('one model has one fingerprint: as bf16, as f32, in another order, in shards, in the older spelling', async (t) => {
  const folder = await copyCheckpoint(t, 'octo-nano');
  const original = await fingerprintOf(folder);
  assert.match(original, /^[0-9a-f]{64}$/);
  await editWeights(folder, (weights) => weights.map(asF32).reverse());
  assert.equal(await fingerprintOf(folder), original);
  await editJson(folder, 'config.json', {
    rope_theta: undefined,
    rope_parameters: { rope_type: 'default', rope_theta: 10000 },
  });
  assert.equal(await fingerprintOf(folder), original);
  await editJson(folder, 'config.json', { max_position_embeddings: 1024, torch_dtype: 'float32' });
  assert.equal(await fingerprintOf(folder), original);
  const weights = await readWeights(folder);
  await writeShards(folder, {
    'model-00001-of-00002.safetensors': weights.slice(0, 9),
    'model-00002-of-00002.safetensors': weights.slice(9),
  });
  assert.equal(await fingerprintOf(folder), original);
});

test('another weight, by its least bit, or another config is another model', async (t) => {
  const folder = await copyCheckpoint(t, 'qwen2-bias');
  const seen = new Set([await fingerprintOf(folder)]);
  for (const index of [0, 5, 20]) {
    await editWeights(folder, (weights) =>
      weights.map((weight, i) => (i === index ? withLeastBitFlipped(weight) : weight)),
    );
    seen.add(await fingerprintOf(folder));
  }
  for (const fields of [{ rms_norm_eps: 1e-5 }, { rope_parameters: { rope_theta: 5000 } }]) {
    await editJson(folder, 'config.json', fields);
    seen.add(await fingerprintOf(folder));
  }
  assert.equal(seen.size, 6);
});

test('a weight that is not finite is refused with its place', async (t) => {
  const folder = await copyCheckpoint(t, 'qwen2-bias');
  await editWeights(folder, (weights) =>
    weights.map((weight) => {
      if (weight.name !== 'model.norm.weight') return weight;
      const data = new Uint8Array(weight.data);
      new DataView(data.buffer).setFloat32(12, Number.NaN, true);
      return { ...weight, data };
    }),
  );
  const message = /weight model\.norm\.weight holds NaN at element 3; only finite weights can be served/;
  await assert.rejects(fingerprintOf(folder), zmeshError('INVALID_FIELD', message));
});

test('old rotary tables and a second copy of a tied head change nothing', async (t) => {
  const folder = await copyCheckpoint(t, 'llama-tied-gqa');
  const original = await fingerprintOf(folder);
  await editWeights(folder, (weights) => [
    ...weights,
    {
      name: 'model.layers.0.self_attn.rotary_emb.inv_freq',
      dtype: 'F32',
      shape: [10],
      data: new Uint8Array(40),
    },
    { name: 'lm_head.weight', dtype: 'F32', shape: [320, 80], data: new Uint8Array(320 * 80 * 4) },
  ]);
  assert.equal(await fingerprintOf(folder), original);
});

type Change = (folder: string, t: TestContext) => Promise<unknown>;
const WRONG_FOLDERS: readonly [title: string, change: Change, message: RegExp][] = [
  [
    'no config.json',
    (folder) => rm(join(folder, 'config.json')),
    /is not a Hugging Face checkpoint: it has no config\.json/,
  ],
  [
    'no weights',
    (folder) => rm(join(folder, 'model.safetensors')),
    /it has no model\.safetensors \(nor model\.safetensors\.index\.json\)/,
  ],
  [
    'weights missing, too many, and of another shape',
    (folder) =>
      editWeights(folder, ([first, ...rest]) => [
        ...rest
          .slice(1)
          .map((weight) => (weight.name === 'model.norm.weight' ? { ...weight, shape: [8, 8] } : weight)),
        { ...(first as EditableWeight), name: 'visual.weight' },
      ]),
    /do not fit config\.json: missing: .*model\.norm\.weight has shape \[8,8\], the config asks for \[64\]; not part of qwen2: visual\.weight/,
  ],
  [
    'a weight of integers',
    (folder) =>
      editWeights(folder, (weights) =>
        weights.map((weight) => (weight.name === 'model.norm.weight' ? { ...weight, dtype: 'I32' } : weight)),
      ),
    /model\.norm\.weight is I32, supported are F32, F16, BF16/,
  ],
  [
    'a shard outside of the folder',
    async (folder) => {
      await rm(join(folder, 'model.safetensors'));
      const index = { weight_map: { 'model.norm.weight': '../other.safetensors' } };
      await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify(index));
    },
    /`model\.norm\.weight` must name a plain file \*\.safetensors, it is "\.\.\/other\.safetensors"/,
  ],
  [
    'a shard that is not there',
    async (folder) => {
      await writeShards(folder, { 'a.safetensors': await readWeights(folder) });
      await rm(join(folder, 'a.safetensors'));
    },
    /it has no a\.safetensors/,
  ],
  [
    'a weight in two shards',
    async (folder) => {
      const weights = await readWeights(folder);
      await writeShards(folder, { 'a.safetensors': weights, 'b.safetensors': weights.slice(0, 1) });
      const map = Object.fromEntries(
        weights.map(({ name }, i) => [name, i === 1 ? 'b.safetensors' : 'a.safetensors']),
      );
      await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }));
    },
    /is in more than one shard/,
  ],
  [
    'an end of text outside of the vocabulary',
    (folder) => editJson(folder, 'generation_config.json', { eos_token_id: [2, 320] }),
    /`eos_token_id` is 320, the vocabulary has 320 ids/,
  ],
  [
    'an unknown field of zmesh.json',
    (folder) => writeFile(join(folder, 'zmesh.json'), '{"clasification":{}}'),
    /unknown field `clasification`; known is `classification`/,
  ],
  [
    'an empty classification system',
    (folder) => writeFile(join(folder, 'zmesh.json'), '{"classification":{"system":""}}'),
    /`system` must be a text of 1 to 4096 characters/,
  ],
];

for (const [title, change, message] of WRONG_FOLDERS) {
  test(`${title} is one clear error`, async (t) => {
    const folder = await copyCheckpoint(t, 'qwen2-bias');
    await change(folder, t);
    await assert.rejects(fingerprintOf(folder), zmeshError('INVALID_FIELD', message));
  });
}

test('no folder, and a file that is none, are one clear error', async () => {
  await assert.rejects(
    fingerprintOf('/nowhere/at-all'),
    zmeshError('INVALID_FIELD', /no such (folder|file)|not a Hugging Face checkpoint/),
  );
});

test('a tokenizer with more ids than the model is refused', async (t) => {
  const folder = await copyCheckpoint(t, 'octo-nano');
  await editJson(folder, 'config.json', { vocab_size: 400 });
  await assert.rejects(
    fingerprintOf(folder),
    zmeshError('INVALID_FIELD', /tokenizer has 497 token ids, the model only 400/),
  );
});
