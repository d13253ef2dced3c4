import { BASE } from '#shared/svf/names.js';
import {
  afterGeneration,
  beginCem,
  type CemSettings,
  type CemState,
  candidatesOf,
  type Scored,
} from './cem.js';
import { answering, likelihoodTells } from './prune.js';
import type { PairScore, ScoreTable } from './scores.js';
import { type Contender, foldsOf, type Selection, select } from './select.js';
import { type Alpha, alphaKey, alphaOf, evenly, mixtureOf, oneArm, type SearchSpace } from './space.js';

/** What scores candidates. */
export type Stage = 'likelihood' | 'generate' | 'pruned';

/** What a search is made of. */
export interface SearchPlan {
  readonly space: SearchSpace;
  readonly cem: CemSettings;
  readonly stage: Stage;
  readonly deploy: 'best' | 'mean';
  readonly examples: number;
  /** Folds asked for; 0 = by the number of examples. */
  readonly folds: number;
  /** Most tokens that may be generated; 0 = no limit. */
  readonly tokenBudget: number;
}

/** Tokens of a search. */
export interface SearchCost {
  /** Generated. */
  readonly generated: number;
  /** What a search that shares nothing would have generated. */
  readonly naive: number;
}

/** All that a search needs to go on: between two units of work. */
export interface SearchState {
  /** True when the fixed candidates were scored. */
  readonly fixed: boolean;
  /** By search: 0 = on all examples, k = with fold k left out. Absent = not begun. */
  readonly searches: Readonly<Record<number, CemState>>;
  /** True where the fold's candidate was scored on what it left out. */
  readonly heldOut: Readonly<Record<number, boolean>>;
  readonly cost: SearchCost;
  readonly scores: readonly (readonly [string, readonly PairScore[]])[];
  /** True when the token budget ended it. */
  readonly cutShort: boolean;
}

/** One unit of work. */
export type SearchStep =
  | { readonly kind: 'fixed' }
  | { readonly kind: 'generation'; readonly search: number }
  | { readonly kind: 'held-out'; readonly search: number };

/** Candidates and examples that a step needs scored. */
export interface Wave {
  readonly candidates: readonly Alpha[];
  readonly examples: readonly number[];
  /** True where the likelihood of the references may decide who generates. */
  readonly prunable: boolean;
}

/** A search before anything was done. */
export function beginSearch(): SearchState {
  return {
    fixed: false,
    searches: {},
    heldOut: {},
    cost: { generated: 0, naive: 0 },
    scores: [],
    cutShort: false,
  };
}

/** The folds of a plan. */
export function planFolds({ examples, folds }: SearchPlan): number[][] {
  return foldsOf(examples, folds);
}

/** Units of work of a plan. */
export function totalSteps(plan: SearchPlan): number {
  const searches = planFolds(plan).length + 1;
  return 1 + searches * plan.cem.generations + (searches - 1);
}

/** Units that are done; a search that is settled has done all of its own. */
export function doneSteps(plan: SearchPlan, { fixed, searches, heldOut }: SearchState): number {
  const generations = Object.values(searches).reduce(
    (sum, cem) => sum + (isSettled(plan, cem) ? plan.cem.generations : cem.generation),
    0,
  );
  return Number(fixed) + generations + Object.values(heldOut).filter(Boolean).length;
}

/** What is next: fixed candidates, then each fold's search and its left-out examples, then the search on all. Undefined = done. */
export function nextStep(plan: SearchPlan, state: SearchState): SearchStep | undefined {
  if (!state.fixed) return { kind: 'fixed' };
  if (state.cutShort) return undefined;
  const folds = planFolds(plan).length;
  const search = (number: number): SearchStep | undefined => {
    const cem = state.searches[number];
    return cem && isSettled(plan, cem) ? undefined : { kind: 'generation', search: number };
  };
  for (let fold = 1; fold <= folds; fold++) {
    const step = search(fold);
    if (step) return step;
    if (!state.heldOut[fold]) return { kind: 'held-out', search: fold };
  }
  return search(0);
}

/**
 * True when a search is over: all its generations are done, or its best candidate, which is what is deployed, has every example
 * right. Then no later generation could change anything; where ties are broken by likelihood it is over when all elites of a
 * generation have every example right, the likeliest of them being the best.
 */
export function isSettled(
  { cem: { generations }, deploy }: SearchPlan,
  { generation, best, perfect }: CemState,
): boolean {
  if (generation >= generations) return true;
  if (deploy !== 'best' || best?.fitness.score !== 1) return false;
  return best.fitness.logLikelihood === undefined || perfect === true;
}

/** Examples that a search may see: all but its fold's. */
export function seenBy(plan: SearchPlan, search: number): number[] {
  const left = new Set(search === 0 ? [] : planFolds(plan)[search - 1]);
  return Array.from({ length: plan.examples }, (_, example) => example).filter(
    (example) => !left.has(example),
  );
}

/** What a step needs scored. */
export function waveOf(plan: SearchPlan, state: SearchState, step: SearchStep): Wave {
  const { space } = plan;
  if (step.kind === 'fixed')
    return {
      candidates: fixedCandidates(space).map(({ alpha }) => alpha),
      examples: seenBy(plan, 0),
      prunable: false,
    };
  const cem = state.searches[step.search] ?? beginCem(space);
  if (step.kind === 'held-out')
    return {
      candidates: [deployed(plan, cem)],
      examples: planFolds(plan)[step.search - 1]!,
      prunable: false,
    };
  return {
    candidates: candidatesOf(space, plan.cem, cem).map(({ alpha }) => alpha),
    examples: seenBy(plan, step.search),
    prunable: cem.prunes === true,
  };
}

