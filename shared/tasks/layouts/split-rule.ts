import type { Row } from '../parse.js';
import { pythonShuffle } from '../python-random.js';
import type { SplitRows } from '../splits.js';

/** How published files become splits. */
export const SPLIT_RULES = ['files', 'even-odd', 'mbpp'] as const;

/** One of these ways. */
export type SplitRule = (typeof SPLIT_RULES)[number];

const [MBPP_SEED, MBPP_SEEN, MBPP_TRAIN] = [16, 300, 200];

/**
 * `files` (default): every file its own split. `even-odd`, as Transformer²'s code does for GSM8K and ARC: train's rows with
 * an even number from 0 are trained on, those with an odd number validate. `mbpp`, as it does for MBPP+: all rows are one
 * list; of the first 300, shuffled by Python's `random.seed(16)`, 200 train and 100 validate; the rest tests.
 */
export function applyRule(rule: SplitRule, rows: SplitRows): SplitRows {
  if (rule === 'files') return rows;
  if (rule === 'even-odd') {
    const { train = [], val = [], ...others } = rows;
    return { ...others, train: every(train, 0), val: [...val, ...every(train, 1)] };
  }
  const all = [...(rows.train ?? []), ...(rows.val ?? []), ...(rows.test ?? [])];
  const seen = pythonShuffle(MBPP_SEED, all.slice(0, MBPP_SEEN));
  return { train: seen.slice(0, MBPP_TRAIN), val: seen.slice(MBPP_TRAIN), test: all.slice(MBPP_SEEN) };
}

function every(rows: readonly Row[], remainder: number): Row[] {
  return rows.filter((_, i) => i % 2 === remainder);
}
