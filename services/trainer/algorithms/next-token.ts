import assert from 'node:assert/strict';
import type { SettingRule, Settings } from '#shared/config.js';
import type { TaskItem } from '#shared/tasks/task.js';
import { drawStream } from '../draws.js';
import type { TrainingState } from '../state.js';
import type { Algorithm, StepReport, Trials, WeightedAnswer } from './algorithm.js';
import { beginGradient, followGradient, gradientMultipliers, lossWeights } from './gradient-state.js';
import { GRADIENT_SETTINGS } from './run-settings.js';

const SETTINGS = {
  ...GRADIENT_SETTINGS,
  prompts: { ...GRADIENT_SETTINGS.prompts, default: 96 },
  lengthNormalisation: { ...GRADIENT_SETTINGS.lengthNormalisation, default: true },
  target: {
    type: 'choice',
    default: 'first',
    choices: ['first', 'random', 'longest'],
    help: "Which of a question's known answers is learnt, where there are several.",
  },
} as const satisfies Readonly<Record<string, SettingRule>>;

type NextTokenSettings = Settings<typeof SETTINGS>;

/**
 * Next-token training of the same multipliers on given answers (the ablation of arXiv 2501.06252, table 4): the loss is the
 * batch's mean of −log π(answer), for each token unless lengthNormalisation is off.
 */
export const nextToken: Algorithm = {
  name: 'next-token',
  help: 'Imitation: the known answers of the task become more likely. Rollouts and rewards play no part.',
  settings: SETTINGS,
  faults: () => [],
  questionFault,
  begin: (model, settings, seed) => beginGradient('next-token', model, settings, seed),
  step,
  multipliers: gradientMultipliers,
};

async function step(
  state: TrainingState,
  items: readonly TaskItem[],
  trials: Trials,
  signal: AbortSignal,
): Promise<{ state: TrainingState; report: StepReport }> {
  const settings = state.settings as unknown as NextTokenSettings;
  const targets = items.map((item, index) => targetOf(state, item, index, settings.target));
  const tokens = await trials.tokenise(items, targets, signal);
  const answers: WeightedAnswer[] = items.map((item, i) => {
    const tokenIds = settings.endToken ? tokens[i]! : tokens[i]!.slice(0, -1);
    return { item, tokenIds, ...lossWeights(settings, 1, tokenIds.length, items.length) };
  });
  const { state: next, metrics } = await followGradient(state, answers, trials, signal);
  const meanTokens = answers.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0) / answers.length;
  return {
    state: next,
    report: { step: next.step, metrics: { 'answer-tokens': meanTokens, ...metrics }, rollouts: [] },
  };
}

function questionFault(items: readonly TaskItem[]): string | undefined {
  const without = items.filter(({ answers }) => answers.length === 0);
  if (!without[0]) return undefined;
  return `${without.length} of ${items.length} questions have no known answer ("answers"), e.g. "${without[0].id}", and next-token learns nothing else`;
}

/** The answer that is learnt. */
function targetOf(
  { seed, step: at }: TrainingState,
  { id, answers }: TaskItem,
  index: number,
  choice: NextTokenSettings['target'],
): string {
  const [first] = answers;
  assert(first !== undefined, `question ${id} has no known answer: a run with such questions does not start`);
  if (choice === 'first') return first;
  if (choice === 'longest') return answers.reduce((best, text) => (text.length > best.length ? text : best));
  const draw = drawStream({ seed, step: at, purpose: 'target', index }).uniform();
  return answers[Math.floor(draw * answers.length)]!;
}
