import assert from 'node:assert/strict';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadPrepared } from '#services/inference/model/load.js';
import { loadTokenizer } from '#services/inference/model/tokenizer.js';
import { importQuietly, refusesImport } from '../../support/failed-import.js';
import { temporaryFolder } from '../../support/safetensors-cases.js';
import { type TinyGguf, tinyGguf, tinyGgufFile } from '../../support/tiny-gguf.js';
import { type GgufTensorInput, list, str, u32 } from '../../support/write-gguf.js';

async function written(t: TestContext, file: Uint8Array, name = 'tiny.gguf'): Promise<string> {
  const path = join(await temporaryFolder(t), name);
  await writeFile(path, file);
  return path;
}

/** The tiny model with one tensor changed. */
function withTensor(name: string, change: (tensor: GgufTensorInput) => GgufTensorInput): Buffer {
  const { metadata, tensors } = tinyGguf();
  return tinyGgufFile({ metadata, tensors: tensors.map((t) => (t.name === name ? change(t) : t)) });
}

function withMetadata(metadata: TinyGguf['metadata']): Buffer {
  const tiny = tinyGguf();
  return tinyGgufFile({ ...tiny, metadata: { ...tiny.metadata, ...metadata } });
}

test('the file that the others are made from is sound', async (t) => {
  const path = await written(t, tinyGgufFile());
  const target = join(await temporaryFolder(t), 'model');
  await importQuietly(path, target);
  assert.equal((await loadPrepared(target)).config.hiddenSize, 32);
  const tokenizer = await loadTokenizer(target);
  const chat = tokenizer!.encodeChat([{ role: 'user', content: 'ab' }], { generationPrompt: true });
  assert.equal(chat.rendered, 'ab<|im_end|>');
  assert.equal(chat.ids.length, 3);
});

test('a file cut at every per cent of its length is refused', async (t) => {
  const file = tinyGgufFile();
  const path = await written(t, file);
  for (let percent = 99; percent >= 0; percent--) {
    await truncate(path, Math.floor((file.length * percent) / 100));
    await refusesImport(path, /tiny\.gguf: (tensor|cut short|the |not a GGUF)/);
  }
});

test('NaN and infinite weights are refused by name and place, also where they appear on dequantising', async (t) => {
  const poisoned = (value: number) => (tensor: GgufTensorInput) => {
    const data = Buffer.from(tensor.data);
    data.writeFloatLE(value, 4 * 7);
    return { ...tensor, data };
  };
  const scaled = (bits: number) => (tensor: GgufTensorInput) => {
    const data = Buffer.from(tensor.data);
    data.writeUInt16LE(bits, 34 * 3);
    return { ...tensor, data };
  };
  const down = 'blk.0.ffn_down.weight';
  await refusesImport(
    await written(t, withTensor(down, poisoned(Number.NaN))),
    /down_proj.weight holds NaN at element 7/,
  );
  await refusesImport(
    await written(t, withTensor(down, poisoned(-Infinity))),
    /down_proj.weight holds -Infinity at element 7/,
  );
  await refusesImport(
    await written(t, withTensor('token_embd.weight', scaled(0x7e00))),
    /embed_tokens.weight holds NaN at element 96/,
  );
  await refusesImport(
    await written(t, withTensor('token_embd.weight', scaled(0x7c00))),
    /embed_tokens.weight holds -?Infinity|NaN/,
  );
});

test('tensors that are missing, misshapen, foreign or of another rank are named', async (t) => {
  const { metadata, tensors } = tinyGguf();
  const without = tinyGgufFile({ metadata, tensors: tensors.slice(0, -1) });
  await refusesImport(await written(t, without), /do not fit: missing: output_norm.weight/);
  const foreign = { ...tensors.at(-1)!, name: '__proto__' };
  await refusesImport(
    await written(t, tinyGgufFile({ metadata, tensors: [...tensors, foreign] })),
    /not part of qwen2: __proto__/,
  );
  const flat = withTensor('blk.0.ffn_up.weight', (tensor) => ({ ...tensor, shape: [64 * 32] }));
  await refusesImport(
    await written(t, flat),
    /blk.0.ffn_up.weight has shape \[2048\], its metadata ask for \[64,32\]/,
  );
  const long = { ...tensors.at(-1)!, name: `line\nbreak${'x'.repeat(100_000)}` };
  await refusesImport(
    await written(t, tinyGgufFile({ metadata, tensors: [...tensors, long] })),
    /not part of qwen2: line breakx+…/,
  );
});

