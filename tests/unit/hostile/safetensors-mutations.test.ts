import assert from 'node:assert/strict';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ZmeshError } from '#shared/errors.js';
import { DTYPE_BYTES } from '#shared/safetensors/dtype.js';
import { openSafetensors } from '#shared/safetensors/read-file.js';
import { encodeSafetensors, parseSafetensors, type Safetensors } from '#shared/safetensors/safetensors.js';
import { rawFile, temporaryFolder, zmeshError } from '../../support/safetensors-cases.js';
import { generator } from '../../support/tiny-gguf.js';

const FILE = encodeSafetensors(
  [
    { name: 'model.embed.weight', dtype: 'F32', shape: [2, 3], data: new Uint8Array(24) },
    { name: 'sigma', dtype: 'F64', shape: [2], data: new Uint8Array(16) },
    { name: 'half', dtype: 'BF16', shape: [2, 2], data: new Uint8Array(8) },
    { name: 'empty', dtype: 'F16', shape: [0, 7], data: new Uint8Array(0) },
    { name: 'scalar', dtype: 'I8', shape: [], data: new Uint8Array(1) },
  ],
  { format: 'pt', note: 'ä\n' },
);
const HEADER_END = 8 + Number(new DataView(FILE.buffer).getBigUint64(0, true));

/** What a mutation may put in: JSON's signs, numbers at the edges, dtypes, keys of the prototype, escapes, broken UTF-8. */
const SPLINTERS: readonly Uint8Array[] = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  '\\',
  '\\u0000',
  '\\ud800',
  '-',
  '0',
  '1e999',
  '-0',
  '1.5',
  '9007199254740993',
  '18446744073709551616',
  'null',
  'true',
  '"__proto__"',
  '"constructor"',
  '"__metadata__"',
  '"F4"',
  '"I64"',
  '[[[[',
  ' ',
  '"data_offsets":[0,8]',
  '"dtype":"U8"',
  '"shape":[]',
  '"shape":[4294967296,4294967296]',
  '\u0000',
  '\u2028',
  '\ufeff',
]
  .map((text) => new TextEncoder().encode(text))
  .concat([Uint8Array.of(0xff), Uint8Array.of(0xc0, 0x80), Uint8Array.of(0xed, 0xa0, 0x80)]);

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zmesh-mutations-'));
});
after(() => rm(folder, { recursive: true, force: true }));

test('30 000 seeded mutations of a header: a sound result or one clear error, in bounded time and memory', async () => {
  const random = generator(20261124);
  const memory = process.memoryUsage.rss();
  const started = performance.now();
  let sound = 0;
  for (let round = 0; round < 30_000; round++) {
    const mutant = mutate(random);
    const outcome = attempt(() => parseSafetensors(mutant));
    if (outcome instanceof ZmeshError) assertClear(outcome, mutant);
    else {
      sound++;
      assertSound(outcome, mutant);
    }
    // The reader of files is the same parser behind other reads: now and then both must agree.
    if (round % 100 === 0) await assertFileAgrees(mutant, outcome);
  }
  assert.ok(sound > 300 && sound < 15_000, `${sound} mutants were sound`);
  assert.ok(performance.now() - started < 60_000, 'took too long');
  assert.ok(process.memoryUsage.rss() - memory < 400e6, 'took too much memory');
});

test('headers of 50 MB full of tensors, of nesting, of spaces, of one name or one list are refused without their size', async () => {
  const bytes = 50_000_000;
  const entry = (n: number): string => `"t${n}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`;
  const tensors = Array.from({ length: Math.floor(bytes / entry(100_000).length) }, (_, n) => entry(n)).join(
    ',',
  );
  const path = join(folder, 'large.safetensors');
  for (const [header, message] of [
    [`{${tensors}}`, /its header: more than 8000000 signs and values/],
    [`{"a":${'['.repeat(bytes)}`, /nested deeper than 16/],
    [`{${' '.repeat(bytes)}x`, /not JSON/],
    [`{"${'a'.repeat(bytes)}":1}`, /a string that is too long/],
    [`{"a":{"shape":[${'1,'.repeat(bytes / 2)}1]}}`, /more than 8000000 signs and values/],
  ] as const) {
    await writeFile(path, rawFile(header, 0));
    const memory = process.memoryUsage.rss();
    const started = performance.now();
    await assert.rejects(openSafetensors(path), (error: unknown) => {
      assert.ok(error instanceof ZmeshError && error.message.length < 1000);
      return zmeshError('BAD_SAFETENSORS', message)(error);
    });
    assert.ok(performance.now() - started < 30_000, 'took too long');
    assert.ok(process.memoryUsage.rss() - memory < 900e6, 'took too much memory');
  }
});

