import type { LinearShape, PreparedModel } from '#services/inference/model/prepared.js';
import { drawStream } from '#services/trainer/draws.js';
import { type Layout, packed } from '#services/trainer/layout.js';

/** Which linears carry a low-rank term. */
export type LoraTargets = 'q,v' | 'mlp' | 'q,v,mlp';

/** A low-rank adaptation W' = W + (α/r)·B·A of some linears, A [r, columns], B [rows, r] (Hu et al., arXiv 2106.09685). */
export interface LoraShape {
  readonly rank: number;
  readonly alpha: number;
  readonly linears: readonly LinearShape[];
}

const PARTS: Readonly<Record<LoraTargets, RegExp>> = {
  'q,v': /\.[qv]_proj\.weight$/,
  mlp: /\.mlp\./,
  'q,v,mlp': /\.[qv]_proj\.weight$|\.mlp\./,
};

/** The adaptation of a model's layers; α = 2·rank, as the paper's own baseline (arXiv 2501.06252, table 6: r 16, α 32). */
export function loraShape(
  { linears }: Pick<PreparedModel, 'linears'>,
  { rank, targets }: { readonly rank: number; readonly targets: LoraTargets },
): LoraShape {
  return { rank, alpha: 2 * rank, linears: linears.filter(({ name }) => PARTS[targets].test(name)) };
}

/** A, then B of each linear, one after another: the trained vector, and the packed vector of the gradient graph. */
export function loraLayout({ rank, linears }: LoraShape): Layout {
  return packed(
    linears.flatMap(({ name, rows, columns }) => [
      { name: `${name}.A`, length: rank * columns },
      { name: `${name}.B`, length: rows * rank },
    ]),
  );
}

/** Where training starts: A uniform in ±1/√columns (Kaiming with a = √5, as the PEFT library), B zero, hence W' = W. */
export function initialLora(shape: LoraShape, seed: bigint): Float64Array {
  const { size, slots } = loraLayout(shape);
  const values = new Float64Array(size);
  const stream = drawStream({ seed, step: 0, purpose: 'init', index: 0 });
  shape.linears.forEach(({ columns }, index) => {
    const { offset, length } = slots[2 * index]!;
    const bound = 1 / Math.sqrt(columns);
    for (let i = 0; i < length; i++) values[offset + i] = bound * (2 * stream.uniform() - 1);
  });
  return values;
}

/** W + (α/r)·B·A of one linear, in f64. */
export function mergeLora(
  weight: Float32Array,
  factors: { readonly a: ArrayLike<number>; readonly b: ArrayLike<number> },
  { rank, alpha, rows, columns }: Omit<LoraShape, 'linears'> & Omit<LinearShape, 'name'>,
): Float32Array {
  const { a, b } = factors;
  const scale = alpha / rank;
  const merged = new Float32Array(weight.length);
  const row = new Float64Array(columns);
  for (let i = 0; i < rows; i++) {
    row.fill(0);
    for (let k = 0; k < rank; k++) {
      const factor = scale * b[i * rank + k]!;
      if (factor !== 0) for (let j = 0; j < columns; j++) row[j]! += factor * a[k * columns + j]!;
    }
    for (let j = 0; j < columns; j++) merged[i * columns + j] = weight[i * columns + j]! + row[j]!;
  }
  return merged;
}
