import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadPrepared } from '#services/inference/model/load.js';
import { asF32, copyCheckpoint, editJson, editWeights } from '../../support/checkpoint-folder.js';
import { assertOneClearError, importQuietly } from '../../support/failed-import.js';
import { temporaryFolder, zmeshError } from '../../support/safetensors-cases.js';
import { tinyGgufFile } from '../../support/tiny-gguf.js';

const GATE = 'model.layers.0.mlp.gate_proj.weight';

const overflows = zmeshError(
  'INVALID_FIELD',
  /layers\.0\.mlp\.gate_proj\.weight: its largest singular value is .*e\+\d+/,
);

async function prepared(t: TestContext): Promise<{ folder: string; target: string }> {
  const folder = await copyCheckpoint(t, 'llama-tied-gqa');
  const target = join(await temporaryFolder(t), 'model');
  await importQuietly(folder, target);
  return { folder, target };
}

async function contents(folder: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) files.set(path, await readFile(path, 'base64'));
  }
  return files;
}

/** Makes all values of a matrix finite and so large that its singular values are not: seen only when it is decomposed. */
const overflow = (folder: string): Promise<void> =>
  editWeights(folder, (weights) =>
    weights.map((weight) => {
      if (weight.name !== GATE) return weight;
      const values = asF32(weight);
      const large = new Float32Array(values.data.length / 4).map((_, i) => (i % 7 ? 3e38 : -3e38));
      return { ...values, data: new Uint8Array(large.buffer) };
    }),
  );

for (const replace of [false, true]) {
  test(`a prepared model stays as it is, byte for byte, when a bad file is imported under its name${replace ? ' to replace it' : ''}`, async (t) => {
    const { folder, target } = await prepared(t);
    const before = await contents(target);
    const spoil: readonly (() => Promise<void>)[] = [
      () => editJson(folder, 'config.json', { num_hidden_layers: 3 }),
      () => editJson(folder, 'config.json', { num_hidden_layers: 2, hidden_act: 'relu' }),
      async () => {
        await editJson(folder, 'config.json', { hidden_act: 'silu' });
        await editWeights(folder, (weights) =>
          weights.map((weight) => {
            if (weight.name !== GATE) return weight;
            const values = asF32(weight);
            values.data.set([0, 0, 0xc0, 0x7f], 0);
            return values;
          }),
        );
      },
      () => truncate(join(folder, 'model.safetensors'), 100_000),
      () => writeFile(join(folder, 'model.safetensors'), 'not a model'),
      () => rm(join(folder, 'config.json')),
    ];
    for (const step of spoil) {
      await step();
      await assert.rejects(importQuietly(folder, target, replace), (error) => {
        assertOneClearError(error, /./);
        return true;
      });
      assert.deepEqual(await contents(target), before);
    }
    assert.equal((await loadPrepared(target)).name, 'hostile');
  });
}

test('a model that fails while it replaces another leaves nothing that loads, and a sound import repairs it', async (t) => {
  const { folder, target } = await prepared(t);
  const first = await loadPrepared(target);
  const other = await copyCheckpoint(t, 'llama-tied-gqa');
  await overflow(other);
  await assert.rejects(
    importQuietly(other, target),
    zmeshError('MODEL_CONFLICT', /the name hostile is taken/),
  );
  assert.equal((await loadPrepared(target)).fingerprint, first.fingerprint);
  await assert.rejects(importQuietly(other, target, true), overflows);
  await assert.rejects(loadPrepared(target), zmeshError('UNKNOWN_MODEL', /holds no prepared model/));
  await importQuietly(folder, target);
  assert.equal((await loadPrepared(target)).fingerprint, first.fingerprint);
});

test('a first import that fails while it decomposes leaves nothing that loads', async (t) => {
  const folder = await copyCheckpoint(t, 'llama-tied-gqa');
  await overflow(folder);
  const target = join(await temporaryFolder(t), 'model');
  await assert.rejects(importQuietly(folder, target), overflows);
  await assert.rejects(loadPrepared(target), zmeshError('UNKNOWN_MODEL', /holds no prepared model/));
});

test('a run that stops between two files of a new tokenizer leaves no mixture of old and new that loads', async (t) => {
  const folder = await copyCheckpoint(t, 'octo-nano');
  const target = join(await temporaryFolder(t), 'model');
  await importQuietly(folder, target);
  await editJson(folder, 'tokenizer_config.json', { chat_template: undefined });
  await writeFile(join(folder, 'chat_template.jinja'), 'new {{ messages[0].content }}');
  // The file of the new template cannot be put into place: the weights are as before, the other files are new by then.
  const blocked = join(target, 'chat_template.jinja');
  await mkdir(join(blocked, 'in the way'), { recursive: true });
  await assert.rejects(importQuietly(folder, target), /EISDIR|ENOTEMPTY|EEXIST|EPERM/);
  await assert.rejects(
    loadPrepared(target),
    zmeshError('UNKNOWN_MODEL', /also finishes an interrupted import/),
  );
  await rm(blocked, { recursive: true });
  await importQuietly(folder, target);
  assert.equal((await loadPrepared(target)).name, 'hostile');
});

test('a GGUF file that was cut does not touch the model that was prepared from it', async (t) => {
  const path = join(await temporaryFolder(t), 'm.gguf');
  await writeFile(path, tinyGgufFile());
  const target = join(await temporaryFolder(t), 'model');
  await importQuietly(path, target);
  const before = await contents(target);
  await truncate(path, 5000);
  await assert.rejects(importQuietly(path, target, true), (error) => {
    assertOneClearError(error, /m\.gguf: /);
    return true;
  });
  assert.deepEqual(await contents(target), before);
});

test('a prepared folder whose files are damaged is CORRUPT or unfinished, never half loaded', async (t) => {
  const { target } = await prepared(t);
  const path = join(target, 'model.json');
  const sound = await readFile(path, 'utf8');
  for (let percent = 0; percent < 100; percent += 5) {
    await writeFile(path, sound.slice(0, Math.floor((sound.length * percent) / 100)));
    await assert.rejects(
      loadPrepared(target),
      zmeshError('CORRUPT', /model\.json is not JSON; import the model again/),
    );
  }
  for (const text of ['null', '[]', '{}', '{"format":1}', '{"format":1,"config":{"toString":1}}']) {
    await writeFile(path, text);
    await assert.rejects(loadPrepared(target), zmeshError('CORRUPT', /model\.json/));
  }
});
