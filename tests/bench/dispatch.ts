/**
 * What the dispatcher adds to a direct call of inference: `npm run bench -- dispatch [model]` (default octo-nano; another one
 * must be prepared under ZMESH_HOME). Three ways take turns call by call, so that all see the same machine: straight to
 * inference, through the dispatcher, and through a relay that does nothing but pass bytes on (the cost of one more hop with
 * this gRPC library). Rounds are short: the best one is the least disturbed one.
 */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { EMBEDDED_MODEL } from '#deploy/local/embedded-model.js';
import { Sampling } from '#proto/zmesh/v1/common.js';
import { GenerateRequest } from '#proto/zmesh/v1/dispatcher.js';
import { GenerateTokensRequest, InferenceServiceService } from '#proto/zmesh/v1/inference.js';
import { projectRoot } from '#shared/paths.js';
import { connect, type RpcClient } from '#shared/rpc/client.js';
import { type BenchMesh, startBenchMesh } from './support/bench-mesh.js';
import { conditions } from './support/conditions.js';
import { cpuMs } from './support/cpu-time.js';
import { readStream, type StreamTimes } from './support/read-stream.js';
import { median, quantile, table } from './support/statistics.js';

const ROUNDS = 30;
/** Lengths of the answers, and how often each is asked in a round, each way. */
const SHAPES = [
  { maxTokens: 1, calls: 30 },
  { maxTokens: 64, calls: 8 },
];
/** Calls at once, for the processor time of a relayed token. */
const TOGETHER = 16;
const TOGETHER_CALLS = 64;
const TOGETHER_ROUNDS = 6;
const WARM_UP = 300;
const LIMIT = { timeoutMs: 60_000 };

/** A way to inference. */
interface Way {
  readonly name: string;
  /** The process between; undefined = none. */
  readonly pid: number | undefined;
  ask(maxTokens: number): Promise<StreamTimes>;
}

const mesh = await startBenchMesh(process.argv[2] ?? EMBEDDED_MODEL);
const relay = await startRelay(mesh.inferenceAddress);
try {
  const share = mesh.model === EMBEDDED_MODEL ? 1 : 0.1;
  const ways = waysOf(mesh, relay);
  for (let i = 0; i < WARM_UP * share; i++) for (const way of ways) await way.ask(16);
  console.log(`${mesh.model}, ${ROUNDS} rounds, one caller; ${conditions()}\n`);
  for (const { maxTokens, calls } of SHAPES) await compare(ways, maxTokens, Math.ceil(calls * share));
  await compareTogether(ways, Math.ceil(TOGETHER_CALLS * share));
} finally {
  relay.close();
  await mesh.close();
}

interface Relay {
  readonly pid: number;
  readonly client: RpcClient<InferenceServiceService>;
  close(): void;
}

async function startRelay(address: string): Promise<Relay> {
  const child = fork(join(projectRoot, 'dist/tests/bench/support/bare-relay.js'), [address]);
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message: { port: number }) => resolve(message.port));
    child.once('exit', (code) => reject(new Error(`the relay ended with ${code}`)));
  });
  const client = connect(InferenceServiceService, {
    address: `127.0.0.1:${port}`,
    unavailable: 'INFERENCE_UNAVAILABLE',
  });
  return {
    pid: child.pid!,
    client,
    close() {
      client.close();
      child.kill();
    },
  };
}

function waysOf({ dispatcher, inference, pids }: BenchMesh, { client, pid }: Relay): readonly Way[] {
  const value = 'Mia has 12 cards and buys 30 more. How many cards now?';
  const question = (maxTokens: number) => ({
    prompt: { input: { $case: 'text' as const, value } },
    sampling: Sampling.create({ temperature: 0, maxTokens, ignoreEos: true }),
  });
  const strategy = { kind: { $case: 'none' as const, value: {} } };
  const tokens = (maxTokens: number) => GenerateTokensRequest.create(question(maxTokens));
  return [
    { name: 'direct', pid: undefined, ask: (n) => readStream(inference.generateTokens(tokens(n), LIMIT)) },
    { name: 'bare relay', pid, ask: (n) => readStream(client.generateTokens(tokens(n), LIMIT)) },
    {
      name: 'dispatcher',
      pid: pids.dispatcher,
      ask: (n) =>
        readStream(dispatcher.generate(GenerateRequest.create({ ...question(n), strategy }), LIMIT)),
    },
  ];
}

