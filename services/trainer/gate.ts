import { bootstrapMean } from '#shared/statistics/bootstrap.js';
import { comparePaired, type PairedComparison } from '#shared/statistics/paired.js';
import { scoreOf } from '#shared/statistics/score.js';
import type { Interval } from '#shared/statistics/wilson.js';

/** One question, answered by the base and by the expert. */
export interface PairedRewards {
  readonly id: string;
  /** Rewards in [-1, 1]. */
  readonly base: number;
  readonly expert: number;
}

/** One task's answers by both. */
export interface GateTask {
  readonly task: string;
  readonly pairs: readonly PairedRewards[];
}

/** What the gate decides about. */
export interface GateCase {
  /** The step that was kept; 0 = the start, before any training. */
  readonly keptStep: number;
  /** The expert's own task. */
  readonly own: GateTask;
  readonly others: readonly GateTask[];
}

/** The rule of the gate. */
export interface GateRule {
  /** Fewest questions of the expert's own task, at least 300. Default 300. */
  readonly itemsMin: number;
  /** The difference of scores on another task below which harm is said, [-1, 0]. Default -0.02: two points. */
  readonly harmMargin: number;
  /** Decides the bootstrap's draws. */
  readonly seed: bigint;
}

/** Defaults of the rule. */
export const GATE_DEFAULTS = { itemsMin: 300, harmMargin: -0.02 } as const;

/** No run may ask for fewer questions: what fewer say is too little to route by. */
export const GATE_ITEMS_FLOOR = 300;

/** The expert against the base on one task. Scores are (1 + reward)/2: accuracy where rewards are ±1. */
export interface TaskComparison {
  readonly task: string;
  readonly items: number;
  /** Mean score of each, [0, 1]. */
  readonly base: number;
  readonly expert: number;
  /** Expert minus base, with the paired bootstrap's 95 % interval. */
  readonly difference: Interval;
  /** Right against wrong, with Newcombe's interval and the exact McNemar p; undefined where rewards lie between −1 and 1. */
  readonly rightOrWrong: PairedComparison | undefined;
  /** True for another task than the expert's own whose difference is below the margin. */
  readonly harm: boolean;
}

/** What the gate decided. */
export interface Verdict {
  readonly passed: boolean;
  /** Why it did not pass, a sentence each; empty if it did. */
  readonly failures: readonly string[];
  /** Tasks where the expert looks worse than the base by more than the margin, a sentence each. They do not fail it. */
  readonly warnings: readonly string[];
  readonly own: TaskComparison;
  readonly others: readonly TaskComparison[];
}

/**
 * Decides whether an expert may be published. It passes if a trained step was kept and if, on at least `itemsMin` held-out questions of its own task, the lower
 * end of the paired bootstrap's 95 % interval is above 0 and, where rewards are right or wrong, the exact McNemar p is
 * below 0.05 too: with a handful of questions that tell the two apart the bootstrap alone would pass chance.
 * The start of a run is not quite the base (its first parameters are drawn), so it can differ from it; whatever it scores, it
 * fails, since no training made it. Other tasks never fail it, since experts are chosen for each request; harm on them is said.
 */
export function decide({ keptStep, own, others }: GateCase, rule: GateRule): Verdict {
  const compared = { ...compare(own, rule.seed), harm: false };
  const rest = others.map((task) => {
    const comparison = compare(task, rule.seed);
    return { ...comparison, harm: comparison.difference.estimate < rule.harmMargin };
  });
  const failures = [...trainingFailures(keptStep), ...failuresOf(compared, rule.itemsMin)];
  return {
    passed: failures.length === 0,
    failures,
    warnings: rest.filter(({ harm }) => harm).map(harmText),
    own: compared,
    others: rest,
  };
}

function compare({ task, pairs }: GateTask, seed: bigint): Omit<TaskComparison, 'harm'> {
  const scores = pairs.map(({ base, expert }) => ({ base: scoreOf(base), expert: scoreOf(expert) }));
  const mean = (of: 'base' | 'expert'): number =>
    scores.reduce((sum, score) => sum + score[of], 0) / scores.length;
  const binary = scores.every(({ base, expert }) => isBit(base) && isBit(expert));
  return {
    task,
    items: pairs.length,
    base: mean('base'),
    expert: mean('expert'),
    difference: bootstrapMean(
      scores.map(({ base, expert }) => expert - base),
      { seed },
    ),
    rightOrWrong: binary
      ? comparePaired(scores.map(({ base, expert }) => ({ first: base === 1, second: expert === 1 })))
      : undefined,
  };
}

const isBit = (score: number): boolean => score === 0 || score === 1;

/** Why a kept step may not be published whatever it scores: a sentence, or none. */
export function trainingFailures(keptStep: number): string[] {
  if (keptStep > 0) return [];
  return [
    'nothing trained was kept: no step scored higher on the validation questions than the start before the first (step 0)',
  ];
}

function failuresOf({ task, items, difference, rightOrWrong }: TaskComparison, itemsMin: number): string[] {
  const failures: string[] = [];
  if (items < itemsMin) failures.push(`${task} has ${items} held-out questions; the gate wants ${itemsMin}`);
  // Written so that NaN, from a task without questions, fails.
  if (!(difference.low > 0))
    failures.push(
      `the difference to the base on ${task} is ${interval(difference)}; the lower end of its 95 % interval must be above 0`,
    );
  if (rightOrWrong && !(rightOrWrong.p < 0.05))
    failures.push(
      `equal experts would differ as much on ${task} with probability ${rightOrWrong.p.toPrecision(2)} (exact McNemar); it must be below 0.05`,
    );
  return failures;
}

function harmText({ task, difference }: TaskComparison): string {
  return `on ${task} the expert scores ${interval(difference)} against the base`;
}

/** `+0.083 [+0.030, +0.137]`. */
function interval({ estimate, low, high }: Interval): string {
  const signed = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}`;
  return `${signed(estimate)} [${signed(low)}, ${signed(high)}]`;
}
