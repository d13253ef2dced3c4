/**
 * What adapting costs: `npm run bench -- adapted [checkpoint] [threads]` (default octo-nano and one thread; a Hugging Face
 * folder or a GGUF file). Decoding steps of three sides, in turn, round after round, in one process: the dense graph of the
 * original weights, the factored graph with one mixture in all rows, and with another mixture in every row.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { loadSigma } from '#services/inference/model/load.js';
import { prepareModel } from '#services/inference/model/prepare.js';
import { createOnnxRuntime } from '#services/inference/runtime/onnx-runtime.js';
import type { Runtime, SpectrumHandle, StepRow } from '#services/inference/runtime/runtime.js';
import { createRandom } from '#services/inference/svd/random.js';
import { projectRoot } from '#shared/paths.js';
import { conditions } from './support/conditions.js';
import { writeDenseFolder } from './support/dense-folder.js';
import { median, table } from './support/statistics.js';

const ROUNDS = 9;
/** Milliseconds each side is measured for in a round. */
const TURN_MS = 400;
const BATCHES = [1, 8, 32];
/** Positions before the new token. */
const PAST = 128;
const KV_BYTES = 512 << 20;
/** Changes of the mixture that are timed. */
const SWITCHES = 100;

/** Times of a step: by the clock, and what all threads worked, which the load of others disturbs least. */
interface StepTimes {
  readonly ms: number;
  readonly cpuMs: number;
}

/** Speeds to tell, as name, side, other side. */
const RATIOS = [
  ['1 mixture ÷ dense', 1, 0],
  ['a mixture each ÷ dense', 2, 0],
  ['a mixture each ÷ 1 mixture', 2, 1],
] as const;

interface Side {
  readonly name: string;
  readonly runtime: Runtime;
  /** One for each row. */
  readonly spectra: readonly SpectrumHandle[];
}

const checkpoint = process.argv[2] ?? join(projectRoot, 'models/octo-nano');
const threads = Number(process.argv[3] ?? 1);
const scratch = await mkdtemp(join(tmpdir(), 'zmesh-bench-'));
try {
  const { factored, dense, sides } = await openSides(checkpoint);
  console.log(
    `${basename(checkpoint)}, ${threads} thread(s), ${PAST} positions before, ${ROUNDS} rounds of ${TURN_MS} ms; ${conditions()}\n`,
  );
  const rows: (string | number)[][] = [
    [
      'rows',
      'dense, ms a step',
      'adapted, 1 mixture',
      'adapted, a mixture each',
      ...RATIOS.map(([name]) => name),
    ],
  ];
  for (const batch of BATCHES) rows.push(await compare(batch, sides));
  console.log(table(rows));
  await switchMixtures(factored);
  await Promise.all([factored.dispose(), dense.dispose()]);
} finally {
  await rm(scratch, { recursive: true, force: true });
}

async function openSides(source: string): Promise<{ factored: Runtime; dense: Runtime; sides: Side[] }> {
  const target = join(scratch, 'factored');
  const model = await prepareModel({
    checkpoint: source,
    name: 'bench',
    target,
    adapt: 'mlp',
    replace: true,
    onEvent: () => {},
  });
  const folder = join(scratch, 'dense');
  const plain = await writeDenseFolder(source, folder, model);
  const options = { kvBytes: KV_BYTES, threads };
  const factored = await createOnnxRuntime({ folder: target, model, ...options });
  const dense = await createOnnxRuntime({ folder, model: plain, ...options });
  const sigma = Float32Array.from([...(await loadSigma(target, model)).values()].flatMap((all) => [...all]));
  const random = createRandom(1);
  const mixtures = Array.from({ length: Math.max(...BATCHES) }, () =>
    factored.addSpectrum(sigma.map((value) => value * (0.8 + 0.4 * random()))),
  );
  const alone = dense.addSpectrum(new Float32Array(0));
  const same = <T>(value: T): T[] => mixtures.map(() => value);
  return {
    factored,
    dense,
    sides: [
      { name: 'dense', runtime: dense, spectra: same(alone) },
      { name: 'one', runtime: factored, spectra: same(mixtures[0]!) },
      { name: 'each', runtime: factored, spectra: mixtures },
    ],
  };
}

