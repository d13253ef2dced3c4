import { ZmeshError } from '#shared/errors.js';
import type { PartResult } from '../runtime/gradient-runtime.js';
import type { PlannedPart } from './plan.js';
import type { GradientOutcome, GradientTask } from './task.js';

/** Gathers the results of a task's parts, in f64 and in the parts' order, so that equal tasks give equal bits. */
export interface Accumulator {
  /** Throws BAD_MIXTURE where a number is not finite. */
  add(part: PlannedPart, result: PartResult): void;
  readonly outcome: GradientOutcome;
}

/** Makes one for a task. */
export function accumulator({ kl, sequences, spectra }: GradientTask): Accumulator {
  const perToken = (): Float32Array[] => sequences.map(({ answer }) => new Float32Array(answer.length));
  const outcome = {
    logProbs: perToken(),
    kl: kl === 'none' ? null : perToken(),
    gradients: spectra.map(({ length }) => new Float64Array(length)),
  };
  const addRow = (spectrum: number, gradient: Float32Array): void => {
    const sum = outcome.gradients[spectrum]!;
    for (let i = 0; i < sum.length; i++) sum[i]! += gradient[i]!;
  };
  return {
    outcome,
    add(part, { logProbs, kl: divergences, gradient }) {
      checkFinite(logProbs, 'log-probabilities');
      if (divergences) checkFinite(divergences, 'divergences from the base');
      checkFinite(gradient, 'gradients');
      let at = 0;
      part.members.forEach(({ members }, row) => {
        const { spectrum } = sequences[members[0]!]!;
        const length = spectra[spectrum]!.length;
        addRow(spectrum, gradient.subarray(row * length, (row + 1) * length));
        for (const member of members) {
          const end = at + sequences[member]!.answer.length;
          outcome.logProbs[member]!.set(logProbs.subarray(at, end));
          if (divergences) outcome.kl![member]!.set(divergences.subarray(at, end));
          at = end;
        }
      });
    },
  };
}

/** Multipliers and weights may be any size, so they can drive the model out of f32's range: the caller's fault. */
function checkFinite(values: Float32Array, what: string): void {
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return;
  const message = `under these multipliers and weights the ${what} are not finite (${values[bad]})`;
  throw new ZmeshError('BAD_MIXTURE', message, { field: 'mixture', value: String(values[bad]) });
}