test('metadata of another type, out of range or absurd are refused by key', async (t) => {
  const cases: readonly [TinyGguf['metadata'], RegExp][] = [
    [{ 'qwen2.block_count': str('many') }, /metadata "qwen2.block_count" is not a number/],
    [
      { 'qwen2.block_count': u32(4_000_000_000) },
      /num_hidden_layers` must be at most 4096, it is 4000000000/,
    ],
    [{ 'qwen2.attention.head_count': u32(0) }, /num_attention_heads` must be a positive integer/],
    [{ 'qwen2.embedding_length': u32(0x7fffffff) }, /head_dim` must be a positive even integer/],
    [{ 'general.architecture': str('constructor') }, /architecture "constructor" is not supported/],
    [{ 'tokenizer.ggml.pre': str('__proto__') }, /pre-tokeniser "__proto__" is not supported/],
    [{ 'tokenizer.ggml.eos_token_id': u32(9999) }, /eos_token_id is 9999, the vocabulary has 257/],
    [{ 'tokenizer.ggml.merges': list(['ab']) }, /merge "ab" is not two tokens/],
    [{ 'tokenizer.ggml.merges': list(['a b']) }, /`merges` \[0\]: token `ab` is not in the vocabulary/],
    [{ 'tokenizer.ggml.token_type': list([1]) }, /1 token types for 257 tokens/],
    [{ 'tokenizer.chat_template': str('{% for %}') }, /the chat template is not valid/],
    [
      { 'tokenizer.chat_template': str('{{ range(10**9) }}') },
      /chat template cannot be served: .* limit is \d+/,
    ],
    [{ 'split.count': u32(3) }, /it says it is part 1 of 3/],
  ];
  for (const [metadata, message] of cases)
    await refusesImport(await written(t, withMetadata(metadata)), message);
});

test('counts that the file could hold are refused too, before anything is made', async (t) => {
  const lists = withMetadata({});
  const path = await written(t, lists);
  const grown = Buffer.from(lists.subarray(0, 24));
  const bomb = Buffer.concat([
    grown.subarray(0, 16),
    long(1n),
    text('a'),
    word(9),
    word(0),
    long(250_000_000n),
  ]);
  await writeFile(path, bomb);
  await truncate(path, 300_000_000);
  await refusesImport(path, /lists have more than 4194304 elements \(metadata "a" has 250000000\)/);
  await writeFile(path, Buffer.concat([grown.subarray(0, 8), long(8_000_000n), long(0n)]));
  await truncate(path, 300_000_000);
  await refusesImport(path, /the number of tensors is 8000000, the limit is 65536/);
  await writeFile(
    path,
    Buffer.concat([grown.subarray(0, 16), long(1n), text('a'), word(8), long(9_000_000_000n)]),
  );
  await truncate(path, 10_000_000_000);
  await refusesImport(path, /its header is longer than 268435456 bytes/);
});

test('parts of a split model that are missing or too many are refused', async (t) => {
  const part = await written(t, tinyGgufFile(), 'm-00001-of-00002.gguf');
  await refusesImport(part, /m-00002-of-00002\.gguf: there is no such file/);
  const many = await written(t, tinyGgufFile(), 'm-00001-of-99999.gguf');
  await refusesImport(many, /split into 99999 parts/);
});

const word = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const long = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
};
const text = (value: string): Buffer => Buffer.concat([long(BigInt(value.length)), Buffer.from(value)]);
