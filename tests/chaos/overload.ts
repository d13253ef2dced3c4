import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from '#shared/telemetry/clock.js';
import { mebibytes } from '../hostile/memory.js';
import type { Cleanup } from '../support/cleanup.js';
import { cpuTimeMs } from '../support/cpu-time.js';
import { residentBytes } from '../support/resident-bytes.js';
import type { ChaosMesh } from './chaos-mesh.js';
import { type Counts, type Generator, startGenerator } from './generator-process.js';
import { pin } from './pin.js';
import { askUndisturbed, HEAVY, MEDIUM, SHORT, type Size } from './questions.js';
import type { Report } from './report.js';

/** Settings of the mesh that is overloaded: so few slots that heavy answers take a second or two and not ten. */
export const OVERLOAD_SETTINGS = { ZMESH_INFERENCE_SLOTS: '16' };

/** What the overload needs. */
export interface OverloadOptions {
  readonly mesh: ChaosMesh;
  readonly seed: number;
  readonly report: Report;
  /** How long each figure is measured. */
  readonly measureMs: number;
}

/** A load: what is asked, by how many callers its peak is looked for, and how long each of them waits. */
interface Load {
  readonly name: string;
  readonly size: Size;
  readonly callers: readonly number[];
  readonly timeoutMs: number;
  /** False where asking alone takes the cores: what is seen is told and not judged. */
  readonly judged: boolean;
}

const LOADS: readonly Load[] = [
  { name: '8 answers of 400 tokens', size: HEAVY, callers: [2, 4], timeoutMs: 20_000, judged: true },
  { name: 'answers of 64 tokens', size: MEDIUM, callers: [16, 32], timeoutMs: 5000, judged: true },
  { name: 'answers of one token', size: SHORT, callers: [16, 32], timeoutMs: 2000, judged: false },
];
const TIMES = 10;
const GOODPUT_MIN = 0.9;
/** Part of the overload that was really offered, or it shows nothing. */
const OFFERED_MIN = 0.9;
/** Resident bytes that a process may gain while it is overloaded. */
const GROWTH_BYTES_MAX = 96 * 2 ** 20;
/** Part of the time of a figure that passes before it. */
const SETTLE = 0.7;

type Ask = Pick<Parameters<Generator['ask']>[0], 'callers' | 'perSecond'>;

/**
 * Inference has one core and the dispatcher another, with the generator beside it, as on machines of their own: what refusing
 * costs must not be what computing lacks only because a test has few cores. For each load: looks for the peak of answers a second, asks for ten times as many whatever is answered, then lets ten times as
 * many callers as the peak needs ask, who heed retry-after; and looks for the peak again, since other work comes and goes.
 */
export async function overload(t: Cleanup, options: OverloadOptions): Promise<void> {
  const generator = startGenerator(t);
  const at = (kind: 'inference' | 'dispatcher', core: number): boolean[] =>
    options.mesh.processes(kind).map(({ pid }) => pin(pid, core));
  const pinned = [...at('inference', 0), ...at('dispatcher', 1), pin(generator.pid, 1)].every(Boolean);
  options.report.say(
    pinned
      ? 'inference on core 0; the dispatcher on core 1, with the generator at nice 10'
      : 'processes are on any core: no taskset here, or no second core',
  );
  for (const load of LOADS) await overloadWith(load, generator, options);
}

