import type { ModelConfig } from '../model/prepared.js';
import type { GraphBuilder, Value } from './builder.js';
import {
  add,
  cast,
  exp,
  gather,
  log,
  matMul,
  maxLast,
  pickLast,
  reshape,
  rmsNorm,
  subtract,
  sumLast,
  topK,
} from './ops.js';

/** Weights of the language-model head. */
export interface Head {
  readonly config: ModelConfig;
  /** Final norm, [hidden]. */
  readonly norm: Value;
  /** [vocabulary, hidden]; the embedding matrix itself where they are tied. */
  readonly matrix: Value;
}

/**
 * Adds the head over the wanted rows of x [batch, tokens, hidden] alone. Inputs: `wanted`, `k`, `targets`. Outputs:
 * `logits` [wanted, vocabulary], `top_values` and `top_ids` (int32) [wanted, k], `log_sum_exp` and `target_logits`
 * [wanted, 1]. An output that is not fetched is not copied; computing all of them costs one pass over the logits more.
 */
export function addHead(g: GraphBuilder, x: Value, head: Head): void {
  const { hiddenSize, normEpsilon } = head.config;
  const wanted = g.input('wanted', 'int32', ['wanted']);
  const k = g.input('k', 'int64', [1]);
  const targets = g.input('targets', 'int32', ['wanted', 1]);

  const rows = gather(g, reshape(g, x, ['rows', hiddenSize]), wanted);
  const logits = matMul(g, rmsNorm(g, rows, head.norm, normEpsilon), head.matrix, { transposeB: true });
  const top = topK(g, logits, k, 'k');
  g.output('logits', logits);
  g.output('top_values', top.values);
  g.output('top_ids', cast(g, top.indices, 'int32'));
  g.output('log_sum_exp', logSumExp(g, logits));
  g.output('target_logits', pickLast(g, logits, targets));
}

/** log Σ eˣ over the last axis, taken relative to the largest element so that nothing overflows. */
function logSumExp(g: GraphBuilder, x: Value): Value {
  const largest = maxLast(g, x);
  return add(g, largest, log(g, sumLast(g, exp(g, subtract(g, x, largest)))));
}
