import assert from 'node:assert/strict';
import type { Layout } from './layout.js';

/** Checked settings by name. */
export type SettingValues = Readonly<Record<string, string | number | boolean>>;

/** All that a run of an algorithm needs to go on: nothing outside it decides the next step but the items and the trials. */
export interface TrainingState {
  /** Name of the algorithm. */
  readonly algorithm: string;
  readonly settings: SettingValues;
  readonly seed: bigint;
  /** Steps done. */
  readonly step: number;
  readonly layout: Layout;
  /** The algorithm's own vectors, f64, by name. Never changed in place. */
  readonly vectors: Readonly<Record<string, Float64Array>>;
}

/** One of a state's vectors; the algorithm that made the state put it there. */
export function vectorOf(state: TrainingState, name: string): Float64Array {
  const vector = state.vectors[name];
  assert(vector, `a state of ${state.algorithm} has no ${name}`);
  return vector;
}
