import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '#shared/paths.js';

/** What the reference (transformers, f32) answered to one prompt. Numbers are rounded to four decimals. */
export interface GoldenAnswer {
  readonly prompt_ids: readonly number[];
  /** Of the first new token: the 20 largest logits, falling, and log Σ exp over the whole vocabulary. */
  readonly first_token_top20: {
    readonly ids: readonly number[];
    readonly logits: readonly number[];
    readonly logsumexp: number;
  };
  readonly greedy_ids: readonly number[];
  /** Between the two best logits of each step. */
  readonly greedy_margin: readonly number[];
  readonly greedy_text: string;
}

/** `golden.json`. */
export interface GoldenFile {
  readonly file: string;
  readonly sha256: string;
  readonly chats: readonly (GoldenAnswer & {
    readonly messages: readonly { readonly role: string; readonly content: string }[];
    readonly rendered: string;
  })[];
  /** Dequantised weights, rows in the order of the Hugging Face checkpoint; `head` = the first values. */
  readonly tensors: Readonly<
    Record<
      string,
      {
        readonly shape: readonly number[];
        readonly sum: number;
        readonly abs_sum: number;
        readonly head: readonly number[];
      }
    >
  >;
  readonly tokenizer: readonly {
    readonly text: string;
    readonly ids: readonly number[];
    readonly decoded: string;
  }[];
}

/** `golden-adapted.json`: answers under one expert with each normalisation. */
export interface GoldenAdaptedFile {
  /** The expert's multipliers, as a formula in words. */
  readonly expert: string;
  readonly none: readonly (GoldenAnswer & { readonly user: string })[];
  readonly trace: readonly (GoldenAnswer & { readonly user: string })[];
}

const read = (name: string): unknown =>
  JSON.parse(readFileSync(join(projectRoot, 'tests/golden/smollm2', name), 'utf8'));

/** The goldens of the base model. */
export const GOLDEN = read('golden.json') as GoldenFile;

/** The goldens of the adapted one. */
export const GOLDEN_ADAPTED = read('golden-adapted.json') as GoldenAdaptedFile;