/** The state after a step whose wave was scored into `table`. */
export function afterWave(
  plan: SearchPlan,
  state: SearchState,
  done: {
    readonly step: SearchStep;
    readonly table: ScoreTable;
    readonly cost: SearchCost;
  },
): SearchState {
  const { step, table } = done;
  const cost = {
    generated: state.cost.generated + done.cost.generated,
    naive: state.cost.naive + done.cost.naive,
  };
  const cutShort = plan.tokenBudget > 0 && cost.generated >= plan.tokenBudget;
  const next = { ...state, cost, cutShort, scores: table.entries() };
  if (step.kind === 'fixed') return { ...next, fixed: true };
  if (step.kind === 'held-out') return { ...next, heldOut: { ...state.heldOut, [step.search]: true } };
  const cem = state.searches[step.search] ?? beginCem(plan.space);
  const wave = waveOf(plan, state, step);
  const answered = new Set([...(cem.answered ?? []), ...answering(wave, table)]);
  const own = new Set([...answered, ...fixedCandidates(plan.space).map(({ alpha }) => alphaKey(alpha))]);
  const scored: Scored[] = candidatesOf(plan.space, plan.cem, cem).map((candidate) => {
    const key = alphaKey(candidate.alpha);
    const fitness = table.fitness(key, wave.examples);
    // Of a pruned one the table may hold answers that a search gave which sees what this one leaves out.
    return { ...candidate, fitness: own.has(key) ? fitness : { ...fitness, score: 0 } };
  });
  const prunes = cem.generation === 0 ? plan.stage === 'pruned' && likelihoodTells(scored) : cem.prunes;
  const after = {
    ...afterGeneration(plan.cem, cem, scored),
    prunes,
    answered: prunes ? [...answered] : undefined,
  };
  return { ...next, searches: { ...state.searches, [step.search]: after } };
}

/** α that a search would deploy. */
export function deployed({ space, deploy }: SearchPlan, { best, mean }: CemState): Alpha {
  return (deploy === 'mean' ? alphaOf(space, mean) : undefined) ?? best!.alpha;
}

/** The outcome of a search. */
export interface SearchOutcome {
  readonly selection: Selection;
  /** α of the chosen candidate. */
  readonly alpha: Alpha;
  /** α that the search on all examples found; undefined if it did not come to that. */
  readonly found: Alpha | undefined;
}

/** Chooses between base, single experts, the uniform mixture and, where all folds were searched, what the search finds. */
export function outcomeOf(plan: SearchPlan, state: SearchState, table: ScoreTable): SearchOutcome {
  const all = seenBy(plan, 0);
  const fixed = fixedCandidates(plan.space);
  const value = (alpha: Alpha, example: number): number => {
    const pair = table.get(alphaKey(alpha), example);
    return plan.stage === 'likelihood' ? (pair.logLikelihood ?? 0) : Number(pair.right === true);
  };
  const contenders: (Contender & { readonly alpha: Alpha })[] = fixed.map(({ kind, expert, alpha }) => ({
    kind,
    expert,
    alpha,
    values: all.map((example) => value(alpha, example)),
    logLikelihood: table.fitness(alphaKey(alpha), all).logLikelihood,
  }));
  const whole = state.searches[0];
  const found = whole?.best ? deployed(plan, whole) : undefined;
  const folds = planFolds(plan);
  if (found && folds.every((_, i) => state.heldOut[i + 1])) {
    const values = new Array<number>(all.length).fill(0);
    const likelihoods: number[] = [];
    folds.forEach((examples, i) => {
      const alpha = deployed(plan, state.searches[i + 1]!);
      for (const example of examples) {
        values[example] = value(alpha, example);
        likelihoods.push(table.get(alphaKey(alpha), example).logLikelihood ?? Number.NaN);
      }
    });
    const sum = likelihoods.reduce((total, one) => total + one, 0);
    const logLikelihood = Number.isNaN(sum) ? undefined : sum / likelihoods.length;
    contenders.push({ kind: 'search', expert: '', alpha: found, values, logLikelihood });
  }
  const selection = select(contenders);
  const at = selection.judged.indexOf(selection.chosen);
  return { selection, alpha: contenders[at]!.alpha, found };
}

/** Base, every single expert, all experts evenly. */
export function fixedCandidates(space: SearchSpace): readonly {
  readonly kind: 'base' | 'expert' | 'uniform';
  readonly expert: string;
  readonly alpha: Alpha;
}[] {
  const experts = space.arms.flatMap((name, arm) => (name === BASE ? [] : [arm]));
  const base = space.arms.indexOf(BASE);
  return [
    { kind: 'base', expert: '', alpha: base >= 0 ? oneArm(space, base) : BASE_ALONE },
    ...experts.map((arm) => ({
      kind: 'expert' as const,
      expert: space.arms[arm]!,
      alpha: oneArm(space, arm),
    })),
    ...(experts.length > 1 ? [{ kind: 'uniform' as const, expert: '', alpha: evenly(space, experts) }] : []),
  ];
}

/** Stands for the base where it is no arm: no weights at all. */
export const BASE_ALONE: Alpha = [];

/** The mixture of a candidate; the base has no arms. */
export function candidateMixture(space: SearchSpace, alpha: Alpha) {
  return alpha === BASE_ALONE || alpha.length === 0 ? { arms: [] } : mixtureOf(space, alpha);
}
