/** What turns gradients into steps. */
export interface OptimiserSettings {
  /** `adam`: weight decay is added to the gradient (L2); `adamw`: it shrinks the parameters beside the step. */
  readonly optimiser: 'adam' | 'adamw';
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  /** `cosine`: from the full rate after warm-up to nearly 0 in the last step. */
  readonly schedule: 'constant' | 'cosine';
  /** Steps over which the rate rises in a straight line; the first has 1/warmUpSteps of it. */
  readonly warmUpSteps: number;
  /** Largest global norm of a gradient; a longer one is scaled down to it. 0 = no limit. */
  readonly clipNorm: number;
  /** Steps of the whole run, for the schedule. */
  readonly steps: number;
}

/** The running moments of Adam, packed like the parameters. */
export interface Moments {
  readonly first: Float64Array;
  readonly second: Float64Array;
}

/** What one update did. */
export interface Update {
  readonly parameters: Float64Array;
  readonly moments: Moments;
  /** Global norm of the gradient before clipping. */
  readonly gradientNorm: number;
  readonly learningRate: number;
}

/** Moments before the first step: zero. */
export function initialMoments(size: number): Moments {
  return { first: new Float64Array(size), second: new Float64Array(size) };
}

/** The learning rate of a step, from 0. */
export function learningRateOf(settings: OptimiserSettings, step: number): number {
  const { learningRate, schedule, warmUpSteps, steps } = settings;
  if (step < warmUpSteps) return (learningRate * (step + 1)) / warmUpSteps;
  if (schedule === 'constant') return learningRate;
  const progress = Math.min(1, (step - warmUpSteps) / Math.max(1, steps - warmUpSteps));
  return learningRate * 0.5 * (1 + Math.cos(Math.PI * progress));
}

/**
 * One step of Adam or AdamW (Kingma and Ba, arXiv 1412.6980; Loshchilov and Hutter, arXiv 1711.05101), bias-corrected,
 * after clipping by the global norm; the arithmetic of torch.optim and torch.nn.utils.clip_grad_norm_, in f64.
 * @param step steps done before this one.
 */
export function update(
  settings: OptimiserSettings,
  step: number,
  parameters: Float64Array,
  moments: Moments,
  gradient: Float64Array,
): Update {
  const { optimiser, beta1, beta2, epsilon, weightDecay } = settings;
  const gradientNorm = Math.sqrt(gradient.reduce((sum, value) => sum + value * value, 0));
  const scale = settings.clipNorm > 0 ? Math.min(1, settings.clipNorm / (gradientNorm + 1e-6)) : 1;
  const learningRate = learningRateOf(settings, step);
  const correction1 = 1 - beta1 ** (step + 1);
  const correction2 = 1 - beta2 ** (step + 1);
  const next = {
    parameters: new Float64Array(parameters.length),
    moments: initialMoments(parameters.length),
  };
  for (let i = 0; i < parameters.length; i++) {
    const p = parameters[i]!;
    const decayed = optimiser === 'adamw' ? p * (1 - learningRate * weightDecay) : p;
    const g = gradient[i]! * scale + (optimiser === 'adam' ? weightDecay * p : 0);
    const first = beta1 * moments.first[i]! + (1 - beta1) * g;
    const second = beta2 * moments.second[i]! + (1 - beta2) * g * g;
    const root = Math.sqrt(second / correction2) + epsilon;
    next.moments.first[i] = first;
    next.moments.second[i] = second;
    next.parameters[i] = decayed - (learningRate * (first / correction1)) / root;
  }
  return { ...next, gradientNorm, learningRate };
}
