/**
 * `npm run soak`: mixed strategies, publishes and callers who leave, for a long time; `--help` tells its options. Shows memory
 * and open handles of each process, keeps a report under `<ZMESH_HOME>/reports/`, and exits with 1 if one grows by more than
 * 20 MB an hour after it is warm, gains handles, the time was too short to tell, or anything is not as it must be.
 */
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { random } from '../hostile/random.js';
import { argumentsOrExit } from '../support/arguments.js';
import { type ChaosMesh, KINDS, startChaosMesh } from './chaos-mesh.js';
import { startLeaving } from './leaving.js';
import { failures, startLoad } from './load.js';
import { longRun } from './long-run.js';
import { lostPublishes, startPublishing } from './publishing.js';
import { askUndisturbed } from './questions.js';
import { createMemorySeries, lookAt, SAMPLE_MS } from './soak-memory.js';
import { MEMORY_FOLDER, SNAPSHOT_FOLDER, SNAPSHOT_TIMES } from './soak-notes.js';
import { temporaryFolder } from './temporary-folder.js';

const { minutes, seed, snapshots } = argumentsOrExit({
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
    snapshots: {
      type: 'folder',
      help: 'a folder for two heap snapshots of each thread, to see what grew; writing them disturbs the measurement',
    },
  },
});
const CALLERS = 4;
/**
 * Inference fetches every version ahead that an alias is moved to, until its cache of experts is full: some 110 of these at the
 * least that the setting allows. So many come first; at their own pace they would take the whole time.
 */
const PUBLISHED = { ahead: 150, pauseMs: 10_000 };
/** When heap snapshots are taken, part of the time: two are compared. */
const SNAPSHOTS_AT = [0.4, 0.9];
const MIB = 2 ** 20;
/**
 * Small caches, so that they are full before memory is compared; small heaps that are collected often, young generations that do
 * not grow, and few arenas of glibc: what a collector or an allocator keeps because it has room is no leak.
 */
const BOUNDS = {
  NODE_OPTIONS: `--max-old-space-size=128 --max-semi-space-size=1 --import ${new URL('./soak-probe.js', import.meta.url).href}`,
  MALLOC_ARENA_MAX: '2',
  GOGC: '25',
  ZMESH_INFERENCE_KV_BYTES: String(64 * MIB),
  ZMESH_INFERENCE_PREFIX_BYTES: String(8 * MIB),
  ZMESH_INFERENCE_EXPERT_BYTES: String(MIB),
  ZMESH_INFERENCE_SPECTRUM_BYTES: String(4 * MIB),
  ZMESH_TRACE_MAX: '200',
};

/** Processes by name: those of the mesh and the runner. */
function processesOf(mesh: ChaosMesh): ReadonlyMap<string, number> {
  const services = KINDS.flatMap((kind) => mesh.processes(kind));
  return new Map([...services.map(({ name, pid }) => [name, pid] as const), ['runner', mesh.runner()]]);
}

await longRun('soak', async (run) => {
  const { report } = run;
  report.say(`${minutes} minutes, seed ${seed}`);
  const notes = await temporaryFolder(run);
  const times = SNAPSHOTS_AT.map((part) => Math.round(Date.now() + part * minutes * 60_000));
  const kept = snapshots && { [SNAPSHOT_FOLDER]: resolve(snapshots), [SNAPSHOT_TIMES]: times.join() };
  const mesh = await startChaosMesh(run, {
    replicas: 1,
    env: { ...BOUNDS, [MEMORY_FOLDER]: notes, ...kept },
  });
  const questions = await askUndisturbed(mesh.dispatcher);
  const load = startLoad({
    client: mesh.dispatcher,
    questions,
    random: random(seed, 'soak'),
    callers: CALLERS,
  });
  const publishing = await startPublishing(mesh.registry, PUBLISHED);
  const leaving = startLeaving(mesh.dispatcher, random(seed, 'leaving'));
  const series = createMemorySeries(lookAt(notes));
  const startMs = performance.now();
  const passedMs = (): number => performance.now() - startMs;
  for (let told = 0; passedMs() < minutes * 60_000; ) {
    await sleep(SAMPLE_MS);
    series.sample(processesOf(mesh), passedMs() / 3_600_000);
    if (Math.floor(passedMs() / 60_000) === told) continue;
    told = Math.floor(passedMs() / 60_000);
    report.say(`${told} of ${minutes} min, ${load.outcomes.length} answers: ${series.now()}`);
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
  series.judge(minutes / 60, report);
  return undefined;
});