test('a file that shrinks after its header was read is an error, not zeros', async (t) => {
  const path = join(await temporaryFolder(t), 'x.safetensors');
  await writeFile(path, FILE);
  const file = await openSafetensors(path);
  await truncate(path, FILE.length - 4);
  const last = [...file.tensors.values()].reduce((a, b) =>
    b.offset + b.length > a.offset + a.length ? b : a,
  );
  await truncate(path, last.offset);
  await assert.rejects(
    file.readBytes(last),
    zmeshError('BAD_SAFETENSORS', /ends at byte \d+ while being read/),
  );
  await file.close();
});

function mutate(random: () => number): Uint8Array {
  const pick = (below: number): number => Math.floor(random() * below);
  let bytes = FILE.slice();
  for (let hits = 1 + pick(3); hits > 0; hits--) {
    const at = pick(5) === 0 ? pick(8) : 8 + pick(HEADER_END - 8);
    switch (pick(6)) {
      case 0:
        bytes[at] = pick(256);
        break;
      case 1:
        bytes = bytes.slice(0, pick(bytes.length + 1));
        break;
      case 2: // cut something out and tell the new length, so that the parser gets further
        bytes = withLength(splice(bytes, at, 1 + pick(12), new Uint8Array(0)));
        break;
      case 3:
        bytes = withLength(splice(bytes, at, pick(8), SPLINTERS[pick(SPLINTERS.length)]!));
        break;
      case 4: {
        const from = 8 + pick(HEADER_END - 8);
        bytes = withLength(splice(bytes, at, 0, bytes.slice(from, from + pick(60))));
        break;
      }
      default: // a digit for a digit: still JSON, with other numbers
        if (bytes[at]! >= 0x30 && bytes[at]! <= 0x39) bytes[at] = 0x30 + pick(10);
    }
  }
  return bytes;
}

function splice(bytes: Uint8Array, at: number, dropped: number, added: Uint8Array): Uint8Array<ArrayBuffer> {
  const place = Math.min(at, bytes.length);
  return Uint8Array.from(Buffer.concat([bytes.subarray(0, place), added, bytes.subarray(place + dropped)]));
}

/** Sets the length of the header so that the data keep their size. */
function withLength(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const length = bytes.length - 8 - (FILE.length - HEADER_END);
  if (length >= 0) new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  return bytes;
}

function attempt(parse: () => Safetensors): Safetensors | ZmeshError {
  try {
    return parse();
  } catch (error) {
    if (error instanceof ZmeshError) return error;
    throw error;
  }
}

function assertClear(error: ZmeshError, mutant: Uint8Array): void {
  assert.equal(error.reason, 'BAD_SAFETENSORS', Buffer.from(mutant).toString('latin1'));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none may be there
  assert.doesNotMatch(error.message, /[\u0000-\u001f\u007f]/);
  assert.ok(error.message.length < 1000);
}

/** Every tensor has a known type and just the bytes of its shape; one after another they fill what follows the header. */
function assertSound({ tensors }: Safetensors, mutant: Uint8Array): void {
  let end = 8 + Number(new DataView(mutant.buffer).getBigUint64(0, true));
  const places = [...tensors.values()].sort(
    (a, b) => a.data.byteOffset - b.data.byteOffset || a.data.length - b.data.length,
  );
  for (const { dtype, shape, data } of places) {
    const bytes = shape.reduce((product, size) => product * size, DTYPE_BYTES[dtype]);
    assert.equal(data.length, bytes);
    if (bytes > 0) assert.equal(data.byteOffset, end);
    end += bytes;
  }
  assert.equal(end, mutant.length);
}

async function assertFileAgrees(mutant: Uint8Array, outcome: Safetensors | ZmeshError): Promise<void> {
  const path = join(folder, 'mutant.safetensors');
  await writeFile(path, mutant);
  const opened = await openSafetensors(path).catch((error: unknown) => error);
  if (outcome instanceof ZmeshError) {
    assert.ok(opened instanceof ZmeshError);
    assert.equal(opened.message.replace(path, 'the payload'), outcome.message);
    return;
  }
  const file = opened as Awaited<ReturnType<typeof openSafetensors>>;
  assert.deepEqual([...file.tensors.keys()], [...outcome.tensors.keys()]);
  await file.close();
}
