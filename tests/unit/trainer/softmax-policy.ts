import type {
  GradientRequest,
  GradientResult,
  Rollout,
  SampleRequest,
  Trials,
} from '#services/trainer/algorithms/algorithm.js';
import type { Multipliers } from '#services/trainer/layout.js';
import { RandomStream } from '#shared/random.js';
import type { SpectralMatrix } from '#shared/svf/model.js';
import type { TaskItem } from '#shared/tasks/task.js';

/** Two small matrices: names and ranks as a model has them. */
export const MODEL: readonly SpectralMatrix[] = [
  { name: 'model.layers.0.mlp.up_proj.weight', sigma: Float64Array.of(3, 2, 1) },
  { name: 'model.layers.0.self_attn.q_proj.weight', sigma: Float64Array.of(2, 0.5) },
];
/** Answers are one token of these many. */
export const TOKENS = 4;

/** A question whose right answer is one token. */
export function question(index: number, right = index % TOKENS): TaskItem {
  return {
    id: `q${index}`,
    prompt: `question ${index}`,
    system: undefined,
    answers: [String(right)],
    maxTokens: 1,
    verifier: { type: 'exact', value: String(right) },
  };
}

/** A fixed number in [-1, 1] for a question, a token and a multiplier. */
function feature(item: TaskItem, token: number, i: number): number {
  return Math.sin(1 + Number(item.id.slice(1)) * 0.7 + token * 2.3 + i * 1.1 + token * i);
}

/** log π of every token: log-softmax of Σᵢ (mᵢ − 1)·feature, so that the base (m = 1) is uniform. */
export function logPolicy(item: TaskItem, multipliers: Multipliers | undefined): number[] {
  const m = flat(multipliers);
  const logits = Array.from({ length: TOKENS }, (_, token) =>
    m.reduce((sum, value, i) => sum + (value - 1) * feature(item, token, i), 0),
  );
  const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
  return logits.map((logit) => logit - total);
}

/** d log π(token) / d m. */
export function scoreFunction(item: TaskItem, multipliers: Multipliers, token: number): number[] {
  const policy = logPolicy(item, multipliers).map(Math.exp);
  return flat(multipliers).map(
    (_, i) => feature(item, token, i) - policy.reduce((sum, p, a) => sum + p * feature(item, a, i), 0),
  );
}

/** KL(π ‖ base) or KL(base ‖ π) of one token, and its gradient by m. */
function divergence(item: TaskItem, multipliers: Multipliers, direction: GradientRequest['klDirection']) {
  const log = logPolicy(item, multipliers);
  const base = logPolicy(item, undefined);
  const forward = direction === 'policy-to-reference';
  const scores = log.map((_, token) => scoreFunction(item, multipliers, token));
  const value = log.reduce(
    (sum, l, a) => sum + (forward ? Math.exp(l) * (l - base[a]!) : Math.exp(base[a]!) * (base[a]! - l)),
    0,
  );
  const gradient = flat(multipliers).map((_, i) =>
    log.reduce(
      (sum, l, a) => sum + scores[a]![i]! * (forward ? Math.exp(l) * (l - base[a]!) : -Math.exp(base[a]!)),
      0,
    ),
  );
  return { value, gradient };
}

/** Exact trials over the softmax policy; `sample` may be replaced to enumerate answers. */
export function softmaxTrials(overrides: Partial<Trials> = {}): Trials {
  return {
    sample: async (request) => sample(request),
    reward: async (items, rollouts) =>
      items.map((item, i) => rollouts[i]!.map(({ text }) => (item.answers.includes(text) ? 1 : -1))),
    gradient: async (request) => gradient(request),
    tokenise: async (_, answers) => answers.map((answer) => [Number(answer)]),
    ...overrides,
  };
}

/** An answer of one token. */
export const answer = (token: number): Rollout => ({
  tokenIds: [token],
  text: String(token),
  finish: 'stop',
});

function sample({ multipliers, items, seeds, samples, temperature }: SampleRequest): Rollout[][] {
  return items.map((item, i) => {
    const log = logPolicy(item, multipliers);
    return Array.from({ length: samples }, (_, j) => {
      if (temperature === 0) return answer(log.indexOf(Math.max(...log)));
      let left = new RandomStream(seeds[i]!, j).uniform();
      const token = log.findIndex((l) => {
        left -= Math.exp(l);
        return left < 0;
      });
      return answer(token < 0 ? TOKENS - 1 : token);
    });
  });
}

function gradient({ multipliers, answers, klDirection }: GradientRequest): GradientResult {
  const sum = flat(multipliers).fill(0);
  const logProbs: number[] = [];
  const kls: number[] = [];
  let policyLoss = 0;
  for (const { item, tokenIds, weight, klWeight } of answers) {
    const token = tokenIds[0]!;
    const log = logPolicy(item, multipliers)[token]!;
    const kl = divergence(item, multipliers, klDirection);
    logProbs.push(log);
    kls.push(klWeight === 0 ? 0 : kl.value);
    policyLoss -= weight * log;
    scoreFunction(item, multipliers, token).forEach((score, i) => {
      sum[i]! += -weight * score + klWeight * kl.gradient[i]!;
    });
  }
  return { policyLoss, logProbs, kls, gradient: cut(sum, multipliers) };
}

function flat(multipliers: Multipliers | undefined): number[] {
  return MODEL.flatMap(({ name, sigma }) => [
    ...(multipliers?.get(name) ?? new Float32Array(sigma.length).fill(1)),
  ]);
}

function cut(values: readonly number[], like: Multipliers): Map<string, Float64Array> {
  let offset = 0;
  const out = new Map<string, Float64Array>();
  for (const { name, sigma } of MODEL) {
    if (like.has(name)) out.set(name, Float64Array.from(values.slice(offset, offset + sigma.length)));
    offset += sigma.length;
  }
  return out;
}
