import { execFileSync } from 'node:child_process';
import { mkdir, open, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  asF32,
  copyCheckpoint,
  editJson,
  editWeights,
  readWeights,
} from '../../support/checkpoint-folder.js';
import { refusesImport } from '../../support/failed-import.js';

const BASE = 'llama-tied-gqa';
const GATE = 'model.layers.1.mlp.gate_proj.weight';
const fresh = (t: TestContext): Promise<string> => copyCheckpoint(t, BASE);

test('weights cut at every per cent of their length are refused', async (t) => {
  const folder = await fresh(t);
  const path = join(folder, 'model.safetensors');
  const { length } = await readFile(path);
  for (let percent = 99; percent >= 0; percent--) {
    await truncate(path, Math.floor((length * percent) / 100));
    await refusesImport(
      folder,
      /model\.safetensors is not a sound safetensors file: (its tensors end|its header|it has)/,
    );
  }
});

test('a header that claims 10 GB is refused, also where the file is that long', async (t) => {
  const folder = await fresh(t);
  const path = join(folder, 'model.safetensors');
  const file = await open(path, 'r+');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(10_000_000_000n);
  await file.write(length, 0, 8, 0);
  await file.close();
  await refusesImport(folder, /its header has 10000000000 bytes, the limit is 100000000/);
  await truncate(path, 10_000_001_000);
  await refusesImport(folder, /its header has 10000000000 bytes, the limit is 100000000/);
});

test('NaN and infinite weights of every type are refused by name and element', async (t) => {
  const folder = await fresh(t);
  const original = await readWeights(folder);
  const poison = async (bytes: readonly number[], dtype: 'F32' | 'F16' | 'BF16'): Promise<void> => {
    await editWeights(folder, () =>
      original.map((weight) => {
        if (weight.name !== GATE) return weight;
        const values = asF32(weight);
        const elements = values.data.length / 4;
        const data = dtype === 'F32' ? new Uint8Array(values.data) : new Uint8Array(elements * 2);
        data.set(bytes, 5 * bytes.length);
        return { ...values, dtype, data };
      }),
    );
  };
  await poison([0, 0, 0xc0, 0x7f], 'F32');
  await refusesImport(
    folder,
    /weight model.layers.1.mlp.gate_proj.weight holds NaN at element 5; only finite/,
  );
  await poison([0, 0, 0x80, 0xff], 'F32');
  await refusesImport(folder, /gate_proj.weight holds -Infinity at element 5/);
  await poison([0, 0x7c], 'F16');
  await refusesImport(folder, /gate_proj.weight holds Infinity at element 5/);
  await poison([1, 0xfc], 'F16');
  await refusesImport(folder, /gate_proj.weight holds NaN at element 5/);
  await poison([0x80, 0x7f], 'BF16');
  await refusesImport(folder, /gate_proj.weight holds Infinity at element 5/);
});

