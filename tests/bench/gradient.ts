/**
 * Gradients through the service: `npm run bench -- gradient [name] [rounds]` (default octo-nano, 5; the model must be prepared under
 * ZMESH_HOME). A gradient of 8 sequences of about 100 tokens against scoring the same tokens, alternating; what the process
 * grows by meanwhile against the weights; and the latency of decoding alone and while gradients run, alternating.
 */
import { readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { Normalisation, Priority, Sampling } from '#proto/zmesh/v1/common.js';
import {
  ComputeGradientRequest,
  Continuation,
  GenerateTokensRequest,
  GradientSequence,
  InferenceServiceService,
  KlDirection,
  ScoreRequest,
} from '#proto/zmesh/v1/inference.js';
import { preparedBytes } from '#services/inference/memory-budget.js';
import { loadPrepared } from '#services/inference/model/load.js';
import { preparedFolder } from '#services/inference/model/prepared-files.js';
import { zmeshHome } from '#shared/paths.js';
import { connect } from '#shared/rpc/client.js';
import { writeVectors } from '#shared/svf/vectors.js';
import { startChildService } from '../golden/service/child-service.js';

const [PROMPTS, SAMPLES, PROMPT_TOKENS, ANSWER_TOKENS] = [2, 4, 40, 60];
const SAMPLE_MS = 5;
const DECODED = 48;

interface Latency {
  readonly first: number;
  readonly token: number;
  readonly stall: number;
}

const name = process.argv[2] ?? 'octo-nano';
const rounds = Number(process.argv[3] ?? 5);
const folder = preparedFolder(zmeshHome(), name);
const model = await loadPrepared(folder);
const weightBytes = await preparedBytes(folder);
const service = await startChildService('inference', {
  ZMESH_INFERENCE_MODELS: name,
  ZMESH_INFERENCE_KV_BYTES: String(64 << 20),
  ZMESH_REGISTRY_ADDRESS: '',
  ZMESH_NATS_URL: '',
});
const client = connect(InferenceServiceService, {
  address: service.address,
  unavailable: 'INFERENCE_UNAVAILABLE',
});
const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
const best = (values: readonly number[]): number => Math.min(...values);
const quantile = (values: readonly number[], q: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))]!;

const tokens = (count: number, seed: number): number[] =>
  Array.from({ length: count }, (_, i) => 3 + ((i * 37 + seed * 101) % (model.config.vocabularySize - 3)));
const prompts = Array.from({ length: PROMPTS }, (_, p) => tokens(PROMPT_TOKENS, p));
const answers = Array.from({ length: SAMPLES }, (_, k) => tokens(ANSWER_TOKENS, 50 + k));
const multipliers = {
  vectors: writeVectors(
    new Map(
      model.adapted.map(({ name: matrix, rows, columns }) => [
        matrix,
        new Float32Array(Math.min(rows, columns)).fill(0.99),
      ]),
    ),
  ),
  normalisation: Normalisation.NONE,
};

/** `shared`: samples of one prompt, which share its computation; else every prompt is another. */
function gradientRequest(shared: boolean, klDirection: KlDirection): ComputeGradientRequest {
  const sequences = prompts.flatMap((prompt, p) =>
    answers.map((ids, k) =>
      GradientSequence.create({
        prompt: {
          input: { $case: 'tokens', value: { ids: shared ? prompt : prompt.with(0, 3 + p * SAMPLES + k) } },
        },
        answer: { ids },
        weight: (k - 1.5) / 8,
        klWeight: 1 / 8,
      }),
    ),
  );
  return ComputeGradientRequest.create({ sequences, multipliers, klDirection });
}

