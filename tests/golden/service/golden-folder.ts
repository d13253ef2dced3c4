import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type GoldenTensor, readGoldenTensors } from '../../support/read-safetensors.js';

/** How σ∘m' is scaled after mixing. */
export type GoldenNormalisation = 'none' | 'trace';

/** One way of adapting, with its results. */
export interface GoldenAdapted {
  readonly tag: string;
  readonly mixture: readonly {
    readonly expert: string;
    readonly alpha?: number;
    readonly alpha_per_matrix?: Readonly<Record<string, number>>;
  }[];
  readonly normalisation: GoldenNormalisation;
  readonly greedy: readonly (readonly number[])[];
}

/** One gradient: loss = mean over sequences of −reward · Σ log π + kl_coefficient · Σ KL, over the answers alone. */
export interface GoldenGradient {
  readonly tag: string;
  readonly expert: string;
  /** What it is taken with respect to; `sigmoid_p`: m = sigmoid(p), p in `gradient/<tag>/at/<weight>`. */
  readonly parameter: 'm' | 'sigmoid_p';
  readonly normalisation: GoldenNormalisation;
  readonly kl_coefficient: number;
  readonly kl_direction: 'reference_to_policy' | 'policy_to_reference';
  readonly loss: number;
  readonly log_prob: readonly number[];
  readonly kl: readonly number[];
  readonly sequences: readonly {
    readonly prompt: readonly number[];
    readonly answer: readonly number[];
    readonly reward: number;
  }[];
}

/** A checkpoint with results of an independent implementation. */
export interface GoldenFolder {
  readonly folder: string;
  readonly name: string;
  readonly prompts: readonly (readonly number[])[];
  /** Greedy tokens of the base, for each prompt. */
  readonly greedy: readonly (readonly number[])[];
  readonly adapted: readonly GoldenAdapted[];
  readonly gradients: readonly GoldenGradient[];
  /** `logits/<tag>/<prompt>` and `expert/<name>/<weight>`, `gradient/<tag>/<weight>`. */
  readonly tensors: ReadonlyMap<string, GoldenTensor>;
}

/** Folders in the goldens' format: `path` itself, or those in it. */
export function findGoldenFolders(path: string): readonly string[] {
  const isGolden = (folder: string): boolean =>
    ['golden.json', 'golden.safetensors', 'config.json'].every((file) => existsSync(join(folder, file)));
  if (isGolden(path)) return [path];
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .sort()
    .map((name) => join(path, name))
    .filter(isGolden);
}

/** Reads one. */
export function readGoldenFolder(folder: string): GoldenFolder {
  const json = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8')) as Pick<
    GoldenFolder,
    'prompts' | 'greedy' | 'adapted' | 'gradients'
  >;
  const tensors = readGoldenTensors(join(folder, 'golden.safetensors'));
  return { folder, name: basename(folder).toLowerCase(), ...json, tensors };
}
