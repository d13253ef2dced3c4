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

/** A checkpoint with results of an independent implementation. */
export interface GoldenFolder {
  readonly folder: string;
  readonly name: string;
  readonly prompts: readonly (readonly number[])[];
  /** Greedy tokens of the base, for each prompt. */
  readonly greedy: readonly (readonly number[])[];
  readonly adapted: readonly GoldenAdapted[];
  /** `logits/<tag>/<prompt>` and `expert/<name>/<weight>`. */
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
    'prompts' | 'greedy' | 'adapted'
  >;
  const tensors = readGoldenTensors(join(folder, 'golden.safetensors'));
  return { folder, name: basename(folder).toLowerCase(), ...json, tensors };
}
