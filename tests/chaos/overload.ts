import { setTimeout as sleep } from 'node:timers/promises';
import { mebibytes } from '../hostile/memory.js';
import { random } from '../hostile/random.js';
import { cpuTimeMs } from '../support/cpu-time.js';
import { residentBytes } from '../support/resident-bytes.js';
import type { ChaosMesh } from './chaos-mesh.js';
import { failures, goodput, startArrivals, startLoad } from './load.js';
import { askUndisturbed, HEAVY, type Question } from './questions.js';
import type { Report } from './report.js';

/** Settings of the mesh that is overloaded: so few slots that an answer takes a second or two and not ten. */
export const OVERLOAD_SETTINGS = { ZMESH_INFERENCE_SLOTS: '16' };

/** What the overload needs. */
export interface OverloadOptions {
  readonly mesh: ChaosMesh;
  readonly seed: number;
  readonly report: Report;
  /** How long each capacity is measured and how long the overload lasts. */
  readonly measureMs: number;
  readonly overloadMs: number;
}

/** Callers with which the peak is looked for. */
const CALLERS = [2, 4] as const;
const TIMES = 10;
const GOODPUT_MIN = 0.9;
/** Deadline of a request under overload: some times what one takes at the peak. */
const TIMEOUT_MS = 20_000;
/** Resident bytes that a process may gain while it is overloaded. */
const GROWTH_BYTES_MAX = 96 * 2 ** 20;

/** Looks for the peak of answers a second, then asks for ten times as many, then for the peak once more. */
export async function overload(options: OverloadOptions): Promise<void> {
  const { mesh, seed, report, overloadMs } = options;
  const client = mesh.dispatcher;
  const questions = await askUndisturbed(client, HEAVY);
  let best = { callers: 0, rate: 0 };
  for (const callers of CALLERS) {
    const rate = await peakOf({ ...options, questions, callers });
    if (rate > best.rate) best = { callers, rate };
  }

  const perSecond = best.rate * TIMES;
  const asked = { client, questions, timeoutMs: TIMEOUT_MS };
  const load = startArrivals({ ...asked, random: random(seed, 'overload'), perSecond });
  await sleep(overloadMs / 4);
  const before = usage(mesh);
  const fromMs = performance.now();
  await sleep(overloadMs);
  const untilMs = performance.now();
  const after = usage(mesh);
  await load.stop();
  const rate = goodput(load.outcomes, fromMs, untilMs);
  const inside = load.outcomes.filter(({ endMs }) => endMs >= fromMs && endMs < untilMs);
  report.say(
    `${perSecond.toFixed(0)} requests a second, ${TIMES} x the peak: ${rate.toFixed(1)} answers a second; not answered: ${failures(inside)}`,
  );
  for (const wrong of load.wrong) report.fault(`overload: wrong answer: ${wrong}`);
  for (const [name, { bytes, cpuMs }] of after) {
    const began = before.get(name)!;
    const grown = bytes - began.bytes;
    const share = (cpuMs - began.cpuMs) / (untilMs - fromMs);
    const each = (cpuMs - began.cpuMs) / inside.length;
    report.say(
      `${name}: ${mebibytes(bytes)} MiB, ${mebibytes(grown)} more than when it began; ${share.toFixed(2)} cores, ${each.toFixed(2)} ms for each request`,
    );
    report.check(grown <= GROWTH_BYTES_MAX, `${name} grew by ${mebibytes(grown)} MiB under overload`);
  }

  // Other work on the machine comes and goes: the peak is what it was before and after.
  const again = await peakOf({ ...options, questions, callers: best.callers });
  const peak = (best.rate + again) / 2;
  const share = ((rate / peak) * 100).toFixed(0);
  report.say(`goodput under overload: ${share} % of the peak of ${peak.toFixed(1)} answers a second`);
  report.check(rate / peak >= GOODPUT_MIN, `goodput under overload is ${share} % of the peak`);
}

/** Answers a second with so many callers who wait for each other; a fault if any fails. */
async function peakOf({
  mesh,
  questions,
  seed,
  report,
  callers,
  measureMs,
}: OverloadOptions & { readonly questions: readonly Question[]; readonly callers: number }): Promise<number> {
  const client = mesh.dispatcher;
  const load = startLoad({ client, questions, random: random(seed, 'peak', callers), callers });
  await sleep(measureMs / 2);
  const fromMs = performance.now();
  await sleep(measureMs);
  const rate = goodput(load.outcomes, fromMs, performance.now());
  await load.stop();
  report.say(`${callers} callers: ${rate.toFixed(1)} answers a second`);
  for (const wrong of load.wrong) report.fault(`wrong answer: ${wrong}`);
  report.check(
    load.outcomes.every(({ reason }) => !reason),
    `${callers} callers, and some fail: ${failures(load.outcomes)}`,
  );
  return rate;
}

/** Memory and processor time of each process so far. */
function usage(mesh: ChaosMesh): Map<string, { readonly bytes: number; readonly cpuMs: number }> {
  const processes = (['dispatcher', 'inference'] as const).flatMap((kind) => mesh.processes(kind));
  return new Map(
    processes.map(({ name, pid }) => [name, { bytes: residentBytes(pid), cpuMs: cpuTimeMs(pid) }]),
  );
}
