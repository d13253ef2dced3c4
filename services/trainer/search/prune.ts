import type { Scored } from './cem.js';
import type { ScoreTable } from './scores.js';
import type { Wave } from './search.js';
import { alphaKey } from './space.js';

/** Share of a generation's candidates that generate after the likelihood has spoken. */
const KEPT_SHARE = 0.5;

/** Keys of a wave's candidates that answer, once each: all, or the likelier half where the wave may be pruned. */
export function answering({ candidates, examples, prunable }: Wave, table: ScoreTable): Set<string> {
  const keys = [...new Set(candidates.map(alphaKey))];
  if (!prunable) return new Set(keys);
  return likelierHalf(keys, (key) => table.fitness(key, examples).logLikelihood ?? Number.NEGATIVE_INFINITY);
}

/** The likelier half of distinct candidates, at least two. */
export function likelierHalf(keys: readonly string[], likelihood: (key: string) => number): Set<string> {
  const ranked = keys.map((key) => ({ key, value: likelihood(key) })).sort((a, b) => b.value - a.value);
  return new Set(ranked.slice(0, Math.max(2, Math.ceil(keys.length * KEPT_SHARE))).map(({ key }) => key));
}

/**
 * Whether the likelihood of the references told good candidates from others in a generation that answered whole: the likelier half
 * holds one of the best, and is right at least as often as the rest. References in another style than the model's own (a bare result
 * where it writes its way there) fail this, and are then not pruned by.
 */
export function likelihoodTells(scored: readonly Scored[]): boolean {
  const distinct = new Map(scored.map((one) => [alphaKey(one.alpha), one.fitness]));
  const likelihood = (key: string): number => distinct.get(key)!.logLikelihood ?? Number.NEGATIVE_INFINITY;
  const kept = likelierHalf([...distinct.keys()], likelihood);
  const scores = (inside: boolean): number[] =>
    [...distinct].filter(([key]) => kept.has(key) === inside).map(([, { score }]) => score);
  const [likelier, others] = [scores(true), scores(false)];
  if (others.length === 0) return false;
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.max(...likelier) >= Math.max(...others) && mean(likelier) >= mean(others);
}
