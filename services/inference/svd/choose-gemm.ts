import { ZmeshError } from '#shared/errors.js';
import type { Gemm, Product } from './gemm.js';
import { gemmJs } from './gemm-js.js';
import { wasmGemm } from './gemm-wasm.js';
import { createRandom } from './random.js';

/** Environment variable that names the back end: `ort`, `wasm` or `js`. Default: the fastest that is right. */
export const GEMM_VARIABLE = 'ZMESH_SVD_GEMM';

/** Order of the product that is timed. */
const TRIAL_ORDER = 384;
const TRIAL_RUNS = 3;

let chosen: Promise<Gemm> | undefined;

/**
 * The back end for this process: named by ZMESH_SVD_GEMM, else whichever of ONNX Runtime and WebAssembly multiplies f64
 * faster here, its result checked. Chosen once per process (worker threads choose each for themselves); the choice and
 * a back end that cannot be used are told to `log`.
 *
 * @throws ZmeshError INVALID_FIELD: ZMESH_SVD_GEMM names none of them, or one that does not work on this machine.
 */
export function chooseGemm(log: (line: string) => void = () => {}): Promise<Gemm> {
  chosen ??= choose(log);
  return chosen;
}

async function choose(log: (line: string) => void): Promise<Gemm> {
  const named = process.env[GEMM_VARIABLE];
  if (named) return byName(named);
  const trials = [];
  for (const name of ['ort', 'wasm'] as const) {
    try {
      trials.push(await time(await create(name)));
    } catch (cause) {
      log(`svd: ${name} cannot be used for f64 products: ${cause instanceof Error ? cause.message : cause}`);
    }
  }
  const [best] = trials.sort((a, b) => a.milliseconds - b.milliseconds);
  if (!best) throw new ZmeshError('INTERNAL', 'no back end for f64 products works on this machine');
  const times = trials.map(({ gemm, milliseconds }) => `${gemm.name} ${milliseconds.toFixed(1)} ms`);
  log(`svd: f64 products run on ${best.gemm.name} (${times.join(', ')} for order ${TRIAL_ORDER})`);
  return best.gemm;
}

async function byName(name: string): Promise<Gemm> {
  if (name !== 'ort' && name !== 'wasm' && name !== 'js')
    throw new ZmeshError('INVALID_FIELD', `${GEMM_VARIABLE} must be ort, wasm or js, and is ${name}`, {
      field: GEMM_VARIABLE,
      limit: 'ort, wasm, js',
      value: name,
    });
  try {
    const gemm = await create(name);
    await time(gemm);
    return gemm;
  } catch (cause) {
    throw new ZmeshError(
      'INVALID_FIELD',
      `${GEMM_VARIABLE} is ${name}, which does not work on this machine`,
      {
        field: GEMM_VARIABLE,
        value: name,
        cause,
      },
    );
  }
}

async function create(name: Gemm['name']): Promise<Gemm> {
  if (name === 'js') return gemmJs;
  if (name === 'wasm') return wasmGemm();
  // Loaded when it is asked for: some platforms have no ONNX Runtime binary.
  const { createOnnxGemm } = await import('../runtime/gemm-onnx.js');
  return createOnnxGemm();
}

/** Best time of a product of order TRIAL_ORDER, after checking its first, middle and last entry. */
async function time(gemm: Gemm): Promise<{ gemm: Gemm; milliseconds: number }> {
  const n = TRIAL_ORDER;
  const random = createRandom(n);
  const a = Float64Array.from({ length: n * n }, () => random() - 0.5);
  const b = Float64Array.from({ length: n * n }, () => random() - 0.5);
  const product: Product = { m: n, n, k: n, a, b };
  let milliseconds = Number.POSITIVE_INFINITY;
  for (let run = 0; run < TRIAL_RUNS; run++) {
    const start = performance.now();
    const result = await gemm.multiply(product);
    milliseconds = Math.min(milliseconds, performance.now() - start);
    for (const at of [0, (n * n + n) / 2, n * n - 1]) assertEntry(result, product, at);
  }
  return { gemm, milliseconds };
}

function assertEntry(result: Float64Array, { n, k, a, b }: Product, at: number): void {
  const [row, column] = [Math.floor(at / n), at % n];
  let expected = 0;
  for (let p = 0; p < k; p++) expected += a[row * k + p]! * b[p * n + column]!;
  const error = Math.abs(result[at]! - expected);
  if (!(error <= 1e-12)) throw new Error(`entry (${row}, ${column}) of a product is off by ${error}`);
}
