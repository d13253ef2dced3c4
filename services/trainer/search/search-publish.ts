import {
  AdaptationCandidate,
  type AdaptationResult,
  type ArmWeight,
  type CandidateResult,
  JobState,
} from '#proto/zmesh/v1/adaptation.js';
import { Normalisation } from '#proto/zmesh/v1/common.js';
import {
  ExpertGate,
  ExpertKind,
  type ExpertRegistryServiceService,
  ExpertSpec,
} from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';
import type { RpcClient } from '#shared/rpc/client.js';
import { normalisationValue } from '#shared/svf/normalisation.js';
import { withSpan } from '#shared/telemetry/spans.js';
import { msSince, timestamp } from '#shared/timestamp.js';
import type { CemState, Fitness } from './cem.js';
import { candidateMixture, type SearchOutcome, type SearchState } from './search.js';
import type { SearchAtWork } from './search-job.js';
import { searchChange, shownAdaptation } from './search-view.js';
import type { CandidateKind, Judged } from './select.js';

const CALL_MS = 60_000;
const KINDS: Readonly<Record<CandidateKind, AdaptationCandidate>> = {
  base: AdaptationCandidate.BASE,
  expert: AdaptationCandidate.EXPERT,
  uniform: AdaptationCandidate.UNIFORM,
  search: AdaptationCandidate.SEARCH,
};

/** A search that is done. */
export interface FinishedSearch {
  readonly work: SearchAtWork;
  readonly state: SearchState;
  readonly outcome: SearchOutcome;
  readonly cutShort: boolean;
  readonly registry: Pick<RpcClient<ExpertRegistryServiceService>, 'publishExpert'>;
}

/** Publishes the chosen mixture as a version of the adaptation and points its alias to it; the claim is written before. */
export async function publishSearch(done: FinishedSearch): Promise<void> {
  const { work, outcome, registry } = done;
  const { claim, request, plan, model, signal } = work;
  await claim.save(searchChange(shownAdaptation(claim.record)));
  const { name, alias, description } = request.spec!;
  const mixture = candidateMixture(plan.space, outcome.alpha);
  const normalisation =
    mixture.arms.length === 0 ? Normalisation.UNSPECIFIED : normalisationValue(plan.space.normalisation);
  const shown = shownAdaptation(claim.record);
  const spec = ExpertSpec.create({
    model: model.served.name,
    name,
    basisId: model.served.basisId,
    normalisation,
    kind: ExpertKind.ADAPTATION,
    description,
    metadata: {
      examples: String(plan.examples),
      examples_sha256: shown.examplesSha256,
      chosen: outcome.selection.chosen.kind,
    },
    mixture,
  });
  const result = resultOf(done, shown.startedAt ? msSince(shown.startedAt) / 1000 : 0);
  const answer = await withSpan('publish', {}, () =>
    registry.publishExpert(
      {
        spec,
        vectors: new Uint8Array(0),
        alias,
        record: Buffer.from(JSON.stringify(recordOf(done, result)), 'utf8'),
        gate: ExpertGate.UNSPECIFIED,
      },
      { signal, timeoutMs: CALL_MS },
    ),
  );
  if (!answer.expert) throw new ZmeshError('INTERNAL', 'the registry published without saying what');
  const adaptation = `${model.served.name}/${name}@${answer.expert.version}`;
  const end = {
    ...shown,
    state: JobState.SUCCEEDED,
    result: { ...result, adaptation },
    finishedAt: timestamp(new Date()),
  };
  await claim.save({ ...searchChange(end), state: JobState.SUCCEEDED });
}

function resultOf({ work, state, outcome, cutShort }: FinishedSearch, seconds: number): AdaptationResult {
  const { plan, model, settings } = work;
  const { chosen, judged, statement } = outcome.selection;
  const likelihood = settings.stage === 'likelihood';
  const { arms } = candidateMixture(plan.space, outcome.alpha);
  const full = (name: string): string => (name === 'base' ? name : `${model.served.name}/${name}`);
  return {
    adaptation: '',
    chosen: KINDS[chosen.kind],
    arms: arms.map(
      ({ expert, alpha, alphaPerMatrix }): ArmWeight => ({ expert: full(expert), alpha, alphaPerMatrix }),
    ),
    normalisation:
      arms.length === 0 ? Normalisation.UNSPECIFIED : normalisationValue(plan.space.normalisation),
    candidates: judged.map((one) => candidateOf(one, likelihood, full)),
    statement,
    generatedTokens: BigInt(state.cost.generated),
    naiveTokens: BigInt(state.cost.naive),
    seconds,
    cutShort,
  };
}

function candidateOf(one: Judged, likelihood: boolean, full: (name: string) => string): CandidateResult {
  const { kind, expert, score, difference, logLikelihood } = one;
  return {
    kind: KINDS[kind],
    expert: expert === '' ? '' : full(expert),
    score: likelihood ? 0 : score.estimate,
    low: likelihood ? 0 : score.low,
    high: likelihood ? 0 : score.high,
    logLikelihood,
    difference: difference.estimate,
    differenceLow: difference.low,
    differenceHigh: difference.high,
  };
}

function recordOf({ work, state, outcome, cutShort }: FinishedSearch, result: AdaptationResult) {
  const { claim, plan, model, request } = work;
  const { seed, ...cem } = plan.cem;
  const shown = shownAdaptation(claim.record);
  return {
    kind: 'adaptation',
    job: claim.key.id,
    model: model.served.name,
    model_fingerprint: model.served.fingerprint,
    examples: plan.examples,
    examples_sha256: shown.examplesSha256,
    experts: request.spec!.experts,
    settings: {
      ...cem,
      seed: String(seed),
      stage: plan.stage,
      deploy: plan.deploy,
      per_matrix: plan.space.matrices.length > 0,
      sum_to_one: plan.space.sumToOne,
      folds: plan.folds,
      token_budget: plan.tokenBudget,
      grid: 'multiples of 1/64',
    },
    chosen: outcome.selection.chosen.kind,
    statement: outcome.selection.statement,
    arms: plan.space.arms,
    alpha: outcome.alpha,
    found: outcome.found ?? null,
    candidates: outcome.selection.judged.map(
      ({ kind, expert, values, score, difference, logLikelihood }) => ({
        kind,
        expert,
        values,
        score,
        difference,
        log_likelihood: logLikelihood ?? null,
      }),
    ),
    searches: Object.fromEntries(
      Object.entries(state.searches).map(([search, cem]) => [
        search === '0' ? 'all' : `fold ${search}`,
        searchRecord(cem),
      ]),
    ),
    generated_tokens: Number(result.generatedTokens),
    naive_tokens: Number(result.naiveTokens),
    seconds: result.seconds,
    cut_short: cutShort,
  };
}

function searchRecord({ generation, mean, deviation, best, curve = [] }: CemState) {
  return {
    generations: generation,
    mean,
    deviation,
    best: best ? fitnessRecord(best.fitness) : null,
    alpha: best?.alpha ?? null,
    curve: curve.map((point) => ({ best: fitnessRecord(point.best), deviation: point.deviation })),
  };
}

function fitnessRecord({ score, logLikelihood }: Fitness) {
  return { score, log_likelihood: logLikelihood ?? null };
}
