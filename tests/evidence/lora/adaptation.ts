import type { GraphBuilder, Value } from '#services/inference/graph/builder.js';
import type { Adaptation } from '#services/inference/graph/model-weights.js';
import { add, matMul, reshape } from '#services/inference/graph/ops.js';
import { type LoraShape, loraLayout } from './shape.js';

/** How a packed vector of `loraLayout` adapts a graph: y = W x + (α/r)·B (A x), with another A and B in every row. */
export function loraAdaptation(shape: LoraShape): Adaptation {
  const { rank, alpha, linears } = shape;
  const places = new Map(linears.map((linear, index) => [linear.name, { ...linear, index }]));
  return {
    lengths: loraLayout(shape).slots.map(({ length }) => length),
    linears:
      ({ plain }, pieces) =>
      (names) => {
        const matrix = plain(names.weight);
        const bias = names.bias === null ? null : plain(names.bias);
        const place = places.get(names.weight);
        if (!place) return { weight: { kind: 'dense', matrix }, bias };
        const { rows, columns, index } = place;
        const [a, b] = [pieces[2 * index]!, pieces[2 * index + 1]!];
        const product = (g: GraphBuilder, x: Value): Value => {
          const inner = matMul(g, x, reshape(g, a, ['batch', rank, columns]), { transposeB: true });
          const outer = matMul(g, inner, reshape(g, b, ['batch', rows, rank]), {
            transposeB: true,
            scale: alpha / rank,
          });
          return add(g, matMul(g, x, matrix, { transposeB: true }), outer);
        };
        return { weight: { kind: 'computed', product }, bias };
      },
  };
}
