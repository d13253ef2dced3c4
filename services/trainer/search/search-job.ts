import type { Adaptation, AdaptationProgress } from '#proto/zmesh/v1/adaptation.js';
import type { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { SearchCheckpoint } from '#proto/zmesh/v1/jobs.js';
import { StartSearchRequest } from '#proto/zmesh/v1/trainer.js';
import { ZmeshError } from '#shared/errors.js';
import type { RpcClient } from '#shared/rpc/client.js';
import { BASE, formatExpertName, parseExpertName } from '#shared/svf/names.js';
import { normalisationName } from '#shared/svf/normalisation.js';
import type { TaskItem } from '#shared/tasks/task.js';
import { SPAN } from '#shared/telemetry/semconv.js';
import { withSpan } from '#shared/telemetry/spans.js';
import { msSince, timestamp } from '#shared/timestamp.js';
import type { JobClaim } from '../jobs/claim.js';
import { checkFormat, JOB_FORMAT, keyText } from '../jobs/job.js';
import type { JobWork } from '../jobs/worker.js';
import type { TrainableModel } from '../mesh.js';
import { beginCem } from './cem.js';
import { ScoreTable } from './scores.js';
import {
  afterWave,
  beginSearch,
  doneSteps,
  nextStep,
  outcomeOf,
  planFolds,
  type SearchPlan,
  type SearchState,
  type SearchStep,
  totalSteps,
  waveOf,
} from './search.js';
import { publishSearch } from './search-publish.js';
import { readExamples, readSearchSettings, type SearchSettings } from './search-spec.js';
import { type StepSpan, stepName, stepsPerSpan, withStepSpan } from './search-trace.js';
import { searchChange, searchEnd, shownAdaptation } from './search-view.js';
import type { SearchSpace } from './space.js';
import { type SearchTrials, scoreWave } from './wave.js';

/** What a search is worked on with. */
export interface SearchWorkshop {
  /** The model and trials of its examples, to be closed. */
  open(
    model: string,
    items: readonly TaskItem[],
    signal: AbortSignal,
  ): Promise<{ readonly model: TrainableModel; readonly trials: SearchTrials; close(): void }>;
  readonly registry: Pick<RpcClient<ExpertRegistryServiceService>, 'getExpert' | 'publishExpert'>;
}

/** A search at work. */
export interface SearchAtWork {
  readonly claim: JobClaim;
  readonly request: StartSearchRequest;
  readonly settings: SearchSettings;
  readonly plan: SearchPlan;
  readonly model: TrainableModel;
  readonly trials: SearchTrials;
  readonly signal: AbortSignal;
}

const CALL_MS = 10_000;

/** Searches as jobs: fixed candidates, each fold, all examples; saved after every generation; then one is chosen and published. */
export function searchWork(workshop: SearchWorkshop): JobWork {
  return {
    end: searchEnd,
    async work(claim, signal) {
      const request = StartSearchRequest.decode(await claim.input());
      const { examples, settings: given, model: name } = request.spec!;
      const settings = readSearchSettings(given, examples);
      const items = readExamples(examples, settings.maxTokens);
      const { model, trials, close } = await workshop.open(name, items, signal);
      try {
        const space = await spaceOf(workshop, request.spec!.experts, settings, model, signal);
        const plan = { ...settings, space, examples: items.length };
        const work = { claim, request, settings, plan, model, trials, signal };
        const table = new ScoreTable(items.length);
        const { state, cutShort } = await search(work, await resume(claim, table), table);
        const outcome = outcomeOf(plan, state, table);
        await withSpan(SPAN.PUBLISH, {}, () =>
          publishSearch({ work, state, outcome, cutShort, registry: workshop.registry }),
        );
      } finally {
        close();
      }
    },
  };
}

/** The space of the experts, which are exact versions. Throws BASIS_MISMATCH for a model that was replaced meanwhile. */
async function spaceOf(
  { registry }: SearchWorkshop,
  experts: readonly string[],
  settings: SearchSettings,
  model: TrainableModel,
  signal: AbortSignal,
): Promise<SearchSpace> {
  const versions = await Promise.all(
    experts.map(async (name) => (await registry.getExpert({ name }, { signal, timeoutMs: CALL_MS })).expert!),
  );
  const foreign = versions.find(({ spec }) => spec?.basisId !== model.served.basisId);
  if (foreign) {
    const message = `${foreign.spec?.name} belongs to another basis than ${model.served.name} has now`;
    throw new ZmeshError('BASIS_MISMATCH', message, { limit: model.served.basisId });
  }
  const matrices = [...new Set(versions.flatMap((version) => version.matrices))].sort();
  const arms = experts.map((name) => {
    const { expert, selector } = parseExpertName(name);
    return formatExpertName({ model: undefined, expert, selector });
  });
  return {
    arms: settings.baseArm ? [...arms, BASE] : arms,
    matrices: settings.perMatrix ? matrices : [],
    sumToOne: settings.sumToOne,
    normalisation: normalisationName(versions[0]!.spec!.normalisation),
  };
}

async function resume(claim: JobClaim, table: ScoreTable): Promise<SearchState> {
  const bytes = await claim.checkpoint();
  if (bytes) {
    const { format, state } = SearchCheckpoint.decode(bytes);
    checkFormat(`the checkpoint of ${keyText(claim.key)}`, format);
    const read = JSON.parse(Buffer.from(state).toString('utf8')) as SearchState;
    // JSON has no undefined: what was not scored yet is null there.
    table.restore(
      read.scores.map(([key, row]) => [
        key,
        row.map(({ right, logLikelihood, tokens }) => ({
          right: right ?? undefined,
          logLikelihood: logLikelihood ?? undefined,
          tokens,
        })),
      ]),
    );
    return read;
  }
  const startedAt = timestamp(new Date());
  await claim.save(searchChange({ ...shownAdaptation(claim.record), startedAt }));
  return beginSearch();
}

async function search(
  work: SearchAtWork,
  from: SearchState,
  table: ScoreTable,
): Promise<{ readonly state: SearchState; readonly cutShort: boolean }> {
  let state = from;
  for (;;) {
    const first = nextStep(work.plan, state);
    if (!first || isLate(work, state)) return { state, cutShort: state.cutShort || first !== undefined };
    const candidates = waveOf(work.plan, state, first).candidates.length;
    const steps = stepsPerSpan(work.plan);
    state = await withStepSpan(stepName(first, state), { steps, candidates }, async (span) => {
      let now = state;
      for (
        let i = 0, step = nextStep(work.plan, now);
        step && i < steps;
        i++, step = nextStep(work.plan, now)
      ) {
        if (i > 0 && isLate(work, now)) break;
        now = await takeStep(work, { state: now, step, table, span });
      }
      return now;
    });
  }
}

/** One unit of work, saved. */
async function takeStep(
  { claim, plan, trials, signal }: SearchAtWork,
  at: {
    readonly state: SearchState;
    readonly step: SearchStep;
    readonly table: ScoreTable;
    readonly span: StepSpan;
  },
): Promise<SearchState> {
  const { step, table, span } = at;
  signal.throwIfAborted();
  const cost = await scoreWave(plan, waveOf(plan, at.state, step), { table, trials, signal });
  span.spent(cost);
  const state = afterWave(plan, at.state, { step, table, cost });
  const checkpoint = SearchCheckpoint.encode({
    format: JOB_FORMAT,
    state: Buffer.from(JSON.stringify(state), 'utf8'),
  }).finish();
  const progress = progressOf(plan, state, step);
  await claim.save({ ...searchChange(shownAdaptation(claim.record), progress), checkpoint });
  return state;
}

/** True when the fixed candidates were scored and the deadline has passed: then it ends with what it has. */
function isLate({ claim }: SearchAtWork, { fixed }: SearchState): boolean {
  return fixed && isPast(shownAdaptation(claim.record));
}

/** True when the request's deadline has passed. */
function isPast({ deadline }: Adaptation): boolean {
  return deadline !== undefined && msSince(deadline) > 0;
}

function progressOf(plan: SearchPlan, state: SearchState, step: SearchStep): AdaptationProgress {
  const number = step.kind === 'fixed' ? 0 : step.search;
  const cem = state.searches[number] ?? beginCem(plan.space);
  const width = Math.max(1, plan.space.matrices.length);
  const perArm = (values: readonly number[]): number[] =>
    plan.space.arms.map((_, arm) => {
      const own = values.slice(arm * width, (arm + 1) * width);
      return own.reduce((sum, value) => sum + value, 0) / width;
    });
  return {
    fold: number,
    folds: planFolds(plan).length,
    generation: step.kind === 'fixed' ? 0 : cem.generation,
    generations: plan.cem.generations,
    bestScore: cem.best?.fitness.score ?? 0,
    bestLogLikelihood: cem.best?.fitness.logLikelihood,
    mean: perArm(cem.mean),
    deviation: perArm(cem.deviation),
    generatedTokens: BigInt(state.cost.generated),
    naiveTokens: BigInt(state.cost.naive),
    done: doneSteps(plan, state),
    total: totalSteps(plan),
  };
}