async function overloadWith(load: Load, generator: Generator, options: OverloadOptions): Promise<void> {
  const { mesh, report, seed } = options;
  const questions = await askUndisturbed(mesh.dispatcher, load.size);
  const { address } = mesh.processes('dispatcher')[0]!;
  const run = async (how: Ask): Promise<Figures> => {
    generator.ask({ address, seed, timeoutMs: load.timeoutMs, ...how }, questions);
    return figures(generator, options);
  };
  report.say(`${load.name}, deadline ${load.timeoutMs / 1000} s, ${questions.length} questions`);
  const peakOf = async (callers: number): Promise<number> => {
    const { counts, perSecond, use } = await run({ callers });
    report.say(`  ${callers} callers: ${perSecond.toFixed(1)} answers a second; ${told(use)}`);
    report.check(
      Object.keys(counts.failed).length === 0,
      `${callers} callers, and some fail: ${failures(counts)}`,
    );
    return perSecond;
  };
  let best = { callers: 0, rate: 0 };
  for (const callers of load.callers) {
    const rate = await peakOf(callers);
    if (rate > best.rate) best = { callers, rate };
  }
  const rude = await run({ perSecond: best.rate * TIMES });
  const patient = await run({ callers: best.callers * TIMES });
  const again = await peakOf(best.callers);
  const peak = (best.rate + again) / 2;
  const offered = (rude.counts.asked / rude.seconds / (best.rate * TIMES)) * 100;
  report.say(
    `  ${TIMES} x the peak, heeding nothing (${offered.toFixed(0)} % of it offered): ${saidOf(rude, peak)}`,
  );
  report.say(`  ${TIMES} x the callers, heeding retry-after: ${saidOf(patient, peak)}`);
  if (!load.judged) return;
  report.check(
    offered >= OFFERED_MIN * 100,
    `${load.name}: only ${offered.toFixed(0)} % of the overload was offered`,
  );
  for (const [name, { perSecond, use, counts }] of [
    ['heeding nothing', rude],
    ['heeding retry-after', patient],
  ] as const) {
    const share = perSecond / peak;
    report.check(
      share >= GOODPUT_MIN,
      `${load.name}, ${name}: goodput is ${(share * 100).toFixed(0)} % of the peak`,
    );
    report.check(
      counts.told === (counts.failed.QUEUE_FULL ?? 0),
      `${load.name}, ${name}: refusals without retry-after`,
    );
    for (const { process, grownBytes } of use)
      report.check(
        grownBytes <= GROWTH_BYTES_MAX,
        `${load.name}, ${name}: ${process} grew by ${mebibytes(grownBytes)} MiB`,
      );
  }
}

/** What one process took while a figure was measured. */
interface Use {
  readonly process: string;
  readonly cores: number;
  readonly bytes: number;
  readonly grownBytes: number;
}

interface Figures {
  readonly counts: Counts;
  readonly seconds: number;
  /** Answers a second. */
  readonly perSecond: number;
  readonly use: readonly Use[];
}

/** Measures what was begun, and stops it. */
async function figures(generator: Generator, { mesh, measureMs, report }: OverloadOptions): Promise<Figures> {
  await sleep(measureMs * SETTLE);
  const before = usage(mesh, generator);
  const fromMs = monotonicMs();
  await sleep(measureMs);
  const untilMs = monotonicMs();
  const after = usage(mesh, generator);
  const seconds = (untilMs - fromMs) / 1000;
  for (const wrong of await generator.stop()) report.fault(`wrong answer: ${wrong}`);
  const counts = await generator.count(fromMs, untilMs);
  const use = [...after].map(([process, { bytes, cpuMs }]): Use => {
    const began = before.get(process)!;
    return { process, cores: (cpuMs - began.cpuMs) / seconds / 1000, bytes, grownBytes: bytes - began.bytes };
  });
  return { counts, seconds, perSecond: counts.answered / seconds, use };
}

function usage(
  mesh: ChaosMesh,
  { pid }: Generator,
): Map<string, { readonly bytes: number; readonly cpuMs: number }> {
  const processes = (['dispatcher', 'inference'] as const).flatMap((kind) => mesh.processes(kind));
  return new Map(
    [...processes, { name: 'generator', pid }].map((one) => [
      one.name,
      { bytes: residentBytes(one.pid), cpuMs: cpuTimeMs(one.pid) },
    ]),
  );
}

function told(use: readonly Use[]): string {
  const each = use.map(
    ({ process, cores, bytes, grownBytes }) =>
      `${process} ${cores.toFixed(2)} cores ${mebibytes(bytes)} MiB (${grownBytes < 0 ? '' : '+'}${mebibytes(grownBytes)})`,
  );
  return `${each.join(', ')}, of ${availableParallelism()} cores`;
}

function saidOf({ counts, perSecond, seconds, use }: Figures, peak: number): string {
  const share = ((perSecond / peak) * 100).toFixed(0);
  return (
    `${perSecond.toFixed(1)} answers a second, ${share} % of the peak of ${peak.toFixed(1)}; ${(counts.asked / seconds).toFixed(0)} asked ` +
    `a second, not answered: ${failures(counts)}, a refusal after ${counts.refusalMs.toFixed(1)} ms; ${told(use)}`
  );
}

function failures({ failed }: Counts): string {
  return (
    Object.entries(failed)
      .map(([reason, count]) => `${count} ${reason}`)
      .join(', ') || 'none'
  );
}
