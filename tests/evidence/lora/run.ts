import { RunSpec } from '#proto/zmesh/v1/trainer.js';
import { algorithmNamed } from '#services/trainer/algorithms/registry.js';
import { decide, GATE_DEFAULTS, type TaskComparison } from '#services/trainer/gate.js';
import { afterStep, afterValidation, beginRun, nextAction } from '#services/trainer/loop.js';
import { initialMoments } from '#services/trainer/optimiser.js';
import { openRewards } from '#services/trainer/rewards.js';
import type { RunData } from '#services/trainer/run-data.js';
import { readSettings } from '#services/trainer/settings.js';
import type { TrainingState } from '#services/trainer/state.js';
import { validate, validationItems } from '#services/trainer/validation.js';
import type { TaskItem } from '#shared/tasks/task.js';
import type { DenseModel } from './dense-model.js';
import { initialLora, type LoraShape, loraLayout } from './shape.js';
import { type LoraTrials, loraTrials } from './trials.js';

/** A run of the baseline. */
export interface LoraRunOptions {
  readonly model: DenseModel;
  readonly shape: LoraShape;
  readonly scratch: string;
  /** `reinforce` or `next-token`. */
  readonly algorithm: string;
  /** Settings by flag, as a run of the trainer has them. */
  readonly settings: Readonly<Record<string, string>>;
  readonly seed: bigint;
  readonly task: string;
  readonly data: RunData;
  /** False: no held-out test, as for a run of a sweep. */
  readonly test: boolean;
  readonly signal: AbortSignal;
}

/** What came out. */
export interface LoraRunResult {
  readonly validations: readonly { readonly step: number; readonly right: number }[];
  readonly bestStep: number;
  readonly bestScore: number;
  readonly steps: number;
  /** Tokens sampled in steps. */
  readonly tokens: number;
  /** Against the base on the test questions; undefined where not tested. */
  readonly own: TaskComparison | undefined;
  readonly passed: boolean | undefined;
}

/**
 * Trains a LoRA as the trainer trains multipliers: the same algorithm, optimiser, batches, seeds, validations and choice of the
 * step, and the same held-out test. What differs is the vector that is trained, and that nothing is published.
 */
export async function trainLora(options: LoraRunOptions): Promise<LoraRunResult> {
  const { model, shape, scratch, data, signal } = options;
  const rewards = await openRewards(RunSpec.create({ task: { name: options.task } }), data);
  const trials = loraTrials({ model, shape, rewards, scratch });
  const algorithm = algorithmNamed(options.algorithm);
  try {
    let run = beginRun(beginLora(options));
    let tokens = 0;
    for (;;) {
      signal.throwIfAborted();
      const action = nextAction(run, data.train.length);
      if (action.kind === 'finish') break;
      if (action.kind === 'validate') {
        const multipliers = algorithm.multipliers(run.training);
        const items = validationItems(run.training, data.validation);
        run = afterValidation(
          run,
          await validate(run.training, multipliers, items, trials, signal),
          multipliers,
        );
        continue;
      }
      trials.takeTokens();
      const items = action.batch.map((index) => data.train[index]!);
      run = afterStep(run, (await algorithm.step(run.training, items, trials, signal)).state);
      tokens += trials.takeTokens();
    }
    const verdict = options.test
      ? await test(options, trials, { best: run.best!, state: run.training })
      : undefined;
    return {
      validations: run.validations.map(({ step, right }) => ({ step, right })),
      bestStep: run.best!.step,
      bestScore: run.best!.score,
      steps: run.training.step,
      tokens,
      own: verdict?.own,
      passed: verdict?.passed,
    };
  } finally {
    await trials.close();
    rewards.close();
  }
}

/** A gradient algorithm's first state over A and B. */
function beginLora({ algorithm, settings, shape, seed }: LoraRunOptions): TrainingState {
  const layout = loraLayout(shape);
  const { first, second } = initialMoments(layout.size);
  return {
    algorithm,
    settings: { ...readSettings(algorithmNamed(algorithm), settings), parameterisation: 'free' },
    seed,
    step: 0,
    layout,
    vectors: { parameters: initialLora(shape, seed), 'adam-first': first, 'adam-second': second },
  };
}

async function test(
  { task, data, seed, signal }: LoraRunOptions,
  trials: LoraTrials,
  trained: {
    readonly best: {
      readonly step: number;
      readonly multipliers: Parameters<LoraTrials['sample']>[0]['multipliers'];
    };
    readonly state: TrainingState;
  },
) {
  const answersOf = async (
    items: readonly TaskItem[],
    multipliers: typeof trained.best.multipliers,
  ): Promise<number[]> => {
    const seeds = items.map(() => seed);
    const normalisation = 'none' as const;
    const request = { multipliers, normalisation, items, seeds, samples: 1, temperature: 0, topP: 1 };
    return (await trials.reward(items, await trials.sample(request, signal), signal)).flat();
  };
  const base = await answersOf(data.test, undefined);
  const expert = await answersOf(data.test, trained.best.multipliers);
  const pairs = data.test.map(({ id }, i) => ({ id, base: base[i]!, expert: expert[i]! }));
  const gateCase = { keptStep: trained.best.step, own: { task, pairs }, others: [] };
  return decide(gateCase, { ...GATE_DEFAULTS, seed });
}
