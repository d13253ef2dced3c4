import { randomBytes } from 'node:crypto';
import type { TokenizerJson } from './tokenizer-json.js';

/**
 * Keeps special tokens out of what users write. In a sealed tokenizer every special token goes under a secret name, so the
 * text `<|im_end|>` is only text; where a special token is meant, the text is sealed first: its special tokens are replaced
 * by their secret names.
 */
export interface SealedTokens {
  /** `tokenizer.json` with the secret names. */
  readonly json: TokenizerJson;
  /** The content of the special tokens, longest first. */
  readonly contents: readonly string[];
  /** Special tokens in the text become tokens. */
  seal(text: string): string;
  /** Special tokens in the text become marks that `seal` does not see. */
  hide(text: string): string;
  /** Marks become the text that they were. */
  unhide(text: string): string;
}

/** Characters of Unicode's private use area, which normalisers and pre-tokenizers leave alone. */
const PRIVATE_START = 0xe000;

/** Seals a tokenizer. The names hold 64 random bits, so that no text holds one by design or by chance. */
export function sealTokens(json: TokenizerJson, nonce: Uint8Array = randomBytes(8)): SealedTokens {
  const specials = json.added_tokens.filter(({ special }) => special).map(({ content }) => content);
  const contents = [...new Set(specials)].sort((a, b) => b.length - a.length);
  const secret = new Map(contents.map((content, index) => [content, privateName(nonce, index)]));
  const mark = new Map(
    contents.map((content, index) => [content, privateName(nonce, contents.length + index)]),
  );
  const unmark = new Map(Array.from(mark, ([content, name]) => [name, content]));
  const rename = (text: string): string => secret.get(text) ?? text;
  return {
    contents,
    json: renameSpecials(json, rename),
    seal: replacer(secret),
    hide: replacer(mark),
    unhide: replacer(unmark),
  };
}

function privateName(nonce: Uint8Array, index: number): string {
  const digits = [...nonce, 256 + (index >> 8), 256 + (index & 255)];
  return String.fromCharCode(...digits.map((digit) => PRIVATE_START + digit));
}

function replacer(names: ReadonlyMap<string, string>): (text: string) => string {
  if (names.size === 0) return (text) => text;
  const pattern = new RegExp(Array.from(names.keys(), escapeForRegExp).join('|'), 'g');
  return (text) => text.replace(pattern, (found) => names.get(found) as string);
}

function escapeForRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

/** Special tokens are named in the added tokens, sometimes in the vocabulary, and by the post-processor that adds bos. */
function renameSpecials(json: TokenizerJson, rename: (text: string) => string): TokenizerJson {
  const vocab = Object.fromEntries(
    Object.entries(json.model.vocab).map(([token, id]) => [rename(token), id]),
  );
  const { unk_token: unknown } = json.model;
  return {
    ...json,
    added_tokens: json.added_tokens.map((token) => ({ ...token, content: rename(token.content) })),
    post_processor: renameDeep(json.post_processor, rename),
    model: { ...json.model, vocab, ...(typeof unknown === 'string' ? { unk_token: rename(unknown) } : {}) },
  };
}

function renameDeep(value: unknown, rename: (text: string) => string): unknown {
  if (typeof value === 'string') return rename(value);
  if (Array.isArray(value)) return value.map((member) => renameDeep(member, rename));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [rename(key), renameDeep(member, rename)]),
  );
}
