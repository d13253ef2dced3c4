import { setTimeout as sleep } from 'node:timers/promises';
import { mebibytes } from '../hostile/memory.js';
import { random } from '../hostile/random.js';
import { residentBytes } from '../support/resident-bytes.js';
import type { ChaosMesh } from './chaos-mesh.js';
import { failures, goodput, startArrivals, startLoad } from './load.js';
import type { Question } from './questions.js';
import type { Report } from './report.js';

/** What the overload needs. */
export interface OverloadOptions {
  readonly mesh: ChaosMesh;
  readonly questions: readonly Question[];
  readonly seed: number;
  readonly report: Report;
  /** How long each capacity is measured and how long the overload lasts. */
  readonly measureMs: number;
  readonly overloadMs: number;
}

/** Callers with which the peak is looked for. */
const CALLERS = [16, 32, 64] as const;
const TIMES = 10;
const GOODPUT_MIN = 0.9;
/** Deadline of a request under overload. */
const TIMEOUT_MS = 10_000;
/** Resident bytes that a process may gain while it is overloaded. */
const GROWTH_BYTES_MAX = 96 * 2 ** 20;

/** Looks for the peak of answers a second, then asks for ten times as many. */
export async function overload(options: OverloadOptions): Promise<void> {
  const { mesh, questions, seed, report } = options;
  const client = mesh.dispatcher;
  let peak = 0;
  for (const callers of CALLERS) {
    const load = startLoad({ client, questions, random: random(seed, 'peak', callers), callers });
    await sleep(options.measureMs / 4);
    const fromMs = performance.now();
    await sleep(options.measureMs);
    const rate = goodput(load.outcomes, fromMs, performance.now());
    await load.stop();
    report.say(`${callers} callers: ${rate.toFixed(1)} answers a second, failed: ${failures(load.outcomes)}`);
    for (const wrong of load.wrong) report.fault(`wrong answer: ${wrong}`);
    peak = Math.max(peak, rate);
  }

  const perSecond = peak * TIMES;
  const arrivals = { client, questions, random: random(seed, 'overload'), timeoutMs: TIMEOUT_MS };
  const load = startArrivals({ ...arrivals, perSecond });
  await sleep(options.overloadMs / 4);
  const before = resident(mesh);
  const fromMs = performance.now();
  await sleep(options.overloadMs);
  const untilMs = performance.now();
  const after = resident(mesh);
  await load.stop();
  const rate = goodput(load.outcomes, fromMs, untilMs);
  const inside = load.outcomes.filter(({ endMs }) => endMs >= fromMs && endMs < untilMs);
  const share = rate / peak;
  report.say(
    `${perSecond.toFixed(0)} requests a second (${TIMES} x): ${rate.toFixed(1)} answers a second, ` +
      `${(share * 100).toFixed(0)} % of the peak of ${peak.toFixed(1)}; refused: ${failures(inside)}`,
  );
  report.check(share >= GOODPUT_MIN, `goodput under overload is ${(share * 100).toFixed(0)} % of the peak`);
  for (const wrong of load.wrong) report.fault(`overload: wrong answer: ${wrong}`);
  for (const [name, bytes] of after) {
    const grown = bytes - before.get(name)!;
    report.say(
      `${name}: ${mebibytes(bytes)} MiB, ${mebibytes(grown)} more than a quarter of the time earlier`,
    );
    report.check(grown <= GROWTH_BYTES_MAX, `${name} grew by ${mebibytes(grown)} MiB under overload`);
  }
  const calm = startLoad({ client, questions, random: random(seed, 'calm'), callers: 4 });
  await sleep(options.measureMs / 2);
  await calm.stop();
  report.check(
    calm.outcomes.length > 0 && calm.outcomes.every(({ reason }) => !reason),
    `after the overload requests fail: ${failures(calm.outcomes)}`,
  );
}

function resident(mesh: ChaosMesh): Map<string, number> {
  const processes = (['dispatcher', 'inference'] as const).flatMap((kind) => mesh.processes(kind));
  return new Map(processes.map(({ name, pid }) => [name, residentBytes(pid)]));
}
