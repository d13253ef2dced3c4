/**
 * What the dispatcher adds to a direct call of inference: `npm run bench -- dispatch [model]` (default octo-nano; another one
 * must be prepared under ZMESH_HOME). One caller; both ways take turns call by call, so that both see the same machine.
 */
import { Sampling } from '#proto/zmesh/v1/common.js';
import { GenerateRequest } from '#proto/zmesh/v1/dispatcher.js';
import { GenerateTokensRequest } from '#proto/zmesh/v1/inference.js';
import { type BenchMesh, startBenchMesh } from './support/bench-mesh.js';
import { conditions } from './support/conditions.js';
import { cpuMs } from './support/cpu-time.js';
import { readStream, type StreamTimes } from './support/read-stream.js';
import { median, quantile, table } from './support/statistics.js';

const ROUNDS = 5;
/** Lengths of the answers, and how often each is asked in a round, each way. */
const SHAPES = [
  { maxTokens: 1, calls: 400 },
  { maxTokens: 64, calls: 100 },
];
/** Calls at once, for the processor time of a relayed token. */
const TOGETHER = 16;
const WARM_UP = 300;

interface Round {
  readonly direct: readonly StreamTimes[];
  readonly dispatched: readonly StreamTimes[];
  readonly cpuPerToken: number;
}

const mesh = await startBenchMesh(process.argv[2] ?? 'octo-nano');
try {
  const scale = mesh.model === 'octo-nano' ? 1 : 0.1;
  for (let i = 0; i < WARM_UP * scale; i++) {
    await readStream(ask(mesh, 16));
    await readStream(askDirectly(mesh, 16));
  }
  console.log(`${mesh.model}, ${ROUNDS} rounds, one caller; ${conditions()}\n`);
  for (const { maxTokens, calls } of SHAPES) {
    const rounds: Round[] = [];
    for (let i = 0; i < ROUNDS; i++) rounds.push(await round(maxTokens, Math.ceil(calls * scale)));
    console.log(`${maxTokens} token(s), ms\n`);
    console.log(`${table(lines(rounds))}\n`);
  }
  await cpuTogether(Math.ceil(400 * scale));
} finally {
  await mesh.close();
}

function prompt() {
  return {
    input: { $case: 'text' as const, value: 'Mia has 12 cards and buys 30 more. How many cards now?' },
  };
}

function sampling(maxTokens: number): Sampling {
  return Sampling.create({ temperature: 0, maxTokens, ignoreEos: true });
}

function ask({ dispatcher }: BenchMesh, maxTokens: number) {
  return dispatcher.generate(
    GenerateRequest.create({
      prompt: prompt(),
      strategy: { kind: { $case: 'none', value: {} } },
      sampling: sampling(maxTokens),
    }),
    { timeoutMs: 60_000 },
  );
}

function askDirectly({ inference }: BenchMesh, maxTokens: number) {
  return inference.generateTokens(
    GenerateTokensRequest.create({ prompt: prompt(), sampling: sampling(maxTokens) }),
    { timeoutMs: 60_000 },
  );
}

async function round(maxTokens: number, calls: number): Promise<Round> {
  const direct: StreamTimes[] = [];
  const dispatched: StreamTimes[] = [];
  const beforeMs = cpuMs(mesh.pids.dispatcher);
  for (let i = 0; i < calls; i++) {
    // Whoever comes second finds warmer caches: they take turns in that too.
    if (i % 2 === 0) direct.push(await readStream(askDirectly(mesh, maxTokens)));
    dispatched.push(await readStream(ask(mesh, maxTokens)));
    if (i % 2 === 1) direct.push(await readStream(askDirectly(mesh, maxTokens)));
  }
  const cpuPerToken = (cpuMs(mesh.pids.dispatcher) - beforeMs) / (calls * maxTokens);
  return { direct, dispatched, cpuPerToken };
}

/** Of each figure the best and the median round. */
function lines(rounds: readonly Round[]): (string | number)[][] {
  const told = (values: readonly number[]): string =>
    `${Math.min(...values).toFixed(3)} / ${median(values).toFixed(3)}`;
  const first = ({ firstTokenMs, startedMs }: StreamTimes): number => firstTokenMs - startedMs;
  const whole = ({ endedMs, startedMs }: StreamTimes): number => endedMs - startedMs;
  const line = (name: string, of: (times: StreamTimes) => number, q: number): string[] => {
    const direct = rounds.map((one) => quantile(one.direct.map(of), q));
    const dispatched = rounds.map((one) => quantile(one.dispatched.map(of), q));
    const added = dispatched.map((ms, i) => ms - direct[i]!);
    const ratio = dispatched.map((ms, i) => ms / direct[i]!);
    return [name, told(direct), told(dispatched), told(added), told(ratio)];
  };
  return [
    ['best / median round', 'direct', 'through the dispatcher', 'added', 'ratio'],
    line('first token, p50', first, 0.5),
    line('first token, p99', first, 0.99),
    line('whole answer, p50', whole, 0.5),
    line('whole answer, p99', whole, 0.99),
    ['dispatcher, CPU a token', '', told(rounds.map(({ cpuPerToken }) => cpuPerToken)), '', ''],
  ];
}

/** Processor time of a relayed token with many streams at once. */
async function cpuTogether(calls: number): Promise<void> {
  const perToken: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const beforeMs = cpuMs(mesh.pids.dispatcher);
    let left = calls;
    let tokens = 0;
    const caller = async (): Promise<void> => {
      while (left-- > 0) {
        const answer = await readStream(ask(mesh, 64));
        tokens += answer.tokens;
      }
    };
    await Promise.all(Array.from({ length: TOGETHER }, caller));
    perToken.push((cpuMs(mesh.pids.dispatcher) - beforeMs) / tokens);
  }
  console.log(
    `${TOGETHER} callers at once, 64 tokens: dispatcher's CPU ${Math.min(...perToken).toFixed(4)} / ${median(perToken).toFixed(4)} ms a token (best / median of ${ROUNDS} rounds)`,
  );
}
