import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from '#shared/paths.js';
import { writeFileAtomically } from '#shared/safetensors/atomic-file.js';
import { openSafetensors } from '#shared/safetensors/read-file.js';
import { encodeSafetensors, parseSafetensors } from '#shared/safetensors/safetensors.js';
import { convertInto, toFloat32 } from '#shared/safetensors/to-float32.js';
import { writeSafetensorsFile } from '#shared/safetensors/write-file.js';
import { temporaryFolder, zmeshError } from '../../support/safetensors-cases.js';

const GOLDEN = join(projectRoot, 'tests/golden/safetensors');
const bytes = (values: Float32Array | Float64Array | Uint16Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

interface Expected {
  readonly floats: Readonly<Record<string, readonly (number | string)[]>>;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
}

test('a file of the Python library is read: names, shapes, metadata, values of every float type', async () => {
  const path = join(GOLDEN, 'dtypes.safetensors');
  const expected = JSON.parse(await readFile(join(GOLDEN, 'dtypes.json'), 'utf8')) as Expected;
  const memory = parseSafetensors(await readFile(path));
  const file = await openSafetensors(path);
  assert.deepEqual([...memory.metadata].sort(), [
    ['format', 'np'],
    ['note', 'ünïcode "quoted"'],
  ]);
  assert.deepEqual([...memory.tensors.keys()].sort(), Object.keys(expected.shapes).sort());
  for (const [name, shape] of Object.entries(expected.shapes))
    assert.deepEqual(memory.tensors.get(name)?.shape, shape);
  for (const [name, values] of Object.entries(expected.floats)) {
    const numbers = Float32Array.from(values, (value) =>
      typeof value === 'number' ? value : Number(value.replace('inf', 'Infinity')),
    );
    assert.deepEqual(toFloat32(memory.tensors.get(name)!), numbers, name);
    assert.deepEqual(await file.readFloat32(file.tensors.get(name)!), numbers, name);
    assert.deepEqual(
      await file.readBytes(file.tensors.get(name)!),
      new Uint8Array(memory.tensors.get(name)!.data),
    );
  }
  await file.close();
});

test('every f16 and every bf16 pattern becomes the f32 of its value, at odd alignment too', () => {
  const patterns = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const odd = new Uint8Array(131073).subarray(1);
  odd.set(bytes(patterns));
  for (const data of [bytes(patterns), odd]) {
    const half = toFloat32({ dtype: 'F16', data });
    const brain = toFloat32({ dtype: 'BF16', data });
    for (let i = 0; i < 65536; i++) {
      if (!Object.is(half[i], valueOfBits(i, 5, 10)))
        assert.equal(half[i], valueOfBits(i, 5, 10), `f16 ${i}`);
      if (!Object.is(brain[i], valueOfBits(i, 8, 7)))
        assert.equal(brain[i], valueOfBits(i, 8, 7), `bf16 ${i}`);
    }
  }
});

test('integers are not taken for numbers', () => {
  const message = /type I64 cannot be read as numbers, supported are F32, F16, BF16, F64/;
  assert.throws(
    () => convertInto(new Float32Array(1), 'I64', new Uint8Array(8)),
    zmeshError('BAD_SAFETENSORS', message),
  );
});

test('equal content is equal bytes whatever the order, aligned, and the same in memory and on disk', async (t) => {
  const a = { name: 'a', dtype: 'F32' as const, shape: [3], data: bytes(Float32Array.of(1, 2, 3)) };
  const b = { name: 'b', dtype: 'F64' as const, shape: [1, 1], data: bytes(Float64Array.of(4)) };
  const c = { name: 'c', dtype: 'U8' as const, shape: [3], data: Uint8Array.of(1, 2, 3) };
  const one = encodeSafetensors([a, b, c], { x: '1', y: '"' });
  assert.deepEqual(encodeSafetensors([c, b, a], { y: '"', x: '1' }), one);
  const path = join(await temporaryFolder(t), 'x.safetensors');
  const sources = [b, c, a].map(({ data, ...head }) => ({
    ...head,
    chunks: () => [data.subarray(0, 1), data.subarray(1)],
  }));
  await writeSafetensorsFile(path, sources, { x: '1', y: '"' });
  assert.deepEqual(new Uint8Array(await readFile(path)), one);
  const file = await openSafetensors(path);
  assert.equal(file.tensors.get('b')!.offset % 8, 0);
  assert.equal(file.tensors.get('a')!.offset % 4, 0);
  await file.close();
  const parsed = parseSafetensors(one);
  assert.deepEqual(toFloat32(parsed.tensors.get('b')!), Float32Array.of(4));
  assert.equal(parsed.metadata.get('y'), '"');
});

test('what cannot be written is refused: a name twice, the reserved name, data that do not fill the shape', () => {
  const tensor = { name: 'a', dtype: 'F32' as const, shape: [2], data: new Uint8Array(8) };
  assert.throws(
    () => encodeSafetensors([tensor, tensor]),
    zmeshError('INVALID_FIELD', /`a` is reserved or given twice/),
  );
  const reserved = { ...tensor, name: '__metadata__' };
  assert.throws(() => encodeSafetensors([reserved]), zmeshError('INVALID_FIELD', /reserved/));
  const short = { ...tensor, data: new Uint8Array(4) };
  assert.throws(
    () => encodeSafetensors([short]),
    zmeshError('WRONG_SHAPE', /\[2\] takes 8 bytes, 4 are given/),
  );
});

test('a tensor larger than a chunk is read whole and in chunks alike', async (t) => {
  const values = Float32Array.from({ length: 2 ** 20 + 12_345 }, (_, i) => Math.sin(i));
  const path = join(await temporaryFolder(t), 'x.safetensors');
  await writeSafetensorsFile(path, [
    { name: 'a', dtype: 'F32', shape: [values.length], chunks: () => [bytes(values)] },
  ]);
  const file = await openSafetensors(path);
  const entry = file.tensors.get('a')!;
  const parts: number[] = [];
  for await (const part of file.floats(entry)) parts.push(part.length);
  assert.ok(parts.length > 1);
  assert.deepEqual(await file.readFloat32(entry), values);
  await file.close();
});

test('a write that fails leaves neither the file nor a temporary one, and the old file as it was', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'x');
  await writeFileAtomically(path, [Uint8Array.of(1)]);
  const failing = function* (): Generator<Uint8Array> {
    yield Uint8Array.of(2);
    throw new Error('half way');
  };
  await assert.rejects(writeFileAtomically(path, failing()), /half way/);
  assert.deepEqual(await readdir(folder), ['x']);
  assert.deepEqual(new Uint8Array(await readFile(path)), Uint8Array.of(1));
});

test('a full disk is one line that names the file', async (t) => {
  const path = join(await temporaryFolder(t), 'x');
  const full = function* (): Generator<Uint8Array> {
    yield Uint8Array.of(2);
    throw Object.assign(new Error('write'), { code: 'ENOSPC' });
  };
  const line = /^the disk is full: .*x could not be written \(\d+ MB are free\)$/;
  await assert.rejects(writeFileAtomically(path, full()), zmeshError('TOO_LARGE', line));
});

/** The value of a 16-bit float with so many exponent and fraction bits, from the definition of IEEE 754. */
function valueOfBits(pattern: number, exponentBits: number, fractionBits: number): number {
  const sign = pattern & 0x8000 ? -1 : 1;
  const exponent = (pattern >> fractionBits) & (2 ** exponentBits - 1);
  const fraction = (pattern & (2 ** fractionBits - 1)) / 2 ** fractionBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Infinity : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** (1 - bias);
  return sign * (1 + fraction) * 2 ** (exponent - bias);
}
