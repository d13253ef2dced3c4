import type { RandomStream } from '#shared/random.js';
import type { StepResult } from '../runtime/runtime.js';

/** How tokens are drawn; every field has its value, ranges are those of `Sampling` in the proto. */
export interface SamplingPlan {
  /** 0 = greedy. */
  readonly temperature: number;
  /** 0 = off. */
  readonly topK: number;
  /** 1 = off. */
  readonly topP: number;
  /** 0 = off. */
  readonly minP: number;
  /** 1 = off. */
  readonly repetitionPenalty: number;
  readonly seed: bigint;
  /** Log-probabilities of the tokens drawn. */
  readonly logProbs: boolean;
  /** And of this many best ones beside each. */
  readonly topLogProbs: number;
}

/** One token id and its log-probability before penalty, temperature and filters. */
export interface TokenLogProbability {
  readonly token: number;
  readonly logProb: number;
}

/** A drawn token; `top` best first, empty unless asked for. */
export interface Draw extends TokenLogProbability {
  readonly top: readonly TokenLogProbability[];
}

/** Above this many, whole rows of logits are fetched and sorted here instead of by the runtime. */
const RUNTIME_TOP_K_MAX = 256;

/** What drawing under `plan` needs from a step. The k best are enough for greedy and for top-k, and exact: the rest has no chance. */
export function neededOutputs(plan: SamplingPlan): { readonly topK: number; readonly fullLogits: boolean } {
  const best = bestSufficing(plan);
  return { topK: Math.max(best, plan.topLogProbs), fullLogits: best === 0 };
}

/** Draws one token from row `at` of a step's result. `seen` = the ids that the repetition penalty applies to. */
export function draw(
  plan: SamplingPlan,
  result: StepResult,
  at: number,
  random: RandomStream,
  seen: ReadonlySet<number>,
): Draw {
  const logSumExp = result.logSumExp[at]!;
  const k = result.topIds ? result.topIds.length / result.logSumExp.length : 0;
  const best = bestSufficing(plan);
  const candidates = best > 0 ? bestOf(result, at, k, best) : allOf(result, at, plan, seen);
  const index = plan.temperature === 0 ? greatest(candidates.logits) : pick(candidates, plan, random);
  const token = candidates.ids ? candidates.ids[index]! : index;
  const logit = best > 0 ? candidates.logits[index]! : rowOf(result, at)[token]!;
  const top: TokenLogProbability[] = [];
  for (let i = 0; i < Math.min(plan.topLogProbs, k); i++) {
    top.push({ token: result.topIds![at * k + i]!, logProb: result.topValues![at * k + i]! - logSumExp });
  }
  return { token, logProb: logit - logSumExp, top };
}

/** Candidates for a draw; `ids: null` = index is the id. With ids they are sorted, best first, equal logits by rising id. */
interface Candidates {
  readonly logits: Float32Array;
  readonly ids: Int32Array | null;
}

function bestSufficing(plan: SamplingPlan): number {
  if (plan.repetitionPenalty !== 1) return 0;
  if (plan.temperature === 0) return 1;
  return plan.topK <= RUNTIME_TOP_K_MAX ? plan.topK : 0;
}

function bestOf(result: StepResult, at: number, k: number, count: number): Candidates {
  return {
    logits: result.topValues!.subarray(at * k, at * k + count),
    ids: result.topIds!.subarray(at * k, at * k + count),
  };
}

function rowOf(result: StepResult, at: number): Float32Array {
  const columns = result.logits!.length / result.logSumExp.length;
  return result.logits!.subarray(at * columns, (at + 1) * columns);
}

function allOf(result: StepResult, at: number, plan: SamplingPlan, seen: ReadonlySet<number>): Candidates {
  const row = rowOf(result, at);
  if (plan.repetitionPenalty === 1) return { logits: row, ids: null };
  // Keskar et al. 2019 (arXiv 1909.05858) as everybody implements it: positive logits divided, negative ones multiplied.
  const logits = row.slice();
  for (const id of seen) {
    const logit = logits[id]!;
    logits[id] = logit > 0 ? logit / plan.repetitionPenalty : logit * plan.repetitionPenalty;
  }
  return { logits, ids: null };
}

function greatest(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

/** Temperature, then top-k, top-p and min-p, each on what the one before left; returns an index into the candidates. */
function pick(candidates: Candidates, plan: SamplingPlan, random: RandomStream): number {
  const { logits } = candidates;
  const weights = new Float64Array(logits.length);
  const max = logits[greatest(logits)]!;
  let total = 0;
  for (let i = 0; i < logits.length; i++) {
    weights[i] = Math.exp((logits[i]! - max) / plan.temperature);
    total += weights[i]!;
  }
  const kept = filter(weights, total, plan);
  const indexAt = (place: number): number => (kept === null ? place : kept[place]!);
  const count = kept?.length ?? weights.length;
  let left = random.uniform() * (kept?.reduce((sum, i) => sum + weights[i]!, 0) ?? total);
  for (let place = 0; place < count; place++) {
    left -= weights[indexAt(place)]!;
    if (left < 0) return indexAt(place);
  }
  return indexAt(count - 1);
}

/** Indices that survive the filters, null = all. Weights are relative to the most probable token, whose weight is 1. */
function filter(weights: Float64Array, total: number, plan: SamplingPlan): readonly number[] | null {
  const nucleus = plan.topP < 1;
  // A list of all is what drawing from a large vocabulary would mostly do.
  if (plan.topK === 0 && !nucleus && plan.minP === 0) return null;
  if (plan.topK === 0 && !nucleus) return above(weights, plan.minP);
  // What is below (1 − p)·total / V sums to less than 1 − p, so the nucleus lies in the rest: sort only that.
  const kept = above(weights, plan.topK === 0 ? ((1 - plan.topP) * total) / weights.length : 0);
  kept.sort((a, b) => weights[b]! - weights[a]! || a - b);
  if (plan.topK > 0 && kept.length > plan.topK) kept.length = plan.topK;
  if (nucleus) {
    const mass = plan.topK > 0 ? kept.reduce((sum, i) => sum + weights[i]!, 0) : total;
    cutNucleus(kept, weights, plan.topP * mass);
  }
  return kept.filter((i) => weights[i]! >= plan.minP);
}

function above(weights: Float64Array, floor: number): number[] {
  const kept: number[] = [];
  for (let i = 0; i < weights.length; i++) if (weights[i]! >= floor) kept.push(i);
  return kept;
}

function cutNucleus(sorted: number[], weights: Float64Array, mass: number): void {
  let sum = 0;
  for (let count = 0; count < sorted.length; count++) {
    sum += weights[sorted[count]!]!;
    if (sum >= mass) {
      sorted.length = count + 1;
      return;
    }
  }
}
