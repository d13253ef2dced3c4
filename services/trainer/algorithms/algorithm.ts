import type { SettingRule } from '#shared/config.js';
import type { NormalisationName, SpectralMatrix } from '#shared/svf/model.js';
import type { TaskItem } from '#shared/tasks/task.js';
import type { Multipliers } from '../layout.js';
import type { SettingValues, TrainingState } from '../state.js';

/** One sampled answer. */
export interface Rollout {
  /** The answer's tokens, the end-of-turn token included if the answer ended with it. */
  readonly tokenIds: readonly number[];
  readonly text: string;
  /** `end`: the last token is the end-of-turn token; `stop`: a stop string appeared; `length`: the budget ran out. */
  readonly finish: 'end' | 'stop' | 'length';
}

/** What rollouts are asked for. */
export interface SampleRequest {
  /** Undefined = the base. */
  readonly multipliers: Multipliers | undefined;
  readonly normalisation: NormalisationName;
  readonly items: readonly TaskItem[];
  /** One seed an item; its answers differ by their number. */
  readonly seeds: readonly bigint[];
  /** Answers an item. */
  readonly samples: number;
  /** 0 = greedy. */
  readonly temperature: number;
  readonly topP: number;
}

/** An answer as the loss sees it. */
export interface WeightedAnswer {
  readonly item: TaskItem;
  readonly tokenIds: readonly number[];
  /** w in the loss. */
  readonly weight: number;
  /** k in the loss, ≥ 0. */
  readonly klWeight: number;
}

/**
 * Direction of the KL divergence, summed over the answer's tokens with the whole vocabulary:
 * `reference-to-policy` = KL(base ‖ π), as the published code; `policy-to-reference` = KL(π ‖ base), as the paper.
 */
export type KlDirection = 'reference-to-policy' | 'policy-to-reference';

/** What a gradient is asked for: of Σᵢ −wᵢ·log π(yᵢ) + kᵢ·KLᵢ with respect to the multipliers. */
export interface GradientRequest {
  readonly multipliers: Multipliers;
  readonly normalisation: NormalisationName;
  readonly answers: readonly WeightedAnswer[];
  readonly klDirection: KlDirection;
}

/** A loss and its gradient. */
export interface GradientResult {
  /** Σᵢ −wᵢ·log π(yᵢ). */
  readonly policyLoss: number;
  /** log π(yᵢ) of each answer, summed over its tokens. */
  readonly logProbs: readonly number[];
  /** KLᵢ of each answer, unweighted, ≥ 0; zeros where no answer has a klWeight. */
  readonly kls: readonly number[];
  /** d loss / d m, one vector a matrix of `multipliers`. */
  readonly gradient: ReadonlyMap<string, Float32Array | Float64Array>;
}

/** What an algorithm asks of the outside: RPCs in the service, exact little models in tests. */
export interface Trials {
  /** Answers, by item and sample. */
  sample(request: SampleRequest, signal: AbortSignal): Promise<readonly (readonly Rollout[])[]>;
  /** A reward in [-1, 1] for each answer, by item and sample. */
  reward(
    items: readonly TaskItem[],
    rollouts: readonly (readonly Rollout[])[],
    signal: AbortSignal,
  ): Promise<readonly (readonly number[])[]>;
  /** The loss and its gradient. */
  gradient(request: GradientRequest, signal: AbortSignal): Promise<GradientResult>;
  /** Token ids of given answers, one an item, the end-of-turn token included. */
  tokenise(
    items: readonly TaskItem[],
    answers: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly (readonly number[])[]>;
}

/** One sampled answer as a run's record shows it. */
export interface RolloutRecord {
  readonly itemId: string;
  /** Which of the item's answers, from 0. */
  readonly sample: number;
  readonly text: string;
  readonly finish: Rollout['finish'];
  readonly tokens: number;
  readonly reward: number;
  /** What the reward counted for after baseline and scaling; undefined where the algorithm has none. */
  readonly advantage: number | undefined;
}

/** What a step did. */
export interface StepReport {
  /** Steps done, this one included. */
  readonly step: number;
  /** Scalars by name; `METRICS` in metrics.ts says what each means. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly rollouts: readonly RolloutRecord[];
}

/** A way of training. States are immutable and complete: from a decoded one the next step gives equal bits. */
export interface Algorithm {
  readonly name: string;
  readonly help: string;
  /** Its settings by name, defaults included. */
  readonly settings: Readonly<Record<string, SettingRule>>;
  /** What is wrong with sound settings together, one line each. */
  faults(settings: SettingValues): string[];
  /** Why it cannot learn from these training questions, if it cannot. */
  questionFault(items: readonly TaskItem[]): string | undefined;
  /** The state before the first step. */
  begin(model: readonly SpectralMatrix[], settings: SettingValues, seed: bigint): TrainingState;
  /** One step on these items. */
  step(
    state: TrainingState,
    items: readonly TaskItem[],
    trials: Trials,
    signal: AbortSignal,
  ): Promise<{ state: TrainingState; report: StepReport }>;
  /** What the state would be published as. */
  multipliers(state: TrainingState): Multipliers;
}
