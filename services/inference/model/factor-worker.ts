import { parentPort } from 'node:worker_threads';
import { ZmeshError } from '#shared/errors.js';
import { chooseGemm } from '../svd/choose-gemm.js';
import { thinSvd } from '../svd/thin-svd.js';
import { reconstructionError } from '../svd/verify.js';
import { type FactorIdentity, writeFactorFile } from './factor-file.js';
import { readWeight, type WeightPlace } from './weight-place.js';

/** One matrix to decompose. */
export interface FactorTask extends FactorIdentity {
  readonly place: WeightPlace;
  /** The factor file to write. */
  readonly target: string;
}

/** What became of it. */
export type FactorResult =
  | { readonly ok: true; readonly error: number; readonly seconds: number; readonly gemm: string }
  | { readonly ok: false; readonly reason: ZmeshError['reason']; readonly message: string };

/** Serving multiplies by singular values in f32. Only weights near the end of f32's range have larger ones. */
const FLOAT32_MAX = 2 ** 128 - 2 ** 104;

/** Largest reconstruction error of factors stored in f32 that is let pass; measured is 4.5e-8. */
const RECONSTRUCTION_ERROR_MAX = 1e-6;

parentPort?.on('message', (task: FactorTask) => {
  decompose(task).then(
    (result) => parentPort?.postMessage(result),
    (thrown: unknown) => {
      const { reason, message } = ZmeshError.from(thrown);
      parentPort?.postMessage({
        ok: false,
        reason,
        message: `${task.linear.name}: ${message}`,
      } satisfies FactorResult);
    },
  );
});

async function decompose(task: FactorTask): Promise<FactorResult> {
  const started = performance.now();
  const { rows, columns } = task.linear;
  const matrix = await readWeight(task.place);
  const gemm = await chooseGemm();
  const factors = await thinSvd(matrix, rows, columns, { gemm });
  const largest = factors.sigma[0] ?? 0;
  if (largest > FLOAT32_MAX) {
    const message = `its largest singular value is ${largest}, which is over the largest f32, ${FLOAT32_MAX}`;
    throw new ZmeshError('INVALID_FIELD', message, { limit: FLOAT32_MAX, value: largest });
  }
  const error = await reconstructionError(matrix, rows, columns, factors, gemm);
  if (!(error <= RECONSTRUCTION_ERROR_MAX)) {
    const message = `the factors miss the weight by ${error}, the limit is ${RECONSTRUCTION_ERROR_MAX}`;
    throw new ZmeshError('INTERNAL', message, { limit: RECONSTRUCTION_ERROR_MAX, value: error });
  }
  await writeFactorFile(task.target, task, factors, error);
  return { ok: true, error, seconds: (performance.now() - started) / 1000, gemm: gemm.name };
}