/** Rounds of calls in turn; every way goes first equally often, since who comes later finds warmer caches. */
async function compare(ways: readonly Way[], maxTokens: number, calls: number): Promise<void> {
  const rounds: StreamTimes[][][] = [];
  const cpu = ways.map((): number[] => []);
  for (let round = 0; round < ROUNDS; round++) {
    const times = ways.map((): StreamTimes[] => []);
    const before = ways.map(cpuOf);
    for (let i = 0; i < calls; i++)
      for (let turn = 0; turn < ways.length; turn++) {
        const which = (i + turn) % ways.length;
        times[which]!.push(await ways[which]!.ask(maxTokens));
      }
    for (const [which, way] of ways.entries()) cpu[which]!.push((cpuOf(way) - before[which]!) / calls);
    rounds.push(times);
  }
  const first = ({ firstTokenMs, startedMs }: StreamTimes): number => firstTokenMs - startedMs;
  const whole = ({ endedMs, startedMs }: StreamTimes): number => endedMs - startedMs;
  console.log(`${maxTokens} token(s), ms; p50: best / median round, p99: over all calls\n`);
  const head = ['', ...ways.map(({ name }) => name)];
  console.log(
    table([
      head,
      ['first token, p50', ...p50(rounds, ways, first)],
      ['first token, p99', ...p99(rounds, ways, first)],
      ['whole answer, p50', ...p50(rounds, ways, whole)],
      ['whole answer, p99', ...p99(rounds, ways, whole)],
      [
        'processor time a call',
        ...ways.map(({ pid }, which) => (pid === undefined ? '' : told(cpu[which]!))),
      ],
    ]),
  );
  console.log('');
}

function cpuOf({ pid }: Way): number {
  return pid === undefined ? 0 : cpuMs(pid);
}

function told(values: readonly number[]): string {
  return `${Math.min(...values).toFixed(3)} / ${median(values).toFixed(3)}`;
}

/** Medians of each way, and what its best and its median round add to the direct call's. */
function p50(
  rounds: readonly StreamTimes[][][],
  ways: readonly Way[],
  of: (times: StreamTimes) => number,
): string[] {
  const medians = ways.map((_, which) => rounds.map((times) => median(times[which]!.map(of))));
  return medians.map((values, which) => {
    if (which === 0) return told(values);
    const added = (of: (all: readonly number[]) => number): string =>
      (of(values) - of(medians[0]!)).toFixed(3);
    return `${told(values)}, added ${added((all) => Math.min(...all))} / ${added(median)}`;
  });
}

/** Over all rounds' calls, and against the direct call. */
function p99(
  rounds: readonly StreamTimes[][][],
  ways: readonly Way[],
  of: (times: StreamTimes) => number,
): string[] {
  const all = ways.map((_, which) =>
    quantile(
      rounds.flatMap((times) => times[which]!.map(of)),
      0.99,
    ),
  );
  return all.map((ms, which) =>
    which === 0 ? ms.toFixed(2) : `${ms.toFixed(2)}, × ${(ms / all[0]!).toFixed(2)}`,
  );
}

/** Processor time of a relayed token with many streams at once. */
async function compareTogether(ways: readonly Way[], calls: number): Promise<void> {
  const perToken = ways.map((): number[] => []);
  for (let round = 0; round < TOGETHER_ROUNDS; round++) {
    for (const [which, way] of ways.entries()) {
      if (way.pid === undefined) continue;
      const before = cpuOf(way);
      let left = calls;
      let tokens = 0;
      const caller = async (): Promise<void> => {
        while (left-- > 0) {
          const answer = await way.ask(64);
          tokens += answer.tokens;
        }
      };
      await Promise.all(Array.from({ length: TOGETHER }, caller));
      perToken[which]!.push((cpuOf(way) - before) / tokens);
    }
  }
  const lines = ways.flatMap(({ name, pid }, which) =>
    pid === undefined ? [] : [`${name} ${told(perToken[which]!)}`],
  );
  console.log(
    `${TOGETHER} callers at once, 64 tokens: processor time of a relayed token, ms (best / median of ${TOGETHER_ROUNDS} rounds): ${lines.join(', ')}`,
  );
}
