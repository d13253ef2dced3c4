/** Seconds per matrix and back end: `node dist/tests/bench/svd.js [rows]x[columns] …`. */
import { createOnnxGemm } from '#services/inference/runtime/gemm-onnx.js';
import { gemmJs } from '#services/inference/svd/gemm-js.js';
import { wasmGemm } from '#services/inference/svd/gemm-wasm.js';
import { createRandom } from '#services/inference/svd/random.js';
import { thinSvd } from '#services/inference/svd/thin-svd.js';
import { orthogonalityFaults, reconstructionError } from '#services/inference/svd/verify.js';

/** The plain loops are left out above this many multiplications; they would take minutes. */
const JS_WORK_MAX = 1e9;

const shapes = process.argv.length > 2 ? process.argv.slice(2) : ['256x688', '768x2048', '896x4864'];
const backEnds = [createOnnxGemm(), wasmGemm(), gemmJs];

for (const shape of shapes) {
  const [rows = 0, columns = 0] = shape.split('x').map(Number);
  const random = createRandom(rows);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const matrix = Float32Array.from({ length: rows * columns }, () => 0.02 * normal());
  for (const gemm of backEnds) {
    if (gemm.name === 'js' && rows * columns * Math.min(rows, columns) > JS_WORK_MAX) continue;
    // The first run of the process compiles; take the better of two.
    const seconds: number[] = [];
    let svd = await thinSvd(matrix, rows, columns, { gemm });
    for (let run = 0; run < 2; run++) {
      const start = performance.now();
      svd = await thinSvd(matrix, rows, columns, { gemm });
      seconds.push((performance.now() - start) / 1000);
    }
    const error = await reconstructionError(matrix, rows, columns, svd, gemm);
    const faults = await orthogonalityFaults(svd, gemm);
    console.log(
      `${shape} ${gemm.name.padEnd(4)} ${Math.min(...seconds).toFixed(3)} s  error in f32 ${error.toExponential(1)}` +
        `  |UᵀU−I| ${faults.u.toExponential(1)}  |VᵀV−I| ${faults.v.toExponential(1)}`,
    );
  }
}