/** One line of the table: of each side the best round by the clock; of the ratios of processor time the median round and the range. */
async function compare(batch: number, sides: readonly Side[]): Promise<(string | number)[]> {
  const times = sides.map((): StepTimes[] => []);
  for (let round = 0; round < ROUNDS; round++)
    for (const [i, side] of sides.entries()) times[i]!.push(await stepTimes(side, batch));
  const speeds = RATIOS.map(([, of, to]) => {
    const ratios = times[of]!.map(({ cpuMs }, round) => times[to]![round]!.cpuMs / cpuMs);
    return `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)})`;
  });
  return [batch, ...times.map((all) => Math.min(...all.map(({ ms }) => ms)).toFixed(3)), ...speeds];
}

/** Medians over one turn. */
async function stepTimes({ runtime, spectra }: Side, batch: number): Promise<StepTimes> {
  const rows = decodeRows(runtime, spectra.slice(0, batch));
  const outputs = { topK: 1, fullLogits: false, targets: null };
  await runtime.step(rows, outputs);
  const times: number[] = [];
  const cpu = process.cpuUsage();
  for (const end = performance.now() + TURN_MS; performance.now() < end; ) {
    const started = performance.now();
    await runtime.step(rows, outputs);
    times.push(performance.now() - started);
  }
  const { user, system } = process.cpuUsage(cpu);
  return { ms: median(times), cpuMs: (user + system) / 1000 / times.length };
}

function decodeRows({ info }: Runtime, spectra: readonly SpectrumHandle[]): StepRow[] {
  const pages = Math.ceil((PAST + 1) / info.pageTokens);
  return spectra.map((spectrum, row) => ({
    tokens: Int32Array.of(3 + ((row * 31) % 400)),
    positions: Int32Array.of(PAST),
    pages: Int32Array.from({ length: pages }, (_, i) => row * pages + i),
    pastLength: PAST,
    branches: null,
    store: 1,
    spectrum,
    wanted: Int32Array.of(0),
  }));
}

/**
 * What changing the mixture costs: the bytes that are copied, and the first step under the new one beside the second. That no
 * weight is rebuilt is seen three ways: nothing is read from files, memory does not grow, and the first step is not slower.
 */
async function switchMixtures(runtime: Runtime): Promise<void> {
  const { spectrumLength, weightBytes } = runtime.info;
  const spectrum = new Float32Array(spectrumLength).fill(1);
  const outputs = { topK: 1, fullLogits: false, targets: null };
  const times = { copy: [] as number[], first: [] as number[], second: [] as number[] };
  const timed = async (into: number[], work: () => unknown): Promise<void> => {
    const started = performance.now();
    await work();
    into.push(performance.now() - started);
  };
  const before = { rss: process.memoryUsage.rss(), read: bytesRead() };
  for (let i = 0; i < SWITCHES; i++) {
    let handle: SpectrumHandle | undefined;
    await timed(times.copy, () => {
      handle = runtime.addSpectrum(spectrum);
    });
    const rows = decodeRows(runtime, [handle!]);
    await timed(times.first, () => runtime.step(rows, outputs));
    await timed(times.second, () => runtime.step(rows, outputs));
    runtime.removeSpectrum(handle!);
  }
  const grown = (process.memoryUsage.rss() - before.rss) / 1e6;
  const read = bytesRead() - before.read;
  const [copy, first, second] = [times.copy, times.first, times.second].map(median);
  console.log(
    `\nanother mixture: ${spectrumLength * 4} bytes copied in ${copy!.toFixed(3)} ms (weights: ${weightBytes} bytes); ` +
      `the first step under it ${first!.toFixed(3)} ms, the second ${second!.toFixed(3)} ms; ` +
      `over ${SWITCHES} changes ${read} bytes were read from files and memory grew by ${grown.toFixed(1)} MB`,
  );
}

/** Bytes that this process has read from files; reading them here adds about a hundred. Linux only. */
function bytesRead(): number {
  const text = readFileSync('/proc/self/io', 'utf8');
  return Number(/rchar: (\d+)/.exec(text)![1]);
}
