import assert from 'node:assert/strict';
import { readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { AdaptScope } from '#services/inference/model/canonical.js';
import type { ImportEvent } from '#services/inference/model/import-event.js';
import { loadPrepared, loadSigma } from '#services/inference/model/load.js';
import { toManifest } from '#services/inference/model/manifest.js';
import { type PrepareOptions, prepareModel } from '#services/inference/model/prepare.js';
import type { PreparedModel } from '#services/inference/model/prepared.js';
import { projectRoot } from '#shared/paths.js';
import { parseSafetensors } from '#shared/safetensors/safetensors.js';
import { toFloat32 } from '#shared/safetensors/to-float32.js';
import {
  copyCheckpoint,
  editJson,
  editWeights,
  readWeights,
  withLeastBitFlipped,
} from '../../support/checkpoint-folder.js';
import { temporaryFolder, zmeshError } from '../../support/safetensors-cases.js';

const MODELS = ['llama-tied-gqa', 'llama3-rope', 'mistral-window', 'qwen2-bias', 'qwen3-qknorm'];

interface Run {
  readonly model: PreparedModel;
  readonly events: readonly ImportEvent[];
  readonly decomposed: readonly string[];
  readonly reused: boolean;
}

async function run(
  checkpoint: string,
  target: string,
  adapt: AdaptScope,
  more: Partial<PrepareOptions> = {},
): Promise<Run> {
  const events: ImportEvent[] = [];
  const options = { checkpoint, target, adapt, name: 'tiny', jobs: 2, replace: false, ...more };
  const model = await prepareModel({ ...options, onEvent: (event) => events.push(event) });
  const decomposed = events.flatMap((event) => (event.type === 'matrix' ? [event.name] : []));
  const done = events.at(-1);
  assert.equal(done?.type, 'done');
  return { model, events, decomposed, reused: done?.type === 'done' && done.reused };
}

for (const name of MODELS) {
  test(`${name}: singular values are LAPACK's, factors give the weights back, the rest is kept as it is`, async (t) => {
    const checkpoint = join(projectRoot, 'tests/golden/models', name);
    const target = join(await temporaryFolder(t), 'prepared');
    const { model, decomposed } = await run(checkpoint, target, 'all');
    assert.equal(decomposed.length, model.linears.length);
    assert.ok(model.reconstructionError < 1e-7, `error ${model.reconstructionError}`);
    assert.deepEqual(await loadPrepared(target), model);
    const golden = parseSafetensors(await readFile(join(checkpoint, 'golden.safetensors'))).tensors;
    const sigma = await loadSigma(target, model);
    const original = new Map(
      (await readWeights(checkpoint)).map((weight) => [weight.name, toFloat32(weight)]),
    );
    for (const linear of model.adapted) {
      const expected = new Float64Array(
        new Uint8Array(golden.get(`singular_values/${linear.name}`)!.data).buffer,
      );
      assertClose(sigma.get(linear.name)!, expected, 1e-12, linear.name);
      assertClose(await rebuild(target, linear.name, linear), original.get(linear.name)!, 3e-7, linear.name);
      original.delete(linear.name);
    }
    const dense = parseSafetensors(await readFile(join(target, 'weights.safetensors'))).tensors;
    assert.deepEqual([...dense.keys()].sort(), [...original.keys()].sort());
    for (const [weight, values] of original) assert.deepEqual(toFloat32(dense.get(weight)!), values, weight);
  });
}

test('a second import reuses everything; touching files decomposes nothing; a lost factor is made again', async (t) => {
  const checkpoint = await copyCheckpoint(t, 'qwen2-bias');
  const target = join(await temporaryFolder(t), 'prepared');
  const first = await run(checkpoint, target, 'mlp');
  assert.deepEqual([first.decomposed.length, first.reused], [6, false]);
  const second = await run(checkpoint, target, 'mlp');
  assert.deepEqual([second.decomposed.length, second.reused], [0, true]);
  assert.deepEqual(
    second.events.map(({ type }) => type),
    ['checkpoint', 'done'],
  );
  await utimes(join(checkpoint, 'model.safetensors'), 1, 1);
  const touched = await run(checkpoint, target, 'mlp');
  assert.deepEqual([touched.decomposed.length, touched.reused], [0, true]);
  assert.ok(touched.events.some(({ type }) => type === 'hash'));
  await rm(join(target, 'factors/model.layers.1.mlp.up_proj.weight.safetensors'));
  await writeFile(join(target, 'factors/model.layers.0.mlp.up_proj.weight.safetensors'), 'cut');
  const repaired = await run(checkpoint, target, 'mlp');
  assert.deepEqual([...repaired.decomposed].sort(), [
    'model.layers.0.mlp.up_proj.weight',
    'model.layers.1.mlp.up_proj.weight',
  ]);
});

test('all after mlp decomposes what is missing, mlp after all nothing; fingerprint and manifest list stay', async (t) => {
  const checkpoint = await copyCheckpoint(t, 'mistral-window');
  const target = join(await temporaryFolder(t), 'prepared');
  const mlp = await run(checkpoint, target, 'mlp');
  const narrow = toManifest(mlp.model, await loadSigma(target, mlp.model));
  const all = await run(checkpoint, target, 'all');
  assert.equal(all.decomposed.length, 8);
  assert.ok(all.decomposed.every((name) => name.includes('self_attn')));
  const wide = toManifest(all.model, await loadSigma(target, all.model));
  assert.deepEqual(
    [wide.fingerprint, wide.basisId, wide.parameters],
    [narrow.fingerprint, narrow.basisId, 126272n],
  );
  assert.deepEqual(
    wide.matrices.map(({ name }) => name),
    narrow.matrices.map(({ name }) => name),
  );
  assert.equal(narrow.matrices.filter(({ singularValues }) => singularValues.length > 0).length, 6);
  for (const { rows, columns, singularValues } of wide.matrices)
    assert.equal(singularValues.length, 8 * Math.min(rows, columns));
  const again = await run(checkpoint, target, 'mlp');
  assert.deepEqual([again.decomposed.length, again.model.adapted.length], [0, 6]);
  assert.equal((await weightNames(target)).filter((name) => name.includes('self_attn')).length, 8);
});

test('other weights under a taken name are refused, and replace on demand', async (t) => {
  const checkpoint = await copyCheckpoint(t, 'qwen2-bias');
  const target = join(await temporaryFolder(t), 'prepared');
  const first = await run(checkpoint, target, 'mlp');
  await editWeights(checkpoint, (weights) =>
    weights.map((weight, i) => (i === 0 ? withLeastBitFlipped(weight) : weight)),
  );
  const taken =
    /the name tiny is taken by a model with other weights \(fingerprint [0-9a-f]{12}, this one is [0-9a-f]{12}\)/;
  await assert.rejects(run(checkpoint, target, 'mlp'), zmeshError('MODEL_CONFLICT', taken));
  assert.equal((await loadPrepared(target)).fingerprint, first.model.fingerprint);
  const replaced = await run(checkpoint, target, 'mlp', { replace: true });
  assert.notEqual(replaced.model.fingerprint, first.model.fingerprint);
  assert.equal(replaced.decomposed.length, 6);
});

test('two imports of one folder at once: the second is refused; a dead one’s lock and leftovers are cleared', async (t) => {
  const checkpoint = await copyCheckpoint(t, 'qwen2-bias');
  const target = join(await temporaryFolder(t), 'prepared');
  await run(checkpoint, target, 'mlp');
  await writeFile(join(target, 'import.lock'), String(process.ppid));
  const busy = new RegExp(
    `another import \\(process ${process.ppid}\\) is preparing this model; if that is wrong, remove .*import\\.lock`,
  );
  await assert.rejects(run(checkpoint, target, 'mlp'), zmeshError('MODEL_CONFLICT', busy));
  await writeFile(join(target, 'import.lock'), '4194304999');
  await writeFile(join(target, 'factors/.x.safetensors.0123.partial'), 'half');
  await rm(join(target, 'model.json'));
  assert.equal((await run(checkpoint, target, 'mlp')).decomposed.length, 0);
  assert.ok(!(await readdir(target)).includes('import.lock'));
  assert.equal((await readdir(join(target, 'factors'))).length, 6);
});

test('tokenizer files and the classification system come along, and go with the checkpoint’s', async (t) => {
  const checkpoint = await copyCheckpoint(t, 'octo-nano');
  const target = join(await temporaryFolder(t), 'prepared');
  const { model } = await run(checkpoint, target, 'mlp');
  assert.deepEqual([model.bosTokenId, model.eosTokenIds, model.classificationSystem], [1, [2], 'Classify:']);
  assert.deepEqual(
    await readFile(join(target, 'tokenizer.json')),
    await readFile(join(checkpoint, 'tokenizer.json')),
  );
  await editJson(checkpoint, 'zmesh.json', { classification: { system: 'Which kind?' } });
  await rm(join(checkpoint, 'generation_config.json'));
  const changed = await run(checkpoint, target, 'mlp');
  assert.deepEqual([changed.decomposed.length, changed.model.classificationSystem], [0, 'Which kind?']);
  assert.equal(await stat(join(target, 'generation_config.json')).catch(() => null), null);
});

const DAMAGES: readonly [
  title: string,
  damage: (target: string) => Promise<unknown>,
  reason: string,
  message: RegExp,
][] = [
  [
    'an unfinished folder',
    (target) => rm(join(target, 'model.json')),
    'UNKNOWN_MODEL',
    /holds no prepared model \(model\.json is missing\): import it/,
  ],
  [
    'a damaged model.json',
    (target) => writeFile(join(target, 'model.json'), '{'),
    'CORRUPT',
    /is not JSON; import the model again/,
  ],
  [
    'the format of a newer version',
    (target) => editJson(target, 'model.json', { format: 9 }),
    'FORMAT_NEWER',
    /has format 9, this version reads 1; a newer version prepared the model/,
  ],
  [
    'a format that never was',
    (target) => editJson(target, 'model.json', { format: 0 }),
    'CORRUPT',
    /format 0, this version reads format 1/,
  ],
  [
    'another decomposition',
    (target) => editJson(target, 'model.json', { basisId: 'x' }),
    'CORRUPT',
    /basis x, this version decomposes as/,
  ],
  [
    'a linear that does not follow',
    (target) => editJson(target, 'model.json', { linears: [] }),
    'CORRUPT',
    /linears do not follow/,
  ],
  [
    'a config that lacks a part',
    (target) => editJson(target, 'model.json', { config: {} }),
    'CORRUPT',
    /config is incomplete/,
  ],
];

test('a folder that is no finished model is refused when it is loaded', async (t: TestContext) => {
  const checkpoint = join(projectRoot, 'tests/golden/models/qwen2-bias');
  const target = join(await temporaryFolder(t), 'prepared');
  for (const [title, damage, reason, message] of DAMAGES) {
    const { model } = await run(checkpoint, target, 'mlp');
    await damage(target);
    await assert.rejects(loadPrepared(target), zmeshError(reason, message), title);
    await rm(join(target, 'model.json'), { force: true });
    assert.equal((await run(checkpoint, target, 'mlp')).model.fingerprint, model.fingerprint);
  }
  const { model } = await run(checkpoint, target, 'mlp');
  await rm(join(target, 'factors/model.layers.0.mlp.up_proj.weight.safetensors'));
  await assert.rejects(
    loadSigma(target, model),
    zmeshError('CORRUPT', /up_proj.*ENOENT.*; import the model again/),
  );
});

async function weightNames(target: string): Promise<string[]> {
  return [...parseSafetensors(await readFile(join(target, 'weights.safetensors'))).tensors.keys()];
}

/** U·diag(σ)·Vᵀ from the file, by the definition. */
async function rebuild(
  target: string,
  name: string,
  { rows, columns }: { rows: number; columns: number },
): Promise<Float64Array> {
  const { tensors } = parseSafetensors(await readFile(join(target, `factors/${name}.safetensors`)));
  const [u, sigma, vt] = ['u', 'sigma', 'vt'].map((part) => toFloat32(tensors.get(part)!)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const product = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < sigma.length; k++) {
      const scale = u[i * sigma.length + k]! * sigma[k]!;
      for (let j = 0; j < columns; j++) product[i * columns + j]! += scale * vt[k * columns + j]!;
    }
  }
  return product;
}

/** Largest difference, relative to the largest expected value. */
function assertClose(
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  limit: number,
  what: string,
): void {
  assert.equal(found.length, expected.length, what);
  let largest = 0;
  let difference = 0;
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]!));
    difference = Math.max(difference, Math.abs(found[i]! - expected[i]!));
  }
  assert.ok(difference <= limit * largest, `${what}: ${difference / largest} > ${limit}`);
}
