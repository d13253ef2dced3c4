/**
 * Decomposition and import against LAPACK: `npm run bench -- import <checkpoint>` (a Hugging Face folder or a GGUF file).
 * Needs python3 with numpy for the other side. Both sides use the same cores, each at its best setting; run on an idle machine.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { adaptedLinears } from '#services/inference/model/canonical.js';
import { decomposeAll } from '#services/inference/model/decompose.js';
import { readSource } from '#services/inference/model/read-source.js';
import { readWeight } from '#services/inference/model/weight-place.js';
import { chooseGemm } from '#services/inference/svd/choose-gemm.js';
import { createRandom } from '#services/inference/svd/random.js';
import { thinSvd } from '#services/inference/svd/thin-svd.js';
import { projectRoot } from '#shared/paths.js';

/** Repetitions; the best of each side counts. */
const ROUNDS = 2;
const run = promisify(execFile);
const cores = availableParallelism();

interface MatrixFile {
  readonly path: string;
  readonly rows: number;
  readonly columns: number;
}

const checkpoint = process.argv[2];
if (checkpoint === undefined || !existsSync(checkpoint)) {
  console.error('usage: npm run bench -- import <Hugging Face folder | file.gguf>');
  process.exit(2);
}
const scratch = await mkdtemp(join(tmpdir(), 'zmesh-bench-'));
try {
  await benchMatrices(checkpoint);
  await benchOne(896, 4864);
  await benchImport(checkpoint);
} finally {
  await rm(scratch, { recursive: true, force: true });
}

/** All MLP matrices: ours reads, decomposes, verifies and writes; LAPACK's side counts the decompositions alone. */
async function benchMatrices(path: string): Promise<void> {
  const source = await readSource(path);
  const weights = await source.open();
  const places = new Map(weights.weights.map(({ name, place }) => [name, place]));
  const linears = adaptedLinears(source.config, 'mlp');
  const files: MatrixFile[] = [];
  for (const { name, rows, columns } of linears) {
    const matrix = await readWeight(places.get(name)!);
    files.push(await writeMatrix(name, matrix, { rows, columns }));
  }
  await weights.close();
  const target = join(scratch, 'factors');
  await mkdir(target);
  const ours = async (): Promise<number> => {
    const started = performance.now();
    const tasks = linears.map((linear) => ({
      linear,
      basisId: 'bench',
      place: places.get(linear.name)!,
      target: join(target, linear.name),
    }));
    await decomposeAll(tasks, cores, () => {});
    return (performance.now() - started) / 1000;
  };
  const mine: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    mine.push(await ours());
    theirs.push(await lapack(files, 1, cores), await lapack(files, cores, 1));
  }
  report(`${files.length} MLP matrices of ${path.split('/').at(-1)}`, Math.min(...mine), Math.min(...theirs));
}

/** One matrix, all cores: how long a person waits for the largest one. */
async function benchOne(rows: number, columns: number): Promise<void> {
  const random = createRandom(rows);
  const normal = (): number =>
    0.02 * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const matrix = Float32Array.from({ length: rows * columns }, normal);
  const file = await writeMatrix('one', matrix, { rows, columns });
  const gemm = await chooseGemm();
  await thinSvd(matrix, rows, columns, { gemm });
  const mine: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < 2 * ROUNDS; round++) {
    const started = performance.now();
    await thinSvd(matrix, rows, columns, { gemm });
    mine.push((performance.now() - started) / 1000);
    theirs.push(await lapack([file], 1, cores), await lapack([file], 1, 1));
  }
  report(`one ${rows} × ${columns} matrix (${gemm.name})`, Math.min(...mine), Math.min(...theirs));
}

/** The import program as a user starts it: wall time and peak memory. */
async function benchImport(path: string): Promise<void> {
  const home = join(scratch, 'home');
  const started = performance.now();
  const child = spawn(
    process.execPath,
    [join(projectRoot, 'dist/services/inference/import.js'), path, '--name', 'bench'],
    {
      env: { ...process.env, ZMESH_HOME: home },
      stdio: 'ignore',
    },
  );
  let peakBytes = 0;
  const poll = setInterval(() => {
    peakBytes = Math.max(peakBytes, peakOf(child.pid ?? 0));
  }, 50);
  const code = await new Promise((resolve) => child.on('exit', resolve));
  clearInterval(poll);
  if (code !== 0) throw new Error(`the import ended with ${code}`);
  const { config } = await readSource(path);
  const model = JSON.parse(readFileSync(join(home, 'models/bench/model.json'), 'utf8')) as {
    parameters: number;
  };
  const float32Bytes = model.parameters * 4;
  const limitBytes = 2 * float32Bytes + 2 ** 30;
  const fileBytes = (await stat(path)).isFile() ? (await stat(path)).size : float32Bytes;
  const wall = (performance.now() - started) / 1000;
  console.log(
    `import (${config.layers} layers): ${wall.toFixed(1)} s, peak ${megabytes(peakBytes)}: ${(peakBytes / fileBytes).toFixed(1)} × the file (${megabytes(fileBytes)}), ${(peakBytes / limitBytes).toFixed(2)} of 2 × the model in f32 + 1 GB (${megabytes(limitBytes)})`,
  );
}

async function writeMatrix(
  name: string,
  matrix: Float32Array,
  shape: { rows: number; columns: number },
): Promise<MatrixFile> {
  const path = join(scratch, `${name}.f32`);
  await writeFile(path, new Uint8Array(matrix.buffer, matrix.byteOffset, matrix.byteLength));
  return { path, ...shape };
}

/** Seconds of numpy's SVD of all files. OPENBLAS_CORETYPE is unset: it would pick slower kernels than the processor has. */
async function lapack(files: readonly MatrixFile[], processes: number, threads: number): Promise<number> {
  const { OPENBLAS_CORETYPE: _, OPENBLAS_L2_SIZE: __, ...env } = process.env;
  const args = files.flatMap(({ path, rows, columns }) => [path, String(rows), String(columns)]);
  const script = join(projectRoot, 'tests/bench/lapack.py');
  const { stdout } = await run('python3', [script, String(processes), ...args], {
    env: { ...env, OMP_NUM_THREADS: String(threads), OPENBLAS_NUM_THREADS: String(threads) },
  });
  return Number(stdout);
}

function report(what: string, mine: number, theirs: number): void {
  console.log(
    `${what}: zmesh ${mine.toFixed(2)} s, LAPACK dgesdd ${theirs.toFixed(2)} s: ${(theirs / mine).toFixed(2)} of its speed`,
  );
}

function peakOf(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
