import { join } from 'node:path';
import { sha256Hex } from '#shared/ids.js';
import type { FinishedRun } from '../finished-run.js';
import type { PlannedRun } from '../grid.js';
import type { RunQuestions } from '../questions.js';
import type { DenseModel } from './dense-model.js';
import { trainLora } from './run.js';
import { loraLayout, loraShape } from './shape.js';

/** A run of the baseline in the evidence's terms. */
export interface LoraEvidenceOptions extends PlannedRun {
  readonly dense: DenseModel;
  readonly rate: number | undefined;
  readonly questions: RunQuestions;
  readonly test: boolean;
  readonly signal: AbortSignal;
}

/** Trains and tests one LoRA. */
export async function finishedLora(options: LoraEvidenceOptions): Promise<FinishedRun> {
  const { dense, way, task, seed, rate, questions, test, signal } = options;
  const startMs = performance.now();
  const shape = loraShape(dense.prepared, way.lora);
  const id = sha256Hex(Buffer.from(`${way.name} ${task} ${seed} ${rate}`)).slice(0, 16);
  const result = await trainLora({
    model: dense,
    shape,
    scratch: join(dense.folder, '..', id),
    algorithm: way.algorithm,
    settings: { ...way.settings, ...(rate === undefined ? {} : { 'learning-rate': String(rate) }) },
    seed: BigInt(seed),
    task,
    data: { ...questions, others: [], sha256: '' },
    test,
    signal,
  });
  const { own, passed, bestScore, ...rest } = result;
  return {
    ...rest,
    bestValidation: bestScore,
    way: way.name,
    task,
    seed,
    parameters: loraLayout(shape).size,
    seconds: (performance.now() - startMs) / 1000,
    ...(own
      ? {
          test: {
            items: own.items,
            base: own.base,
            expert: own.expert,
            difference: own.difference,
            ...(own.rightOrWrong ? { p: own.rightOrWrong.p } : {}),
            passed: passed ?? false,
          },
        }
      : {}),
  };
}
