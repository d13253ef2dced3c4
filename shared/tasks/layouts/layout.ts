import type { TaskDefaults } from '../defaults.js';
import type { Extraction } from '../extraction.js';
import type { Json } from '../item-faults.js';
import { arc } from './arc.js';
import { gsm8k } from './gsm8k.js';
import { humanEval } from './humaneval.js';
import { math } from './math.js';
import { mbpp } from './mbpp.js';

/** How many of EvalPlus's inputs count: the original tests' (what Transformer² reports), or these and the added ones. */
export const TESTS = ['base', 'plus'] as const;

/** What a row is read with. */
export interface RowContext {
  /** Id for data that has none: the split of its file and its number there, from 0. */
  readonly id: string;
  readonly extraction: Extraction;
  readonly tests: (typeof TESTS)[number];
}

/** A published form of data. */
export interface Layout {
  /** What Transformer²'s code asks with; `task.json` may say otherwise. */
  readonly defaults: TaskDefaults;
  /** Fields that are kept as JSON text. Default none. */
  readonly rawFields?: readonly string[];
  /** A question as a task file has it, or what is wrong with the row. */
  toItem(row: Json, context: RowContext): Json | string;
}

/** Every layout by its name. A new one = a file and a line here. */
export const LAYOUTS: Readonly<Record<string, Layout>> = { gsm8k, math, arc, mbpp, humaneval: humanEval };
