import { AdaptationSpec, type ArmWeight, JobState, SearchStage } from '#proto/zmesh/v1/adaptation.js';
import { Priority } from '#proto/zmesh/v1/common.js';
import type { Strategy } from '#proto/zmesh/v1/dispatcher.js';
import { type EvalStrategy, evaluate } from '#services/cli/eval/evaluate.js';
import { drawStream, permutation } from '#services/trainer/draws.js';
import { canonicalJson } from '#shared/tasks/hash.js';
import type { TaskItem } from '#shared/tasks/task.js';
import { type EvidenceMesh, questionsOf, testTasks } from './mesh.js';
import type { Steps } from './steps.js';

/** Experts that the demo suite's experts were trained for, by task. */
export const TRAINED_TASKS = ['arithmetic', 'list-program', 'ordering'] as const;
/** Tasks that no expert saw. */
export const UNSEEN_TASKS = [
  'arithmetic-two-step',
  'list-program-two-step',
  'ordering-six',
  'compare',
  'greeting',
] as const;
/** All of them. */
export const TASKS: readonly string[] = [...TRAINED_TASKS, ...UNSEEN_TASKS];
const EXPERTS = ['math', 'code', 'reasoning'] as const;

/** What is measured. */
export interface StrategiesGrid {
  /** Test questions a task. */
  readonly questions: number;
  readonly shots: readonly number[];
  /** Draws of the shots. */
  readonly draws: number;
  /** Numbers of shots that are also searched with one α an expert and matrix. */
  readonly perMatrixShots: readonly number[];
  readonly population: number;
  readonly generations: number;
  /** Folds of each search's cross-validation; 0 = leave one out up to ten. */
  readonly folds: number;
}

/** Right or wrong by question, of one strategy on one task. */
export interface Answers {
  readonly task: string;
  readonly strategy: string;
  readonly right: readonly boolean[];
  readonly tokens: number;
}

/** One search and how its adaptation answers. */
export interface Adapted extends Answers {
  readonly shots: number;
  readonly draw: number;
  readonly perMatrix: boolean;
  readonly chosen: number;
  readonly arms: readonly ArmWeight[];
  readonly generatedTokens: number;
  readonly seconds: number;
}

/** Everything that was measured. */
export interface StrategiesFound {
  readonly fixed: readonly Answers[];
  /** The single expert that is best on the validation questions, by task: chosen without the test questions. */
  readonly bestExpert: Readonly<Record<string, string>>;
  readonly adapted: readonly Adapted[];
}

const FIXED: readonly EvalStrategy[] = [
  { name: 'none', strategy: { kind: { $case: 'none', value: {} } } },
  { name: 'prompt', strategy: { kind: { $case: 'prompt', value: { firstPass: undefined } } } },
  {
    name: 'classifier',
    strategy: { kind: { $case: 'classifier', value: { firstPass: undefined, expert: '' } } },
  },
  ...EXPERTS.map((expert) => ({
    name: expert,
    strategy: { kind: { $case: 'expert', value: { expert } } } satisfies Strategy,
  })),
  {
    name: 'uniform',
    strategy: {
      kind: {
        $case: 'mixture',
        value: { mixture: { arms: EXPERTS.map((expert) => ({ expert, alpha: 1 / 3, alphaPerMatrix: {} })) } },
      },
    },
  },
];

/** How many measurements a grid takes. */
export function strategiesSteps({ shots, draws, perMatrixShots }: StrategiesGrid): number {
  return TASKS.length * (2 + (shots.length + perMatrixShots.length) * draws);
}

/** Measures the three strategies of the paper, and what they are compared with, on the demo suite's tasks. */
export async function measureStrategies(
  mesh: EvidenceMesh,
  grid: StrategiesGrid,
  steps: Steps,
  signal: AbortSignal,
): Promise<StrategiesFound> {
  const fixed: Answers[] = [];
  const bestExpert: Record<string, string> = {};
  const adapted: Adapted[] = [];
  const ask = (task: string, items: readonly TaskItem[], strategies: readonly EvalStrategy[]) =>
    answersOf(mesh, { task, items, strategies, signal });
  for (const [task, items] of (await testTasks(TASKS, grid.questions)).map(
    ({ name, items: own }) => [name, own] as const,
  )) {
    fixed.push(...(await steps.once(`fixed ${task} ${grid.questions}`, () => ask(task, items, FIXED))));
    const validation = await questionsOf(task, 'val', 100);
    const experts = FIXED.filter(({ name }) => (EXPERTS as readonly string[]).includes(name));
    const onValidation = await steps.once(`validation ${task}`, () =>
      validation.length > 0 ? ask(task, validation, experts) : Promise.resolve([]),
    );
    bestExpert[task] = bestOf(onValidation);
    const pool = await questionsOf(task, 'train');
    for (const perMatrix of [false, true])
      for (const shots of perMatrix ? grid.perMatrixShots : grid.shots)
        for (let draw = 0; draw < grid.draws; draw++) {
          const name = `ev-${task}-${shots}-${perMatrix ? 'm' : 'g'}-${draw}-${grid.population}x${grid.generations}`;
          adapted.push(
            await steps.once(`${name} ${grid.questions}`, () =>
              adaptAndAnswer(mesh, { task, items, pool, shots, draw, perMatrix, name, grid, signal }),
            ),
          );
        }
  }
  return { fixed, bestExpert, adapted };
}

