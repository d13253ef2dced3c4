import assert from 'node:assert/strict';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { WindowTooSmall } from '#services/inference/model/gguf/cursor.js';
import { parseGgufHeader, readGgufHeader } from '#services/inference/model/gguf/header.js';
import { ZmeshError } from '#shared/errors.js';
import { bool, f32, type GgufTensorInput, list, str, u32, writeGguf } from '../../support/write-gguf.js';

const METADATA = {
  'general.architecture': str('llama'),
  'llama.block_count': u32(2),
  'llama.eps': f32(0.5),
  'tokenizer.add': bool(true),
  'tokenizer.tokens': list(['a', 'Ġb', '日本']),
  'tokenizer.types': list([1, 3, -1 >>> 0]),
};
const TENSORS: readonly GgufTensorInput[] = [
  { name: 'token_embd.weight', shape: [3, 32], type: 8, data: new Uint8Array(3 * 34) },
  { name: 'blk.0.norm', shape: [5], type: 0, data: new Uint8Array(20) },
];
const parse = (file: Buffer) => parseGgufHeader(file, file.length, 'm.gguf');
const refuses = (file: Buffer, text: RegExp): void => {
  assert.throws(
    () => parse(file),
    (error: unknown) =>
      error instanceof ZmeshError &&
      error.reason === 'INVALID_FIELD' &&
      error.message.startsWith('m.gguf: ') &&
      text.test(error.message),
    String(text),
  );
};

test('what is written is read: metadata, and tensors slowest dimension first', () => {
  const file = writeGguf(METADATA, TENSORS);
  const { version, metadata, tensors } = parse(file);
  assert.equal(version, 3);
  assert.deepEqual(Object.fromEntries(metadata), {
    'general.architecture': 'llama',
    'llama.block_count': 2,
    'llama.eps': 0.5,
    'tokenizer.add': true,
    'tokenizer.tokens': ['a', 'Ġb', '日本'],
    'tokenizer.types': [1, 3, -1],
  });
  const [embedding, norm] = [...tensors.values()];
  assert.deepEqual([embedding!.shape, embedding!.type.name, embedding!.bytes], [[3, 32], 'Q8_0', 102]);
  assert.deepEqual([norm!.shape, norm!.offset - embedding!.offset], [[5], 128]);
  assert.equal(norm!.offset + norm!.bytes + 12, file.length);
});

test('version 2 is read; other versions, big-endian files and other formats are refused', () => {
  const file = writeGguf(METADATA, TENSORS);
  file.writeUInt32LE(2, 4);
  assert.equal(parse(file).version, 2);
  file.writeUInt32LE(1, 4);
  refuses(file, /version 1 cannot be read, only 2 and 3/);
  file.writeUInt32BE(3, 4);
  refuses(file, /version 50331648/);
  refuses(Buffer.from('PK\u0003\u0004 not a model, but long enough'), /does not begin with "GGUF"/);
});

test('counts, lengths and offsets are held against the bytes that are there', () => {
  const file = writeGguf(METADATA, TENSORS);
  const damaged = (at: number, value: bigint): Buffer => {
    const copy = Buffer.from(file);
    copy.writeBigUInt64LE(value, at);
    return copy;
  };
  refuses(damaged(8, 1n << 60n), /the number of tensors is 1152921504606846976, more than the/);
  refuses(damaged(16, 10_000_000_000n), /the number of metadata keys is 10000000000/);
  refuses(damaged(24, 1n << 63n), /the length of metadata key 0 is 9223372036854775808/);
  refuses(
    writeGguf(METADATA, [{ name: 'x', shape: [2 ** 40, 32], type: 0, data: new Uint8Array(4) }]),
    /tensor "x" \[1099511627776, 32\] F32 needs bytes/,
  );
  refuses(
    writeGguf(METADATA, [{ name: 'x', shape: [0], type: 0, data: new Uint8Array(4) }]),
    /tensor "x" \[0\] F32 needs/,
  );
});

test('doubled names, unknown types, odd rows, bad alignment and overlaps are refused by name', () => {
  refuses(writeGguf(METADATA, [TENSORS[1]!, TENSORS[1]!]), /tensor "blk.0.norm" stands twice/);
  refuses(
    writeGguf(METADATA, [{ name: 'x', shape: [32], type: 20, data: new Uint8Array(32) }]),
    /tensor "x" is IQ4_NL, which cannot be read; supported: F32, F16, Q4_0/,
  );
  refuses(
    writeGguf(METADATA, [{ name: 'x', shape: [32], type: 99, data: new Uint8Array(32) }]),
    /tensor "x" is of type 99/,
  );
  refuses(
    writeGguf(METADATA, [{ name: 'x', shape: [2, 33], type: 8, data: new Uint8Array(102) }]),
    /Q8_0 in blocks of 32, but its rows have 33 numbers/,
  );
  refuses(
    writeGguf({ ...METADATA, 'general.alignment': u32(24) }, TENSORS),
    /general.alignment is 24; it must be a power of two/,
  );
  refuses(
    writeGguf({ ...METADATA, 'general.alignment': u32(64) }, TENSORS, 32),
    /begins at 32|begins at|needs bytes|not a multiple of 64/,
  );
  const overlap = writeGguf(METADATA, [TENSORS[0]!, { ...TENSORS[1]!, name: 'over' }]);
  const at = overlap.indexOf(Buffer.from('over')) + 4 + 4 + 8 + 4;
  overlap.writeBigUInt64LE(64n, at);
  refuses(overlap, /tensors "token_embd.weight" and "over" overlap/);
});

test('a file that is cut at any place is refused, whatever is left of it', () => {
  const file = writeGguf(METADATA, TENSORS);
  for (let length = 0; length < file.length - 12; length++) refuses(file.subarray(0, length), /./);
});

test('20 000 seeded mutations of a header: parsed or refused, never a crash, a hang or a large allocation', () => {
  const file = writeGguf(METADATA, TENSORS);
  let seed = 20261124;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % below;
  };
  let refused = 0;
  for (let round = 0; round < 20_000; round++) {
    const mutant = Buffer.from(file);
    for (let hits = 1 + random(4); hits > 0; hits--) {
      const at = random(file.length);
      if (random(3) === 0 && at + 8 <= file.length)
        mutant.writeBigUInt64LE(BigInt(random(2 ** 24)) << BigInt(random(64) % 40), at);
      else mutant[at] = random(256);
    }
    try {
      parse(mutant);
    } catch (error) {
      assert.ok(error instanceof ZmeshError && error.reason === 'INVALID_FIELD', String(error));
      refused++;
    }
  }
  assert.ok(refused > 5000, `only ${refused} mutants were refused`);
});

test('a long header is read through growing windows, and a window that is too small says so', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'zmesh-gguf-'));
  t.after(() => rm(folder, { recursive: true }));
  const tokens = Array.from({ length: 40_000 }, (_, i) => `token ${i} ${'x'.repeat(500)}`);
  const file = writeGguf({ ...METADATA, 'tokenizer.long': list(tokens) }, TENSORS);
  assert.ok(file.length > 16 * 1024 * 1024);
  assert.throws(() => parseGgufHeader(file.subarray(0, 1024), file.length, 'm.gguf'), WindowTooSmall);
  const path = join(folder, 'm.gguf');
  await writeFile(path, file);
  const handle = await open(path);
  try {
    const header = await readGgufHeader(handle, path);
    assert.deepEqual(header.metadata.get('tokenizer.long'), tokens);
  } finally {
    await handle.close();
  }
});
