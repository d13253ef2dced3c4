import { ZmeshError } from '#shared/errors.js';
import { quote } from '#shared/one-line.js';
import { type JsonFields, nested } from './json-fields.js';
import { checkMerges, checkNormalizer } from './tokenizer-rules.js';

/** A token that is added to the vocabulary of the model, e.g. `<|im_end|>`. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
}

/** The parts of `tokenizer.json` that zmesh itself reads; the rest is the library's. */
export interface TokenizerJson {
  readonly added_tokens: readonly AddedToken[];
  readonly decoder: unknown;
  readonly post_processor: unknown;
  readonly model: { readonly vocab: Readonly<Record<string, number>>; readonly [key: string]: unknown };
  readonly [key: string]: unknown;
}

/**
 * Checks that a `tokenizer.json` is one that is reproduced exactly.
 * @throws ZmeshError INVALID_FIELD for other models than BPE, by name: `@huggingface/tokenizers` ignores `byte_fallback` of
 *   Unigram models and so gives other ids (measured: 63 of 842 texts right).
 */
export function checkTokenizerJson(json: JsonFields): TokenizerJson {
  const { fields } = json;
  const model = nested(json, 'model', fields.model);
  const type = model.fields.type ?? (model.fields.merges === undefined ? 'unnamed' : 'BPE');
  if (type !== 'BPE') {
    const message = `${json.file}: tokenizer model \`${quote(type)}\` is not supported; supported is BPE (byte-level, or with byte fallback)`;
    throw new ZmeshError('INVALID_FIELD', message, {
      field: 'model.type',
      limit: 'BPE',
      value: quote(type),
    });
  }
  const vocab = nested(model, 'vocab', model.fields.vocab).fields;
  for (const [token, id] of Object.entries(vocab)) checkId(json.file, token, id);
  checkMerges(model, vocab);
  checkNormalizer(json);
  const added = fields.added_tokens ?? [];
  if (!Array.isArray(added))
    throw new ZmeshError('INVALID_FIELD', `${json.file}: \`added_tokens\` must be a list`);
  const tokens = added.map((token) => readAddedToken(json, token));
  return { ...fields, added_tokens: tokens, model: { ...model.fields, vocab } } as unknown as TokenizerJson;
}

/** One more than the largest token id. */
export function tokenizerSize(json: TokenizerJson): number {
  let largest = -1;
  for (const id of Object.values(json.model.vocab)) largest = Math.max(largest, id);
  for (const { id } of json.added_tokens) largest = Math.max(largest, id);
  return largest + 1;
}

function readAddedToken(json: JsonFields, value: unknown): AddedToken {
  const { fields } = nested(json, 'added_tokens', value);
  if (typeof fields.content !== 'string' || fields.content === '') {
    throw new ZmeshError('INVALID_FIELD', `${json.file}: an added token has no content`);
  }
  checkId(json.file, fields.content, fields.id);
  return { ...fields, id: fields.id as number, content: fields.content, special: fields.special === true };
}

function checkId(file: string, token: string, id: unknown): void {
  if (Number.isSafeInteger(id) && Number(id) >= 0 && Number(id) < 2 ** 31) return;
  throw new ZmeshError('INVALID_FIELD', `${file}: token \`${quote(token)}\` has no valid id: ${quote(id)}`);
}