/** The same tokens as unshared sequences, scored by the serving graph: a forward pass. */
async function forward(): Promise<void> {
  await Promise.all(
    prompts.flatMap((prompt, p) =>
      answers.map((ids, k) =>
        client.score(
          ScoreRequest.create({
            prompt: { input: { $case: 'tokens', value: { ids: prompt.with(0, 3 + p * SAMPLES + k) } } },
            continuations: [Continuation.create({ input: { $case: 'tokens', value: { ids } } })],
            priority: Priority.BATCH,
          }),
        ),
      ),
    ),
  );
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** Milliseconds to the first token of a greedy answer, from token to token on average, and of its longest stall. */
async function decode(): Promise<Latency> {
  const started = performance.now();
  let last = started;
  let first = Number.NaN;
  let stall = 0;
  const sampling = Sampling.create({ maxTokens: DECODED, ignoreEos: true });
  const request = GenerateTokensRequest.create({
    prompt: { input: { $case: 'tokens', value: { ids: tokens(16, Math.floor(started)) } } },
  });
  for await (const { event } of client.generateTokens({ ...request, sampling })) {
    if (event?.$case !== 'delta') continue;
    const now = performance.now();
    if (Number.isNaN(first)) first = now - started;
    else stall = Math.max(stall, now - last);
    last = now;
  }
  return { first, token: (last - started - first) / (DECODED - 1), stall };
}

const WAYS = [
  ['gradient', () => client.computeGradient(gradientRequest(false, KlDirection.UNSPECIFIED))],
  [
    'gradient, prompts shared by 4',
    () => client.computeGradient(gradientRequest(true, KlDirection.UNSPECIFIED)),
  ],
  ['gradient with KL', () => client.computeGradient(gradientRequest(false, KlDirection.REFERENCE_TO_POLICY))],
] as const;

console.log(
  `${name}: ${cpus().length} cores, load ${loadavg()[0]!.toFixed(1)}, weights ${megabytes(weightBytes)}`,
);
await forward();
await decode();
/** Megabytes of the service's own, and of files that it maps: those are the system's, and in memory once. */
const before = memoryOf(service.pid);
let peak = before;
const sampler = setInterval(() => {
  const now = memoryOf(service.pid);
  peak = { own: Math.max(peak.own, now.own), mapped: Math.max(peak.mapped, now.mapped) };
}, SAMPLE_MS);
const tellMemory = (what: string): void =>
  console.log(
    `memory, ${what}: own ${megabytes(before.own)}, peak ${megabytes(peak.own)}: ${megabytes(peak.own - before.own)} more, ` +
      `${((peak.own - before.own) / weightBytes).toFixed(2)} × the weights; mapped ${megabytes(before.mapped)}, then ${megabytes(peak.mapped)}`,
  );
const { summary } = await client.computeGradient(gradientRequest(false, KlDirection.UNSPECIFIED));
tellMemory(
  `first gradient (${summary!.parts} parts, planned ${megabytes(Number(summary!.plannedBytes))} each)`,
);
for (const [, work] of WAYS) await work();
tellMemory('all kinds of graph');
clearInterval(sampler);

const forwards: number[] = [];
const gradients: number[][] = WAYS.map(() => []);
for (let round = 0; round < rounds; round++) {
  forwards.push(await timed(forward));
  for (const [i, [, work]] of WAYS.entries()) gradients[i]!.push(await timed(work));
}
const count = PROMPTS * SAMPLES * (PROMPT_TOKENS + ANSWER_TOKENS);
console.log(
  `forward (Score): ${best(forwards).toFixed(0)} ms, ${Math.round((count / best(forwards)) * 1000)} tokens/s`,
);
WAYS.forEach(([way], i) => {
  const ms = best(gradients[i]!);
  console.log(
    `${way}: ${ms.toFixed(0)} ms, ${Math.round((count / ms) * 1000)} tokens/s, ${(ms / best(forwards)).toFixed(2)} × forward`,
  );
});

const alone: Latency[] = [];
const beside: Latency[] = [];
for (let round = 0; round < 2 * rounds; round++) {
  alone.push(await decode());
  const training = new AbortController();
  const busy = (async () => {
    while (!training.signal.aborted) await WAYS[1][1]();
  })();
  beside.push(await decode());
  training.abort();
  await busy;
}
for (const [what, of] of [
  ['to the first token', 'first'],
  ['from token to token', 'token'],
  ["an answer's longest stall", 'stall'],
] as const) {
  const [a, b] = [alone, beside].map((latencies) => latencies.map((latency) => latency[of]));
  const [low, high] = [quantile(b!, 0.5) / quantile(a!, 0.5), quantile(b!, 0.9) / quantile(a!, 0.9)];
  console.log(
    `${what}: alone p50 ${quantile(a!, 0.5).toFixed(1)} ms, p90 ${quantile(a!, 0.9).toFixed(1)} ms; ` +
      `beside gradients p50 ${quantile(b!, 0.5).toFixed(1)} ms, p90 ${quantile(b!, 0.9).toFixed(1)} ms: ` +
      `${low.toFixed(2)} × and ${high.toFixed(2)} ×`,
  );
}
client.close();
await service.stop();

function memoryOf(pid: number): { readonly own: number; readonly mapped: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const bytes = (field: string): number =>
    Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0) * 1024;
  return { own: bytes('RssAnon'), mapped: bytes('RssFile') };
}
