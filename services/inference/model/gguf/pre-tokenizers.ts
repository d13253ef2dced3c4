/** How text is cut before merging, as `tokenizer.json` says it, and what comes with it. */
export interface PreTokenizer {
  readonly preTokenizer: unknown;
  readonly normalizer: unknown;
  /** A whole piece that is in the vocabulary is one token without merging. */
  readonly ignoreMerges: boolean;
  /** Whether raw text gets a bos where the file does not say. */
  readonly addBos: boolean;
}

const byteLevel = (useRegex: boolean): unknown => ({
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: useRegex,
});
const split = (pattern: string): unknown => ({
  type: 'Sequence',
  pretokenizers: [
    { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false },
    byteLevel(false),
  ],
});

/** GPT-2's own pattern. */
const GPT2: PreTokenizer = {
  preTokenizer: byteLevel(true),
  normalizer: null,
  ignoreMerges: false,
  addBos: false,
};

/** GPT-2's pattern after cutting out every digit. */
const SINGLE_DIGITS: PreTokenizer = {
  ...GPT2,
  preTokenizer: {
    type: 'Sequence',
    pretokenizers: [{ type: 'Digits', individual_digits: true }, byteLevel(true)],
  },
};

const LLAMA3 =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const QWEN2 =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/**
 * Pre-tokenisers by the name that a file gives in `tokenizer.ggml.pre`: what the models' own `tokenizer.json` say.
 * A name that is not here is refused, since another cut gives other ids.
 */
export const PRE_TOKENIZERS: Readonly<Record<string, PreTokenizer>> = {
  'gpt-2': GPT2,
  smollm: SINGLE_DIGITS,
  starcoder: SINGLE_DIGITS,
  refact: SINGLE_DIGITS,
  'command-r': SINGLE_DIGITS,
  'llama-bpe': { preTokenizer: split(LLAMA3), normalizer: null, ignoreMerges: true, addBos: true },
  qwen2: { preTokenizer: split(QWEN2), normalizer: { type: 'NFC' }, ignoreMerges: false, addBos: false },
};
