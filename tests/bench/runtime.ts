/**
 * Speed of the runtime alone on the embedded model (or the folder given): prefill and decoding by batch size, one
 * thread, spectra of their own in every row. `node dist/tests/bench/runtime.js [checkpoint folder] [threads]`
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSigma } from '#services/inference/model/load.js';
import { prepareModel } from '#services/inference/model/prepare.js';
import { createOnnxRuntime } from '#services/inference/runtime/onnx-runtime.js';
import type { Runtime, SpectrumHandle, StepRow } from '#services/inference/runtime/runtime.js';
import { projectRoot } from '#shared/paths.js';

/** Milliseconds each figure is measured for. */
const MEASURE_MS = 1000;

const source = process.argv[2] ?? join(projectRoot, 'models/octo-nano');
const threads = Number(process.argv[3] ?? 1);
const folder = await mkdtemp(join(tmpdir(), 'zmesh-bench-'));
const model = await prepareModel({
  checkpoint: source,
  name: 'bench',
  target: folder,
  adapt: 'mlp',
  replace: true,
  onEvent: () => {},
});
const kvBytes = 256 << 20;
const loading = performance.now();
const runtime = await createOnnxRuntime({ folder, model, kvBytes, threads });
console.log(`${model.parameters} parameters, loaded in ${Math.round(performance.now() - loading)} ms`);
const sigma = [...(await loadSigma(folder, model)).values()].flatMap((values) => [...values]);
const spectrum = runtime.addSpectrum(Float32Array.from(sigma));

for (const batch of [1, 8, 32]) {
  for (const past of [0, 128, 448]) {
    const rows = makeRows(runtime, { batch, tokens: 1, past, spectrum });
    report(`decode   batch ${batch}, past ${past}`, batch, await millisecondsPerStep(runtime, rows));
  }
}
for (const [batch, tokens] of [
  [1, 32],
  [1, 128],
  [1, 448],
  [8, 32],
  [8, 128],
] as const) {
  const rows = makeRows(runtime, { batch, tokens, past: 0, spectrum });
  report(
    `prefill  batch ${batch}, tokens ${tokens}`,
    batch * tokens,
    await millisecondsPerStep(runtime, rows),
  );
}
console.log(
  `resident memory ${Math.round(process.memoryUsage.rss() / 2 ** 20)} MiB, KV ${kvBytes >> 20} MiB of it`,
);
await runtime.dispose();
await rm(folder, { recursive: true });

function makeRows(
  runtime: Runtime,
  size: { batch: number; tokens: number; past: number; spectrum: SpectrumHandle },
): StepRow[] {
  const pagesPerRow = Math.ceil((size.past + size.tokens) / runtime.info.pageTokens);
  return Array.from({ length: size.batch }, (_, row) => ({
    tokens: Int32Array.from({ length: size.tokens }, (_, i) => 3 + ((row * 31 + i * 7) % 400)),
    positions: Int32Array.from({ length: size.tokens }, (_, i) => size.past + i),
    pages: Int32Array.from({ length: pagesPerRow }, (_, i) => row * pagesPerRow + i),
    pastLength: size.past,
    branches: null,
    store: size.tokens,
    spectrum: size.spectrum,
    wanted: Int32Array.of(size.tokens - 1),
  }));
}

/** The median, which a busy machine disturbs least. */
async function millisecondsPerStep(runtime: Runtime, rows: readonly StepRow[]): Promise<number> {
  const outputs = { topK: 20, fullLogits: false, targets: null };
  for (let warmUp = 0; warmUp < 5; warmUp += 1) await runtime.step(rows, outputs);
  const times: number[] = [];
  const end = performance.now() + MEASURE_MS;
  while (performance.now() < end) {
    const start = performance.now();
    await runtime.step(rows, outputs);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  return times[times.length >> 1]!;
}

function report(what: string, tokens: number, milliseconds: number): void {
  const rate = Math.round((tokens / milliseconds) * 1000);
  console.log(
    `${what.padEnd(32)} ${milliseconds.toFixed(3).padStart(9)} ms  ${String(rate).padStart(7)} tokens/s`,
  );
}
