/**
 * `npm run soak`: mixed strategies, publishes and callers who leave, for a long time; `--help` tells its options. Shows memory
 * and open handles of each process, keeps a report under `<ZMESH_HOME>/reports/`, and exits with 1 if one grows by more than
 * 20 MB an hour after it is warm, gains handles, the time was too short to tell, or anything is not as it must be.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { random } from '../hostile/random.js';
import { argumentsOrExit } from '../support/arguments.js';
import { openHandles } from '../support/open-handles.js';
import { residentBytes } from '../support/resident-bytes.js';
import { type ChaosMesh, KINDS, startChaosMesh } from './chaos-mesh.js';
import { startLeaving } from './leaving.js';
import { failures, startLoad } from './load.js';
import { longRun } from './long-run.js';
import { lostPublishes, startPublishing } from './publishing.js';
import { askUndisturbed } from './questions.js';
import type { Report } from './report.js';
import { floors, type Sample, slopePerHour } from './slope.js';

const { minutes, seed } = argumentsOrExit({
  command: 'npm run soak',
  about:
    'Mixed strategies, publishes and callers who leave, for a long time; memory and handles must not grow. Keeps a report under\n' +
    '<ZMESH_HOME>/reports/. Exit status: 0 no faults, 1 faults or too short to tell, 2 wrong arguments, 130 Ctrl-C, 143 SIGTERM.',
  options: {
    minutes: {
      type: 'number',
      default: 20,
      min: 0.1,
      max: 10_000,
      fractions: true,
      help: 'how long; under 2 it cannot tell whether memory grows',
    },
    seed: {
      type: 'number',
      default: 1,
      min: 0,
      max: 2 ** 32 - 1,
      help: 'the same seed makes the same choices',
    },
  },
});
const GROWTH_MB_MAX = 20;
const HANDLES_MAX = 10;
const CALLERS = 4;
const SAMPLE_MS = 5000;
/** Samples whose lowest counts as one: half a minute. */
const STRETCH = 6;
/** Part of the time after which a process counts as warm. */
const WARM = 0.4;
const PUBLISH_PAUSE_MS = 10_000;
const MB = 1e6;
/**
 * Small caches, so that they are full before memory is compared; small heaps that are collected often, and few arenas of glibc:
 * what a collector or an allocator keeps because it has room is no leak.
 */
const CACHES = {
  NODE_OPTIONS: `--max-old-space-size=128 --import ${new URL('./collect-often.js', import.meta.url).href}`,
  MALLOC_ARENA_MAX: '2',
  ZMESH_INFERENCE_KV_BYTES: String(64 * 2 ** 20),
  ZMESH_INFERENCE_PREFIX_BYTES: String(8 * 2 ** 20),
  ZMESH_INFERENCE_EXPERT_BYTES: String(4 * 2 ** 20),
  ZMESH_INFERENCE_SPECTRUM_BYTES: String(4 * 2 ** 20),
};

interface Series {
  readonly memory: Sample[];
  readonly handles: Sample[];
}

function sample(mesh: ChaosMesh, series: Map<string, Series>, hours: number): void {
  for (const { name, pid } of KINDS.flatMap((kind) => mesh.processes(kind))) {
    if (!series.has(name)) series.set(name, { memory: [], handles: [] });
    series.get(name)!.memory.push({ hours, value: residentBytes(pid) / MB });
    series.get(name)!.handles.push({ hours, value: openHandles(pid) });
  }
}

/** Checks that no process grew after it was warm. */
function judgeGrowth(series: ReadonlyMap<string, Series>, report: Report): void {
  for (const [name, { memory, handles }] of series) {
    const isWarm = ({ hours }: Sample): boolean => hours >= (WARM * minutes) / 60;
    const warm = memory.filter(isWarm);
    const slope = slopePerHour(floors(warm, STRETCH));
    const [first, last] = [handles.find(isWarm)?.value, handles.at(-1)?.value];
    if (slope === undefined || first === undefined || last === undefined) {
      const needed = `${2 * STRETCH} samples, ${SAMPLE_MS / 1000} s each, after the first ${WARM} of the time`;
      report.fault(`${name}: too short to tell whether it grows: ${warm.length} of ${needed}`);
      continue;
    }
    report.say(
      `${name}: ${Math.round(warm[0]!.value)} MB warm, ${Math.round(warm.at(-1)!.value)} MB in the end, ` +
        `slope ${slope.toFixed(1)} MB an hour; handles ${first}, in the end ${last}`,
    );
    report.check(
      slope <= GROWTH_MB_MAX,
      `${name} grows by ${slope.toFixed(1)} MB an hour, at most ${GROWTH_MB_MAX}`,
    );
    report.check(last - first <= HANDLES_MAX, `${name} gained ${last - first} handles`);
  }
}

await longRun('soak', async (run) => {
  const { report } = run;
  report.say(`${minutes} minutes, seed ${seed}`);
  const mesh = await startChaosMesh(run, { replicas: 1, env: CACHES });
  const questions = await askUndisturbed(mesh.dispatcher);
  const load = startLoad({
    client: mesh.dispatcher,
    questions,
    random: random(seed, 'soak'),
    callers: CALLERS,
  });
  const publishing = await startPublishing(mesh.registry, PUBLISH_PAUSE_MS);
  const leaving = startLeaving(mesh.dispatcher, random(seed, 'leaving'));
  const series = new Map<string, Series>();
  const startMs = performance.now();
  const passedMs = (): number => performance.now() - startMs;
  for (let told = 0; passedMs() < minutes * 60_000; ) {
    await sleep(SAMPLE_MS);
    sample(mesh, series, passedMs() / 3_600_000);
    if (Math.floor(passedMs() / 60_000) === told) continue;
    told = Math.floor(passedMs() / 60_000);
    const now = [...series].map(
      ([name, { memory, handles }]) =>
        `${name} ${Math.round(memory.at(-1)!.value)} MB ${handles.at(-1)!.value} handles`,
    );
    report.say(`${told} of ${minutes} min, ${load.outcomes.length} answers: ${now.join(', ')}`);
  }
  await Promise.all([load.stop(), publishing.stop(), leaving.stop()]);
  const failed = load.outcomes.filter(({ reason }) => reason !== undefined);
  report.say(
    `${load.outcomes.length} requests, ${failed.length} failed (${failures(failed)}), ${leaving.left()} left early, ` +
      `${publishing.acknowledged.size} published, ${publishing.refusals.length} refused`,
  );
  for (const wrong of load.wrong) report.fault(`wrong answer: ${wrong}`);
  const broken = [...publishing.refusals, ...leaving.failed];
  report.check(failed.length + broken.length === 0, `requests or publishes failed: ${broken.join(', ')}`);
  for (const fault of await lostPublishes(mesh.registry, publishing.acknowledged)) report.fault(fault);
  judgeGrowth(series, report);
  return undefined;
});