test('wrong types, shapes and names of weights are refused by name, however long and odd they are', async (t) => {
  const folder = await fresh(t);
  const original = await readWeights(folder);
  const edit = async (change: (weight: (typeof original)[number]) => Partial<(typeof original)[number]>) =>
    editWeights(folder, () => original.map((weight) => ({ ...weight, ...change(weight) })));
  const isGate = ({ name }: { name: string }): boolean => name === GATE;
  await edit((weight) => {
    if (!isGate(weight)) return {};
    return { dtype: 'I8', data: new Uint8Array(weight.shape.reduce((a, b) => a * b, 1)) };
  });
  await refusesImport(folder, /gate_proj.weight is I8, supported are F32, F16, BF16/);
  await edit((weight) => (isGate(weight) ? { shape: [...weight.shape].reverse() } : {}));
  await refusesImport(folder, /gate_proj.weight has shape \[\d+,\d+\], the config asks for/);
  await edit((weight) => (isGate(weight) ? { shape: [...weight.shape, 1] } : {}));
  await refusesImport(folder, /gate_proj.weight has shape \[\d+,\d+,1\]/);
  await edit((weight) => (isGate(weight) ? { name: '__proto__' } : {}));
  await refusesImport(folder, /missing: model.layers.1.mlp.gate_proj.weight; not part of llama: __proto__/);
  await edit((weight) => (isGate(weight) ? { name: `\n\u001b[2Jbell\u0007${'y'.repeat(1_000_000)}` } : {}));
  await refusesImport(folder, /not part of llama: +\[2Jbell y+…/);
});

test('shards: path tricks, a missing one, one weight in two, keys of the prototype', async (t) => {
  const folder = await fresh(t);
  const index = join(folder, 'model.safetensors.index.json');
  await rename(join(folder, 'model.safetensors'), join(folder, 'a.safetensors'));
  const outside = [
    '../a.safetensors',
    '/etc/passwd',
    'sub/a.safetensors',
    '..\\a.safetensors',
    '.a.safetensors',
    'a.safetensors\u0000',
    'a.bin',
    '',
    7,
    null,
    ['a.safetensors'],
  ];
  for (const shard of outside) {
    await writeFile(index, JSON.stringify({ weight_map: { w: shard } }));
    await refusesImport(folder, /weight_map: `w` must name a plain file \*\.safetensors, it is /);
  }
  await writeFile(index, '{"weight_map":{"__proto__":"../x"}}');
  await refusesImport(folder, /`__proto__` must name a plain file/);
  await writeFile(index, '{"weight_map":{"w":"b.safetensors"}}');
  await refusesImport(folder, /is not a Hugging Face checkpoint: it has no b\.safetensors/);
  await writeFile(join(folder, 'b.safetensors'), await readFile(join(folder, 'a.safetensors')));
  await writeFile(index, '{"weight_map":{"v":"a.safetensors","w":"b.safetensors"}}');
  await refusesImport(folder, /weight [\w.]+ is in more than one shard/);
  for (const text of ['[]', '{}', '{"weight_map":[]}', '{"weight_map":null}']) {
    await writeFile(index, text);
    await refusesImport(folder, /is not a JSON object/);
  }
});

test('folders, pipes, devices and circles of links where files are expected are refused and not waited for', async (t) => {
  if (process.platform === 'win32') return t.skip('Windows has no pipes and devices among its files');
  for (const name of [
    'config.json',
    'generation_config.json',
    'zmesh.json',
    'tokenizer.json',
    'model.safetensors',
  ]) {
    const folder = await fresh(t);
    const path = join(folder, name);
    await rm(path, { force: true });
    await mkdir(path);
    await refusesImport(folder, /it is a folder, not a file/);
    await rm(path, { recursive: true });
    execFileSync('mkfifo', [path]);
    await refusesImport(folder, /it is a device, pipe or socket, not a file/);
    await rm(path);
    await symlink('/dev/zero', path);
    await refusesImport(folder, /it is a device, pipe or socket, not a file/);
    await rm(path);
    await symlink(name, path);
    await refusesImport(folder, /links go in a circle|it has no (config\.json|model\.safetensors)/);
  }
});

test('config.json: sizes beyond reason, wrong types and keys of the prototype are refused', async (t) => {
  const folder = await fresh(t);
  const path = join(folder, 'config.json');
  const sound = await readFile(path, 'utf8');
  const cases: readonly [object, RegExp][] = [
    [{ num_hidden_layers: 1e9 }, /must be at most 4096, it is 1000000000/],
    [{ vocab_size: 2 ** 53 }, /`vocab_size` must be a positive integer/],
    [{ hidden_size: 2 ** 52 }, /the weights do not fit config\.json: .*the config asks for/],
    [{ intermediate_size: '64' }, /`intermediate_size` must be a positive integer, it is "64"/],
    [{ num_key_value_heads: 3 }, /a divisor of num_attention_heads/],
    [{ rms_norm_eps: -1 }, /`rms_norm_eps` must be a positive number/],
    [{ model_type: '__proto__' }, /architecture `__proto__` is not supported/],
    [{ model_type: `x\n${'y'.repeat(1_000_000)}` }, /is not supported/],
    [{ hidden_act: `\n${'z'.repeat(1_000_000)}` }, /activation `.* is not supported/],
    [{ bos_token_id: 1e12 }, /`bos_token_id` is 1000000000000, the vocabulary has/],
    [{ rope_parameters: { rope_type: `q\n${'r'.repeat(1_000_000)}` } }, /rope/],
    [{ quantization_config: { quant_method: `g\n${'r'.repeat(1_000_000)}` } }, /the checkpoint is quantised/],
  ];
  for (const [fields, message] of cases) {
    await writeFile(path, sound);
    await editJson(folder, 'config.json', fields);
    await refusesImport(folder, message);
  }
  for (const [text, message] of [
    ['', /config\.json is not JSON/],
    ['{\n"a":\n\n\u0001x', /config\.json is not JSON/],
    ['[1]', /config\.json is not a JSON object/],
    ['['.repeat(1_000_000), /config\.json is not JSON/],
    ['\u0000', /is not JSON/],
  ] as const) {
    await writeFile(path, text);
    await refusesImport(folder, message);
  }
  await writeFile(
    path,
    Buffer.concat([Buffer.from('{"model_type":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]),
  );
  await refusesImport(folder, /config\.json: it is not UTF-8 text/);
  await truncate(path, 3_000_000_000);
  await refusesImport(folder, /config\.json: it has 3000000000 bytes, the limit is 134217728/);
});

test('paths that are no checkpoint are refused in words', async (t) => {
  const folder = await fresh(t);
  await refusesImport(join(folder, 'nothing'), /there is no such folder/);
  await refusesImport(join(folder, 'config.json'), /it is not a folder/);
  await refusesImport(join(folder, 'none.gguf'), /there is no such file/);
  await mkdir(join(folder, 'folder.gguf'));
  await refusesImport(join(folder, 'folder.gguf'), /it is a folder, not a file/);
  await rm(join(folder, 'model.safetensors'));
  await refusesImport(folder, /it has no model\.safetensors \(nor model\.safetensors\.index\.json\)/);
});
