import { ZmeshError } from '#shared/errors.js';
import { quote } from '#shared/one-line.js';
import type { JsonFields } from './json-fields.js';

/** How much longer a text may become by the replacements of a normaliser; published ones replace a space by one character. */
const GROWTH_MAX = 64;

/**
 * Checks the merges of a BPE model as Hugging Face's own library does: pairs of tokens, each and both joined in the
 * vocabulary. The library used here takes anything.
 * @throws ZmeshError INVALID_FIELD.
 */
export function checkMerges(model: JsonFields, vocab: Readonly<Record<string, unknown>>): void {
  const { merges = [], continuing_subword_prefix: prefix } = model.fields;
  if (!Array.isArray(merges)) throw bad(model, 'merges', 'must be a list');
  const skipped = typeof prefix === 'string' ? prefix.length : 0;
  for (const [index, merge] of merges.entries()) {
    const pair: unknown = typeof merge === 'string' ? merge.split(' ') : merge;
    if (!isPair(pair)) {
      throw bad(model, 'merges', `[${index}] must be two tokens, it is ${quote(merge)}`);
    }
    const [left, right] = pair;
    const missing = [left, right, left + right.slice(skipped)].find((token) => !Object.hasOwn(vocab, token));
    if (missing === undefined) continue;
    throw bad(model, 'merges', `[${index}]: token \`${quote(missing)}\` is not in the vocabulary`);
  }
}

/**
 * Refuses a normaliser whose replacements multiply a text's length without bound.
 * @throws ZmeshError INVALID_FIELD with limit and value.
 */
export function checkNormalizer(json: JsonFields): void {
  const growth = growthOf(json.fields.normalizer, 0);
  if (growth <= GROWTH_MAX) return;
  const message = `replaces a text by one ${growth} times as long, the limit is ${GROWTH_MAX}`;
  throw bad(json, 'normalizer', message, { limit: GROWTH_MAX, value: growth });
}

function growthOf(normalizer: unknown, depth: number): number {
  if (typeof normalizer !== 'object' || normalizer === null) return 1;
  if (depth > 16) return Number.POSITIVE_INFINITY;
  const { content, prepend, normalizers } = normalizer as Readonly<Record<string, unknown>>;
  const own = Math.max(1, ...[content, prepend].map((text) => (typeof text === 'string' ? text.length : 0)));
  const inner = Array.isArray(normalizers) ? normalizers : [];
  return inner.reduce<number>((product, member) => product * growthOf(member, depth + 1), own);
}

function isPair(value: unknown): value is [string, string] {
  return (
    Array.isArray(value) &&
    value.length === 2 &&
    value.every((token) => typeof token === 'string' && token !== '')
  );
}

function bad(
  json: JsonFields,
  field: string,
  fault: string,
  details: { limit?: number; value?: number } = {},
): ZmeshError {
  return new ZmeshError('INVALID_FIELD', `${json.file}: \`${field}\` ${fault}`, { ...details, field });
}
