/**
 * Requests that come whether the mesh keeps up or not: `npm run bench -- open-load [model] [seconds]` (default octo-nano, 5 s
 * a level). Poisson arrivals at shares of capacity, which callers who wait for their answers measure before and after each
 * level: a shared machine's capacity is not the same for long.
 */
import { EMBEDDED_MODEL } from '#deploy/local/embedded-model.js';
import { Sampling } from '#proto/zmesh/v1/common.js';
import { GenerateRequest } from '#proto/zmesh/v1/dispatcher.js';
import { createRandom } from '#services/inference/svd/random.js';
import { sleep } from '#shared/deadline.js';
import { ZmeshError } from '#shared/errors.js';
import { startBenchMesh } from './support/bench-mesh.js';
import { conditions } from './support/conditions.js';
import { readStream, type StreamTimes } from './support/read-stream.js';
import { median, quantile, table } from './support/statistics.js';

const SHARES = [0.5, 0.8, 1.2];
const ROUNDS = 3;
/** Callers that measure capacity: as many as the engine has slots. */
const CALLERS = 64;
const TOKENS = 32;
/** Waiting requests, so that overload shows within a level instead of after a minute. */
const QUEUE_MAX = 64;

const HEAD = [
  'offered (of the capacity around it)',
  'finished a second (of capacity)',
  'refused',
  'first token p50, ms',
  'p99, ms',
  'between tokens p99, ms',
];

/** One level in one round. */
interface Level {
  /** Arrivals a second. */
  readonly offered: number;
  /** Answers a second that the mesh gives to callers who wait, around this level. */
  readonly capacity: number;
  /** Answers that were finished, a second of the level. */
  readonly goodput: number;
  readonly refused: number;
  readonly firstMs: readonly [p50: number, p99: number];
  /** Between two messages with tokens, 99th percentile. */
  readonly gapMs: number;
}

const model = process.argv[2] ?? EMBEDDED_MODEL;
const levelMs = Number(process.argv[3] ?? 5) * 1000;
const random = createRandom(1);
const mesh = await startBenchMesh(model, { ZMESH_INFERENCE_QUEUE_MAX: String(QUEUE_MAX) });
let asked = 0;
try {
  const capacityMs = levelMs * 0.6;
  await capacity(capacityMs);
  const capacities: number[] = [];
  const levels = SHARES.map((): Level[] => []);
  for (let round = 0; round < ROUNDS; round++) {
    let before = await capacity(capacityMs);
    for (const [i, share] of SHARES.entries()) {
      const seen = await level(before * share);
      const after = await capacity(capacityMs);
      levels[i]!.push({ ...seen, capacity: (before + after) / 2 });
      capacities.push(before);
      before = after;
    }
    console.error(`round ${round + 1} of ${ROUNDS}: capacity ${before.toFixed(1)} answers a second`);
  }
  console.log(
    `${model}, answers of ${TOKENS} tokens, queue of ${QUEUE_MAX}, ${ROUNDS} rounds of ${levelMs / 1000} s a level; ${conditions()}`,
  );
  console.log(
    `capacity with ${CALLERS} callers: ${median(capacities).toFixed(1)} answers a second (${Math.min(...capacities).toFixed(1)}–${Math.max(...capacities).toFixed(1)})\n`,
  );
  console.log(table([HEAD, ...SHARES.map((share, i) => line(share, levels[i]!))]));
} finally {
  await mesh.close();
}

function ask(): Promise<StreamTimes> {
  asked++;
  const value = `Mia has ${asked % 900} cards and buys ${asked % 70} more. How many cards now?`;
  const request = GenerateRequest.create({
    prompt: { input: { $case: 'text', value } },
    strategy: { kind: { $case: 'none', value: {} } },
    sampling: Sampling.create({ temperature: 0, maxTokens: TOKENS, ignoreEos: true }),
  });
  return readStream(mesh.dispatcher.generate(request, { timeoutMs: 60_000 }));
}

/** Answers a second with every caller waiting for its own. */
async function capacity(forMs: number): Promise<number> {
  let answers = 0;
  const end = performance.now() + forMs;
  const caller = async (): Promise<void> => {
    while (performance.now() < end) {
      await ask();
      if (performance.now() < end) answers++;
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  return (answers * 1000) / forMs;
}

/** Poisson arrivals for one level's time; waits for what is still running then, but counts only what came in time. */
async function level(perSecond: number): Promise<Omit<Level, 'capacity'>> {
  const done: StreamTimes[] = [];
  const running: Promise<void>[] = [];
  let refused = 0;
  const startedMs = performance.now();
  const { signal } = new AbortController();
  for (let dueMs = startedMs; ; ) {
    dueMs += (-Math.log(1 - random()) * 1000) / perSecond;
    if (dueMs > startedMs + levelMs) break;
    const waitMs = dueMs - performance.now();
    // Arrivals that are due already go out together: timers are coarser than they are.
    if (waitMs > 1) await sleep(waitMs, signal);
    running.push(
      ask().then(
        (times) => {
          done.push(times);
        },
        (error: unknown) => {
          if (ZmeshError.from(error).reason !== 'QUEUE_FULL') throw error;
          refused++;
        },
      ),
    );
  }
  await Promise.all(running);
  const firstMs = done.map((times) => times.firstTokenMs - times.startedMs);
  const gapsMs = done.flatMap(({ deltasMs }) => deltasMs.slice(1).map((ms, i) => ms - deltasMs[i]!));
  return {
    offered: (running.length * 1000) / levelMs,
    goodput: (done.filter(({ endedMs }) => endedMs <= startedMs + levelMs).length * 1000) / levelMs,
    refused: refused / running.length,
    firstMs: [quantile(firstMs, 0.5), quantile(firstMs, 0.99)],
    gapMs: quantile(gapsMs, 0.99),
  };
}

/** Of each figure the median round. */
function line(share: number, rounds: readonly Level[]): string[] {
  const of = (figure: (one: Level) => number): number => median(rounds.map(figure));
  const percent = (figure: (one: Level) => number): string => `${(100 * of(figure)).toFixed(0)} %`;
  return [
    `${100 * share} % (${percent(({ offered, capacity }) => offered / capacity)})`,
    `${of(({ goodput }) => goodput).toFixed(1)} (${percent(({ goodput, capacity }) => goodput / capacity)})`,
    `${(100 * of(({ refused }) => refused)).toFixed(1)} %`,
    of(({ firstMs }) => firstMs[0]).toFixed(1),
    of(({ firstMs }) => firstMs[1]).toFixed(1),
    of(({ gapMs }) => gapMs).toFixed(1),
  ];
}
