import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { StreamDecoder } from '#services/inference/model/stream-decoder.js';
import { loadTokenizer, type ModelTokenizer } from '#services/inference/model/tokenizer.js';
import { ZmeshError } from '#shared/errors.js';
import { projectRoot } from '#shared/paths.js';

const FOLDER = join(projectRoot, 'tests/golden/tokenizers');
const KINDS = [
  'byte-level-gpt2',
  'byte-level-digits',
  'byte-level-llama3',
  'byte-level-qwen2',
  'sentencepiece-bpe',
];
const readJson = async <T>(...path: string[]): Promise<T> =>
  JSON.parse(await readFile(join(FOLDER, ...path), 'utf8')) as T;

/** Rows of golden.json: ids and decoded text as the Rust tokenizers library gives them. */
type Golden = readonly [ids: number[], decoded: string][];

async function check(folder: string, name: string): Promise<void> {
  const tokenizer: ModelTokenizer | null = await loadTokenizer(folder);
  assert.ok(tokenizer);
  const texts = await readJson<string[]>('texts.json');
  const golden = await readJson<Golden>(name, 'golden.json');
  assert.ok(texts.length >= 800 && texts.length === golden.length);
  for (const [index, text] of texts.entries()) {
    const [ids, decoded] = golden[index]!;
    assert.deepEqual(
      tokenizer.encodeText(text, { special: true }),
      ids,
      `ids of text ${index} ${JSON.stringify(text)}`,
    );
    const decoder: StreamDecoder = tokenizer.decoder();
    const pieces = ids.map((id) => decoder.push(id));
    assert.equal(pieces.join('') + decoder.end(), decoded, `text ${index} ${JSON.stringify(text)}`);
  }
}

for (const name of KINDS) {
  test(`${name}: ids and streamed text of 900 texts are those of the Rust tokenizers library`, () =>
    check(join(FOLDER, name), name));
}

test('merges in the older spelling give the same ids', async (t) => {
  const folder = await copyOf(t, 'byte-level-llama3');
  const json = await readJson<{ model: { merges: unknown[] } }>('byte-level-llama3', 'tokenizer.json');
  json.model.merges = json.model.merges.map((merge) => (merge as string[]).join(' '));
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(json));
  await check(folder, 'byte-level-llama3');
});

test('streamed pieces never end inside a character: every piece is whole UTF-8', async () => {
  for (const name of KINDS) {
    const tokenizer = await loadTokenizer(join(FOLDER, name));
    const golden = await readJson<Golden>(name, 'golden.json');
    for (const [ids, decoded] of golden.slice(0, 200)) {
      if (decoded.includes('\uFFFD')) continue;
      const decoder = tokenizer!.decoder();
      for (const id of ids)
        assert.ok(!decoder.push(id).includes('\uFFFD'), `${name}: ${JSON.stringify(decoded)}`);
    }
  }
});

test('a tokenizer that is not reproduced exactly is refused by name', async () => {
  await assert.rejects(
    loadTokenizer(join(FOLDER, 'unigram-byte-fallback')),
    (error: unknown) =>
      error instanceof ZmeshError &&
      error.reason === 'INVALID_FIELD' &&
      /tokenizer model `Unigram` is not supported/.test(error.message),
  );
});

async function copyOf(t: TestContext, name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'zmesh-tokenizer-'));
  t.after(() => rm(folder, { recursive: true }));
  await cp(join(FOLDER, name), folder, { recursive: true });
  return folder;
}
