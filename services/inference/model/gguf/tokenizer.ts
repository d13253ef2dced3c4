import { badGguf } from './errors.js';
import type { Metadata } from './metadata.js';
import { PRE_TOKENIZERS } from './pre-tokenizers.js';

/** Kinds of tokens in `tokenizer.ggml.token_type`. */
const CONTROL = 3;
const USER_DEFINED = 4;
const BYTE = 6;

/** The files of a Hugging Face folder that a GGUF file's tokenizer becomes. */
export interface TokenizerFiles {
  readonly tokenizer: Record<string, unknown>;
  readonly tokenizerConfig: Record<string, unknown>;
  /** null = the file has no chat template. */
  readonly chatTemplate: string | null;
}

/**
 * Rebuilds `tokenizer.json`, `tokenizer_config.json` and the chat template from a file's metadata: byte-level BPE
 * (`gpt2`). Throws INVALID_FIELD by name for other tokenizers, unknown pre-tokenisers and doubled tokens.
 */
export function ggufTokenizer(metadata: Metadata): TokenizerFiles {
  const { file } = metadata;
  const model = metadata.string('tokenizer.ggml.model');
  if (model !== 'gpt2')
    throw badGguf(file, `tokenizer "${model}" is not supported; supported is "gpt2" (byte-level BPE)`);
  const pre = metadata.string('tokenizer.ggml.pre', 'missing');
  const cut = Object.hasOwn(PRE_TOKENIZERS, pre) ? PRE_TOKENIZERS[pre] : undefined;
  if (!cut)
    throw badGguf(
      file,
      `pre-tokeniser "${pre}" is not supported; supported are ${Object.keys(PRE_TOKENIZERS).join(', ')}`,
    );
  const tokens = metadata.strings('tokenizer.ggml.tokens');
  const special = (key: string): string | null => specialToken(metadata, tokens, key);
  const bos = special('bos');
  const addBos = metadata.boolean('tokenizer.ggml.add_bos_token', cut.addBos);
  if (addBos && bos === null) throw badGguf(file, 'add_bos_token is true but there is no bos token');
  const template = metadata.string('tokenizer.chat_template', '');
  return {
    tokenizer: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: addedTokens(metadata, tokens),
      normalizer: cut.normalizer,
      pre_tokenizer: cut.preTokenizer,
      post_processor: addBos && bos !== null ? prefix(bos, tokens.indexOf(bos)) : null,
      decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
      model: bpe(metadata, tokens, cut.ignoreMerges),
    },
    tokenizerConfig: {
      tokenizer_class: 'PreTrainedTokenizerFast',
      bos_token: bos,
      eos_token: special('eos'),
      unk_token: special('unknown'),
      pad_token: special('padding'),
      clean_up_tokenization_spaces: false,
    },
    chatTemplate: template === '' ? null : template,
  };
}

function specialToken(metadata: Metadata, tokens: readonly string[], key: string): string | null {
  const field = `tokenizer.ggml.${key}_token_id`;
  if (!metadata.has(field)) return null;
  const id = metadata.number(field);
  const token = tokens[id];
  if (token === undefined)
    throw badGguf(metadata.file, `${field} is ${id}, the vocabulary has ${tokens.length} tokens`, {
      limit: tokens.length,
      value: id,
    });
  return token;
}

function addedTokens(metadata: Metadata, tokens: readonly string[]): unknown[] {
  const types = metadata.numbers('tokenizer.ggml.token_type');
  if (types.length !== tokens.length)
    throw badGguf(metadata.file, `${types.length} token types for ${tokens.length} tokens`);
  if (types.includes(BYTE))
    throw badGguf(metadata.file, 'byte tokens do not belong into a byte-level vocabulary');
  return tokens.flatMap((content, id) => {
    if (types[id] !== CONTROL && types[id] !== USER_DEFINED) return [];
    return [
      {
        id,
        content,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: types[id] === CONTROL,
      },
    ];
  });
}

function bpe(metadata: Metadata, tokens: readonly string[], ignoreMerges: boolean): unknown {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  if (ids.size !== tokens.length) {
    const doubled = tokens.find((token, id) => ids.get(token) !== id);
    throw badGguf(metadata.file, `token ${JSON.stringify(doubled)} stands twice in the vocabulary`);
  }
  const merges = metadata.strings('tokenizer.ggml.merges').map((merge) => {
    // A merge is two tokens with a space between; the space of the text itself is written Ġ.
    const space = merge.indexOf(' ', 1);
    if (space < 1 || space === merge.length - 1)
      throw badGguf(metadata.file, `merge ${JSON.stringify(merge)} is not two tokens`);
    return [merge.slice(0, space), merge.slice(space + 1)];
  });
  return {
    type: 'BPE',
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: '',
    end_of_word_suffix: '',
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: ignoreMerges,
    vocab: Object.fromEntries(ids),
    merges,
  };
}

function prefix(bos: string, id: number): unknown {
  const sequence = (name: string, type: number): unknown => ({ Sequence: { id: name, type_id: type } });
  const token = (type: number): unknown => ({ SpecialToken: { id: bos, type_id: type } });
  return {
    type: 'TemplateProcessing',
    single: [token(0), sequence('A', 0)],
    pair: [token(0), sequence('A', 0), token(1), sequence('B', 1)],
    special_tokens: { [bos]: { id: bos, ids: [id], tokens: [bos] } },
  };
}