function bestOf(answers: readonly Answers[]): string {
  const score = ({ right }: Answers): number => right.filter(Boolean).length;
  const [first] = [...answers].sort((a, b) => score(b) - score(a));
  return first?.strategy ?? 'none';
}

async function answersOf(
  mesh: EvidenceMesh,
  asked: {
    readonly task: string;
    readonly items: readonly TaskItem[];
    readonly strategies: readonly EvalStrategy[];
    readonly signal: AbortSignal;
  },
): Promise<Answers[]> {
  const result = await evaluate({
    client: mesh.dispatcher,
    model: 'octo-nano',
    tasks: [{ name: asked.task, items: asked.items }],
    strategies: asked.strategies,
    concurrency: 32,
    priority: Priority.BATCH,
    signal: asked.signal,
  });
  return result.cells.map(({ task, strategy, outcomes }) => ({
    task,
    strategy,
    right: outcomes.map(({ right }) => right),
    tokens: outcomes.reduce((sum, { tokens }) => sum + tokens, 0),
  }));
}

async function adaptAndAnswer(
  mesh: EvidenceMesh,
  asked: {
    readonly task: string;
    readonly items: readonly TaskItem[];
    readonly pool: readonly TaskItem[];
    readonly shots: number;
    readonly draw: number;
    readonly perMatrix: boolean;
    readonly name: string;
    readonly grid: StrategiesGrid;
    readonly signal: AbortSignal;
  },
): Promise<Adapted> {
  const { task, items, pool, shots, draw, perMatrix, name, grid, signal } = asked;
  const stream = drawStream({ seed: BigInt(draw), step: 0, purpose: `evidence ${task}`, index: 0 });
  // The same order for every number of shots: more shots hold the fewer ones.
  const examples = permutation(stream, pool.length)
    .slice(0, shots)
    .map((index) => pool[index]!);
  const spec = AdaptationSpec.create({
    model: 'octo-nano',
    name,
    experts: [...EXPERTS],
    examples: examples.map(({ id, prompt, system, answers, maxTokens, verifier }) => ({
      id,
      prompt,
      system: system ?? '',
      verifier: canonicalJson(verifier),
      reference: answers[0] ?? '',
      maxTokens: maxTokens ?? 0,
    })),
    settings: {
      stage: SearchStage.GENERATE,
      population: grid.population,
      generations: grid.generations,
      eliteFraction: undefined,
      perMatrix,
      sumToOne: false,
      noiseFloor: undefined,
      smoothing: undefined,
      deploy: 0,
      folds: grid.folds > 0 && shots > grid.folds ? grid.folds : 0,
      seed: BigInt(draw),
      tokenBudget: 0n,
      maxTokens: undefined,
      withoutBaseArm: false,
    },
  });
  const last = await finished(mesh, name, spec, signal);
  const strategy: Strategy = { kind: { $case: 'adaptation', value: { adaptation: name } } };
  const [answers] = await answersOf(mesh, {
    task,
    items,
    strategies: [{ name: 'few-shot', strategy }],
    signal,
  });
  return {
    ...answers!,
    shots,
    draw,
    perMatrix,
    chosen: last.chosen,
    arms: last.arms,
    generatedTokens: Number(last.generatedTokens),
    seconds: last.seconds,
  };
}

async function finished(mesh: EvidenceMesh, requestId: string, spec: AdaptationSpec, signal: AbortSignal) {
  for await (const { event } of mesh.dispatcher.adapt({ requestId, spec, timeoutS: 0 }, { signal })) {
    const job = event?.adaptation;
    if (job?.state === JobState.FAILED) throw new Error(`${spec.name}: ${job.failure?.message}`);
    if (job?.result) return job.result;
  }
  throw new Error(`${spec.name}: the search ended without a result`);
}
