import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadTokenizer } from '#services/inference/model/tokenizer.js';
import { copyCheckpoint } from '../../support/checkpoint-folder.js';
import { refusesImport } from '../../support/failed-import.js';
import { zmeshError } from '../../support/safetensors-cases.js';

/** The parts of a `tokenizer.json` that the cases below change. */
interface Editable {
  model: { vocab: Record<string, unknown>; merges: unknown; type?: unknown; [key: string]: unknown };
  added_tokens: unknown;
  pre_tokenizer: unknown;
  normalizer: unknown;
  decoder: unknown;
  [key: string]: unknown;
}

const split = (Regex: string): unknown => ({
  type: 'Sequence',
  pretokenizers: [
    { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false },
    { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
  ],
});
const replace = (content: string, pattern: object = { String: 'o' }): unknown => ({
  type: 'Replace',
  pattern,
  content,
});

async function edited(t: TestContext, edit: (json: Editable) => void): Promise<string> {
  const folder = await copyCheckpoint(t, 'octo-nano');
  const path = join(folder, 'tokenizer.json');
  const json = JSON.parse(await readFile(path, 'utf8')) as Editable;
  edit(json);
  await writeFile(path, JSON.stringify(json));
  return folder;
}

const CASES: readonly [title: string, edit: (json: Editable) => void, message: RegExp][] = [
  [
    'an id beyond the model',
    (j) => {
      j.model.vocab.far = 2 ** 31 - 1;
    },
    /has 2147483648 token ids, the model only \d+/,
  ],
  [
    'an id beyond 2^31',
    (j) => {
      j.model.vocab.far = 2 ** 31;
    },
    /token `far` has no valid id: 2147483648/,
  ],
  [
    'an id below zero',
    (j) => {
      j.model.vocab.far = -1;
    },
    /token `far` has no valid id: -1/,
  ],
  [
    'an id that is not whole',
    (j) => {
      j.model.vocab.far = 1.5;
    },
    /token `far` has no valid id: 1\.5/,
  ],
  [
    'an id that is a text',
    (j) => {
      j.model.vocab.far = '7';
    },
    /token `far` has no valid id: 7/,
  ],
  [
    'an odd token without an id',
    (j) => {
      j.model.vocab[`a\n${'b'.repeat(1e6)}`] = null;
    },
    /token `a b+…` has no valid id: null/,
  ],
  [
    'a vocabulary that is a list',
    (j) => {
      j.model.vocab = [] as never;
    },
    /vocab is not a JSON object/,
  ],
  [
    'another model, by an object',
    (j) => {
      j.model.type = { toString: 1 };
    },
    /tokenizer model `\{"toString":1\}` is not supported/,
  ],
  [
    'merges of one token',
    (j) => {
      j.model.merges = [['a']];
    },
    /`merges` \[0\] must be two tokens, it is \["a"\]/,
  ],
  [
    'merges of three tokens',
    (j) => {
      j.model.merges = ['a b c'];
    },
    /`merges` \[0\] must be two tokens, it is a b c/,
  ],
  [
    'merges that are numbers',
    (j) => {
      j.model.merges = [5, null];
    },
    /`merges` \[0\] must be two tokens, it is 5/,
  ],
  [
    'merges of nothing',
    (j) => {
      j.model.merges = [['', 'a']];
    },
    /must be two tokens/,
  ],
  [
    'merges that are a text',
    (j) => {
      j.model.merges = 'a b';
    },
    /`merges` must be a list/,
  ],
  [
    'merges of tokens that are not there',
    (j) => {
      j.model.merges = [['constructor', 'a']];
    },
    /token `constructor` is not in the vocabulary/,
  ],
  [
    'merges into a token that is not there',
    (j) => {
      j.model.merges = [['a', '0']];
    },
    /token `a0` is not in the vocabulary/,
  ],
  [
    'added tokens that are empty',
    (j) => {
      j.added_tokens = [{ id: 1, content: '' }];
    },
    /an added token has no content/,
  ],
  [
    'added tokens without content',
    (j) => {
      j.added_tokens = [{ id: 1, content: null }];
    },
    /an added token has no content/,
  ],
  [
    'added tokens that are a text',
    (j) => {
      j.added_tokens = 'x';
    },
    /`added_tokens` must be a list/,
  ],
  [
    'added tokens that are null',
    (j) => {
      j.added_tokens = [null];
    },
    /is not a JSON object/,
  ],
  [
    'a pattern that is none',
    (j) => {
      j.pre_tokenizer = split('(');
    },
    /tokenizer\.json: Invalid regular expression/,
  ],
  [
    'an unknown pre-tokenizer',
    (j) => {
      j.pre_tokenizer = { type: 'constructor' };
    },
    /Unknown PreTokenizer type: constructor/,
  ],
  [
    'an unknown decoder',
    (j) => {
      j.decoder = { type: '__proto__' };
    },
    /Unknown Decoder type: __proto__/,
  ],
  [
    'a normaliser that multiplies',
    (j) => {
      const longer = replace('o'.repeat(50));
      j.normalizer = { type: 'Sequence', normalizers: [longer, longer] };
    },
    /replaces a text by one 2500 times as long, the limit is 64/,
  ],
  [
    'normalisers without end',
    (j) => {
      for (let i = 0; i < 100; i++) j.normalizer = { type: 'Sequence', normalizers: [j.normalizer] };
    },
    /Infinity times as long/,
  ],
  [
    'a pattern that backtracks without end',
    (j) => {
      j.pre_tokenizer = split('(\\p{L}+)+$');
    },
    /the tokenizer cannot be served: the text is not cut into tokens after \d+ ms/,
  ],
  [
    'a normaliser that backtracks without end',
    (j) => {
      j.normalizer = replace('', { Regex: '^(\\s|\\s\\s)+$' });
    },
    /the tokenizer cannot be served: the text is not cut into tokens after \d+ ms/,
  ],
];

for (const [title, edit, message] of CASES) {
  test(`an import refuses a tokenizer with ${title}`, async (t) => {
    await refusesImport(await edited(t, edit), message);
  });
}

test('tokens with the names of the prototype are tokens like others', async (t) => {
  const folder = await edited(t, ({ model }) => {
    const { vocab } = model;
    const [first, second] = Object.entries(vocab).filter(([, id]) => Number(id) > 300) as [
      [string, number],
      [string, number],
    ];
    delete vocab[first[0]];
    delete vocab[second[0]];
    model.merges = [];
    Object.defineProperty(vocab, '__proto__', { value: first[1], enumerable: true });
    Object.assign(vocab, { constructor: second[1] });
  });
  const tokenizer = await loadTokenizer(folder);
  const text = '__proto__ constructor';
  const ids = tokenizer!.encodeText(text, { special: false });
  const decoder = tokenizer!.decoder();
  assert.equal(ids.map((id) => decoder.push(id)).join('') + decoder.end(), text);
  assert.equal(ids.length, text.length);
});

test('a pattern that only a user’s text drives into backtracking is ended by the clock, and the next text is encoded', {
  timeout: 60_000,
}, async (t) => {
  const folder = await edited(t, (json) => {
    json.pre_tokenizer = split('z(q+)+z$|[\\s\\S]');
  });
  const tokenizer = await loadTokenizer(folder);
  assert.equal(tokenizer!.encodeText('zqq', { special: false }).length, 3);
  const started = performance.now();
  assert.throws(
    () => tokenizer!.encodeText(`z${'q'.repeat(60)}`, { special: false }),
    zmeshError('TOO_LARGE', /the text is not cut into tokens after 2002 ms, the limit for 61 characters/),
  );
  assert.ok(performance.now() - started < 15_000);
  assert.equal(tokenizer!.encodeText('zqq', { special: false }).length, 3);
});
