import { comparePaired } from '#shared/statistics/paired.js';
import { type Interval, wilson, Z95 } from '#shared/statistics/wilson.js';

/** What the selection chooses between. */
export type CandidateKind = 'base' | 'expert' | 'uniform' | 'search';

/** A candidate's results on examples that it was not made from. */
export interface Contender {
  readonly kind: CandidateKind;
  /** Name of a single expert, `expert@version`; empty for the others. */
  readonly expert: string;
  /**
   * What counts, by example, each left out when it was judged: 1 for a right answer and 0 for a wrong one, or the mean
   * log-likelihood a token of the reference where nothing is generated.
   */
  readonly values: readonly number[];
  /** Mean log-likelihood a token of each reference; undefined without references. */
  readonly logLikelihood: number | undefined;
}

/** A contender and its figures. */
export interface Judged extends Contender {
  /** Mean value; with Wilson's interval where values are right or wrong. */
  readonly score: Interval;
  /** Mean value minus the base's, paired. */
  readonly difference: Interval;
}

/** The outcome. */
export interface Selection {
  readonly chosen: Judged;
  /** Base first, then as given. */
  readonly judged: readonly Judged[];
  /** Why, in one sentence. */
  readonly statement: string;
}

/** From the simplest to the least simple. */
const SIMPLICITY: readonly CandidateKind[] = ['base', 'expert', 'uniform', 'search'];

/**
 * Chooses by the one-standard-error rule (Breiman and others, Classification and Regression Trees, 1984, §3.4.3) on paired
 * differences: the simplest contender whose score is not more than one standard error of the difference below the best
 * one's, from the simplest on: base, single expert, uniform, search. Among contenders of one kind the one with the higher score
 * counts, then the likelier references, then the order they are given in. So what few examples cannot tell goes to the base.
 */
export function select(contenders: readonly Contender[]): Selection {
  const base = contenders.find(({ kind }) => kind === 'base');
  if (!base) throw new Error('the base is always a contender');
  const judged = contenders.map((contender) => judge(contender, base));
  const best = [...judged].sort(better)[0]!;
  const chosen = SIMPLICITY.flatMap((kind) =>
    judged
      .filter((one) => one.kind === kind)
      .sort(better)
      .slice(0, 1),
  ).find((one) => withinOneError(best, one))!;
  return { chosen, judged, statement: explain(chosen, best, base.values.length) };
}

/** Better first; equal ones keep their order. */
function better(a: Judged, b: Judged): number {
  const byScore = b.score.estimate - a.score.estimate;
  if (byScore !== 0) return byScore;
  return (b.logLikelihood ?? 0) - (a.logLikelihood ?? 0);
}

function judge(contender: Contender, base: Contender): Judged {
  const { values } = contender;
  if (![...values, ...base.values].every((value) => value === 0 || value === 1)) {
    const differences = values.map((value, i) => value - base.values[i]!);
    return { ...contender, score: meanInterval(values), difference: meanInterval(differences) };
  }
  const pairs = values.map((value, i) => ({ first: base.values[i] === 1, second: value === 1 }));
  const count = values.filter((value) => value === 1).length;
  return { ...contender, score: wilson(count, values.length), difference: comparePaired(pairs).difference };
}

/** Mean with its normal 95 % interval. */
function meanInterval(values: readonly number[]): Interval {
  const { mean, error } = meanAndError(values);
  return { estimate: mean, low: mean - Z95 * error, high: mean + Z95 * error };
}

function meanAndError(values: readonly number[]): { readonly mean: number; readonly error: number } {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  return { mean, error: Math.sqrt(variance / n) };
}

/** True unless `best` is ahead of `one` by more than one standard error of their paired difference. */
function withinOneError(best: Contender, one: Contender): boolean {
  const { mean, error } = meanAndError(best.values.map((value, i) => value - one.values[i]!));
  return mean <= 0 || mean <= error;
}

function explain(chosen: Judged, best: Judged, examples: number): string {
  const binary = chosen.values.every((value) => value === 0 || value === 1);
  const figure = (value: number): string =>
    binary ? `${(100 * value).toFixed(0)} %` : `${value.toFixed(3)} nats a token`;
  const shift = (value: number): string =>
    `${value < 0 ? '−' : '+'}${binary ? (100 * Math.abs(value)).toFixed(0) : Math.abs(value).toFixed(3)}`;
  const said = ({ score }: Judged): string => figure(score.estimate);
  const over = `over ${examples} left-out examples`;
  if (chosen.kind === 'base') {
    if (best.kind === 'base')
      return `no better than base: nothing reaches more than its ${said(chosen)} ${over}`;
    return `no better than base: ${nameOf(best)} reaches ${said(best)} ${over}, the base ${said(chosen)}, which is within one standard error`;
  }
  const { estimate, low, high } = chosen.difference;
  const sure = low > 0 ? '' : ', though so few examples cannot show it (the interval holds 0)';
  const simpler = chosen === best ? '' : `; ${nameOf(best)} reaches ${said(best)}, within one standard error`;
  return `${nameOf(chosen)} reaches ${said(chosen)} ${over}, ${shift(estimate)} [${shift(low)}, ${shift(high)}] against the base${sure}${simpler}`;
}

function nameOf({ kind, expert }: Contender): string {
  if (kind === 'expert') return expert.split('@')[0]!;
  if (kind === 'uniform') return 'the uniform mixture';
  return kind === 'search' ? 'the mixture found' : 'the base';
}

/** The folds of a cross-validation: leave one out up to LEAVE_ONE_OUT_MAX examples, else as many as asked for, dealt in turn. */
export function foldsOf(examples: number, asked: number): number[][] {
  const count = asked > 0 ? Math.min(asked, examples) : examples <= LEAVE_ONE_OUT_MAX ? examples : 5;
  const folds: number[][] = Array.from({ length: count }, () => []);
  for (let example = 0; example < examples; example++) folds[example % count]!.push(example);
  return folds;
}

const LEAVE_ONE_OUT_MAX = 10;
