import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { chooseGemm } from '#services/inference/svd/choose-gemm.js';

/** The choice is made once per process, so that each setting needs a process of its own. */
async function chosenUnder(setting: string): Promise<string> {
  const script = `
    import { chooseGemm } from '#services/inference/svd/choose-gemm.js';
    try { console.log((await chooseGemm()).name); } catch (error) { console.log(error.reason, error.message); }`;
  const env = { ...process.env, ZMESH_SVD_GEMM: setting };
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    env,
  });
  return stdout.trim();
}

test('the choice is timed once, told once, and kept', async () => {
  const lines: string[] = [];
  const [first, second] = await Promise.all([chooseGemm((line) => lines.push(line)), chooseGemm()]);
  assert.equal(first, second);
  assert.equal(lines.length, 1);
  assert.match(
    lines[0]!,
    /^svd: f64 products run on (ort|wasm) \((ort|wasm) \d+\.\d ms, (ort|wasm) \d+\.\d ms for order 384\)$/,
  );
});

test('ZMESH_SVD_GEMM names the back end, and another name is refused', async () => {
  assert.deepEqual(await Promise.all(['ort', 'wasm', 'js'].map(chosenUnder)), ['ort', 'wasm', 'js']);
  assert.equal(
    await chosenUnder('blas'),
    'INVALID_FIELD ZMESH_SVD_GEMM must be ort, wasm or js, and is blas',
  );
});
