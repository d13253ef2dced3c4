import { type GateResult, RunPhase } from '#proto/zmesh/v1/trainer.js';
import type { TaskItem } from '#shared/tasks/task.js';
import { withSpan } from '#shared/telemetry/spans.js';
import { decide, type GateTask, type TaskComparison, trainingFailures } from './gate.js';
import { type RunSettings, runSettings } from './loop.js';
import type { RunAtWork, RunProgress } from './run-job.js';
import { gateOf } from './run-spec.js';
import { runChange, shownRun } from './run-view.js';

/** What the held-out test found. */
export interface RunTest {
  /** Undefined where the test was skipped or there are too few questions to decide. */
  readonly passed: boolean | undefined;
  /** Why it did not pass, or was not decided. */
  readonly failures: readonly string[];
  readonly warnings: readonly string[];
  /** The run's own task first. */
  readonly results: readonly GateResult[];
}

/** The best step against the base on held-out questions, of the run's task and of others, greedily, each question by both. */
export async function testRun(run: RunAtWork, { state }: RunProgress): Promise<RunTest> {
  const { claim, spec, data } = run;
  const rule = gateOf(spec.gate);
  const { step: keptStep, multipliers } = state.best!;
  const untested = (why: string): RunTest => ({
    passed: undefined,
    failures: [...trainingFailures(keptStep), why],
    warnings: [],
    results: [],
  });
  if (rule.skip) return untested('the test was skipped');
  if (data.test.length < rule.itemsMin)
    return untested(
      `${spec.task?.name} has ${data.test.length} held-out questions, ${rule.itemsMin} are needed`,
    );
  await claim.save(runChange({ ...shownRun(claim.record), phase: RunPhase.TESTING }));
  const settings = runSettings(state.training);
  const compare = (task: string, items: readonly TaskItem[]): Promise<GateTask> =>
    withSpan(`test ${task}`, {}, async () => {
      const base = await scores(run, settings, items, undefined);
      const expert = await scores(run, settings, items, multipliers);
      return {
        task,
        pairs: items.map(({ id }, i) => ({ id, base: base[i]!, expert: expert[i]! })),
      };
    });
  const own = await compare(spec.task!.name, data.test);
  const others: GateTask[] = [];
  for (const { name, items } of data.others) if (items.length > 0) others.push(await compare(name, items));
  const verdict = decide({ keptStep, own, others }, { ...rule, seed: spec.seed });
  return { ...verdict, results: [verdict.own, ...verdict.others].map(resultOf) };
}

/** Rewards of greedy answers. */
async function scores(
  { trials, signal, spec }: RunAtWork,
  { normalisation }: RunSettings,
  items: readonly TaskItem[],
  multipliers: Parameters<typeof trials.sample>[0]['multipliers'],
): Promise<number[]> {
  const seeds = items.map(() => spec.seed);
  const request = { multipliers, normalisation, items, seeds, samples: 1, temperature: 0, topP: 1 };
  const rollouts = await trials.sample(request, signal);
  return (await trials.reward(items, rollouts, signal)).flat();
}

function resultOf({ task, items, base, expert, difference, rightOrWrong, harm }: TaskComparison): GateResult {
  return {
    task,
    items,
    base,
    expert,
    baseOnly: rightOrWrong?.firstOnly ?? 0,
    expertOnly: rightOrWrong?.secondOnly ?? 0,
    difference: difference.estimate,
    low: difference.low,
    high: difference.high,
    p: rightOrWrong?.p ?? Number.NaN,
    harm,
  };
}
