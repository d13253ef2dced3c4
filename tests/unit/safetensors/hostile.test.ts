import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openSafetensors } from '#shared/safetensors/read-file.js';
import { parseSafetensors } from '#shared/safetensors/safetensors.js';
import { rawFile, temporaryFolder, zmeshError } from '../../support/safetensors-cases.js';

const entry = (begin: number, end: number, shape = `[${(end - begin) / 4}]`, dtype = '"F32"'): string =>
  `{"dtype":${dtype},"shape":${shape},"data_offsets":[${begin},${end}]}`;

const CASES: readonly [title: string, file: Uint8Array, message: RegExp][] = [
  ['an empty file', new Uint8Array(0), /it has 0 bytes, at least 8/],
  ['a header longer than the file', rawFile('{}', 0, 3n), /header has 3 bytes, but only 2 follow/],
  [
    'a header over the limit',
    rawFile('{}', 0, 2n ** 63n),
    /9223372036854775808 bytes, the limit is 100000000/,
  ],
  ['a header of length 0', rawFile('', 8, 0n), /does not begin with `\{`/],
  ['a header that begins with a space', rawFile(' {}', 0), /does not begin with `\{`/],
  ['a header that is not JSON', rawFile('{"a":', 0), /not JSON/],
  ['a header that is not UTF-8', badUtf8(), /header: /],
  ['text after the header’s object', rawFile('{} x', 0), /text after the end/],
  ['a name that is there twice', rawFile(`{"a":${entry(0, 4)},"a":${entry(0, 4)}}`, 4), /"a" is there twice/],
  [
    'a field that is there twice',
    rawFile('{"a":{"dtype":"F32","dtype":"F32"}}', 0),
    /"dtype" is there twice/,
  ],
  [
    'a name that is there twice, once escaped',
    rawFile(`{"a":${entry(0, 4)},"\\u0061":${entry(0, 4)}}`, 4),
    /twice/,
  ],
  ['nesting without end', rawFile('{"a":'.repeat(50_000), 0), /nested deeper than 16/],
  ['an entry that is no object', rawFile('{"a":[]}', 0), /`a`: its entry is not an object/],
  ['an unknown dtype', rawFile(`{"a":${entry(0, 4, '[1]', '"F31"')}}`, 4), /dtype "F31", known are/],
  ['a dtype from the prototype', rawFile(`{"a":${entry(0, 4, '[1]', '"toString"')}}`, 4), /dtype "toString"/],
  ['a dtype that is missing', rawFile('{"a":{"shape":[],"data_offsets":[0,4]}}', 4), /dtype missing/],
  [
    'a negative size',
    rawFile(`{"a":${entry(0, 4, '[-1]')}}`, 4),
    /shape is not a list of non-negative integers/,
  ],
  ['a size that is not whole', rawFile(`{"a":${entry(0, 4, '[1.5]')}}`, 4), /shape is not a list/],
  ['sizes that overflow', rawFile(`{"a":${entry(0, 4, '[4294967296,4294967296]')}}`, 4), /overflows/],
  [
    'one offset',
    rawFile('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}', 4),
    /data_offsets are not two/,
  ],
  [
    'offsets that do not fit the shape',
    rawFile(`{"a":${entry(0, 8, '[1]')}}`, 8),
    /takes 4 bytes, its data_offsets hold 8/,
  ],
  ['offsets that run backwards', rawFile(`{"a":${entry(4, 0, '[1]')}}`, 4), /data_offsets hold -4/],
  [
    'tensors that overlap',
    rawFile(`{"a":${entry(0, 8)},"b":${entry(4, 12)}}`, 12),
    /`b` overlaps the tensor before it/,
  ],
  ['a gap between tensors', rawFile(`{"a":${entry(0, 4)},"b":${entry(8, 12)}}`, 12), /`b` leaves a gap/],
  [
    'data that nobody owns',
    rawFile(`{"a":${entry(0, 4)}}`, 5),
    /tensors end at byte \d+, the file at byte \d+/,
  ],
  ['a file that was cut', rawFile(`{"a":${entry(0, 8)}}`, 4), /tensors end at byte/],
  ['metadata that are no object', rawFile('{"__metadata__":1}', 0), /`__metadata__` is not an object/],
  [
    'metadata that are no strings',
    rawFile('{"__metadata__":{"a":1}}', 0),
    /`__metadata__.a` is not a string/,
  ],
];

for (const [title, file, message] of CASES) {
  test(`${title} is refused, in memory and on disk`, async (t) => {
    assert.throws(() => parseSafetensors(file), zmeshError('BAD_SAFETENSORS', message));
    const path = join(await temporaryFolder(t), 'x.safetensors');
    await writeFile(path, file);
    await assert.rejects(openSafetensors(path), zmeshError('BAD_SAFETENSORS', message));
    await assert.rejects(openSafetensors(path), /x\.safetensors is not a sound safetensors file/);
  });
}

test('a tensor named __proto__ is a tensor like others', () => {
  const { tensors } = parseSafetensors(rawFile(`{"__proto__":${entry(0, 4)}}`, 4));
  assert.deepEqual([...tensors.keys()], ['__proto__']);
  assert.equal(({} as { dtype?: unknown }).dtype, undefined);
});

function badUtf8(): Uint8Array {
  const file = rawFile('{"a?":1}', 0);
  file[10] = 0xff;
  return file;
}
