import type { PreparedModel } from '../model/prepared.js';
import { differentiate } from './autodiff.js';
import { negate } from './backward-ops.js';
import { GraphBuilder, type Value } from './builder.js';
import { decoder } from './decoder.js';
import {
  type Adaptation,
  headWeights,
  modelWeights,
  packedPieces,
  spectralAdaptation,
  type WeightFiles,
} from './model-weights.js';
import {
  concat,
  exp,
  gather,
  logSoftmax,
  matMul,
  multiply,
  pickLast,
  reshape,
  rmsNorm,
  subtract,
  sumLast,
} from './ops.js';
import { rotaryInputs } from './rotary-inputs.js';

/** Which divergence from the base a gradient graph computes; `none` leaves the base's pass out. */
export type KlKind = 'none' | 'reference_to_policy' | 'policy_to_reference';

/** What a gradient graph is built from. */
export interface GradientOptions {
  readonly model: PreparedModel;
  readonly weights: WeightFiles;
  readonly kl: KlKind;
  /** What is differentiated by: R and the pieces of `spectrum`. Default: the spectra of the model's adapted matrices. */
  readonly adaptation?: Adaptation;
}

/**
 * The gradient graph, from the blocks that serve. Symbolic sizes: `batch` rows, `tokens` a row (padded), `wanted` tokens
 * whose next token is scored.
 *
 * Inputs: `tokens`, `positions` int32 [batch, tokens] · `mask` [batch, 1, tokens, tokens] · `spectrum` [batch, 1, R] ·
 * `wanted` int32 [wanted], into [batch · tokens] · `targets` int32 [wanted, 1] · `log_prob_seeds` [wanted, 1]: d loss / d log π ·
 * with a KL also `reference` [1, 1, R] (the base's spectrum) and `kl_seeds` [wanted, 1].
 *
 * Outputs: `log_probs` [wanted, 1] · `kl` [wanted, 1] unless none · `gradient` [batch, 1, R] = d loss / d spectrum of each row.
 */
export function gradientGraph(options: GradientOptions): GraphBuilder {
  const { model, weights, kl, adaptation = spectralAdaptation(model) } = options;
  const { config } = model;
  const g = new GraphBuilder();
  const tokens = g.input('tokens', 'int32', ['batch', 'tokens']);
  const wanted = g.input('wanted', 'int32', ['wanted']);
  const targets = g.input('targets', 'int32', ['wanted', 1]);
  const mask = g.input('mask', 'float32', ['batch', 1, 'tokens', 'tokens']);
  const context = { rotary: rotaryInputs(g, config), mask, past: null };
  const weightOf = modelWeights(g, weights);
  const { plain } = weightOf;
  const head = headWeights(config, plain);
  const logPolicy = (pieces: readonly Value[]): Value => {
    const linearOf = adaptation.linears(weightOf, pieces);
    const { hidden } = decoder(g, tokens, { config, plain, linearOf, contextOf: () => context });
    const rows = gather(g, reshape(g, hidden, ['rows', config.hiddenSize]), wanted);
    return logSoftmax(
      g,
      matMul(g, rmsNorm(g, rows, head.norm, config.normEpsilon), head.matrix, { transposeB: true }),
    );
  };

  // The base first: of its pass only the log-probabilities stay until the end.
  const reference = kl === 'none' ? null : logPolicy(packedPieces(g, adaptation.lengths, 'reference', 1));
  const pieces = packedPieces(g, adaptation.lengths, 'spectrum', 'batch');
  const policy = logPolicy(pieces);
  const logProbs = pickLast(g, policy, targets);
  g.output('log_probs', logProbs);
  const seeds = new Map([[logProbs, g.input('log_prob_seeds', 'float32', ['wanted', 1])]]);
  if (reference) {
    const divergence = divergences(g, { policy, reference, kl });
    g.output('kl', divergence);
    seeds.set(divergence, g.input('kl_seeds', 'float32', ['wanted', 1]));
  }
  const total = adaptation.lengths.reduce((sum, length) => sum + length, 0);
  g.output('gradient', concat(g, differentiate(g, seeds, pieces), 2, total));
  return g;
}

/** KL(base ‖ π) = Σ b·(log b − log π), or KL(π ‖ base) = Σ π·(log π − log b), of each row. */
function divergences(
  g: GraphBuilder,
  { policy, reference, kl }: { readonly policy: Value; readonly reference: Value; readonly kl: KlKind },
): Value {
  const difference = subtract(g, policy, reference);
  if (kl === 'policy_to_reference') return sumLast(g, multiply(g, exp(g, policy), difference));
  return negate(g, sumLast(g, multiply(g, exp(g, reference), difference)));
}
