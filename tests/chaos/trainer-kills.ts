import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TrainerServiceService } from '#proto/zmesh/v1/trainer.js';
import { connect } from '#shared/rpc/client.js';
import type { Cleanup } from '../support/cleanup.js';
import { lastFirst } from '../support/cleanup.js';
import { withNats } from '../support/nats.js';
import type { ChaosMesh } from './chaos-mesh.js';
import type { Report } from './report.js';
import { SMALL_JOBS, type SmallJob, startThroughOutages, untilOver } from './trainer-jobs.js';
import { enumerateWrites, type JobWrite, TRAINER_WRITES } from './trainer-writes.js';

/** What the kills of trainers need. */
export interface TrainerKillOptions {
  readonly mesh: ChaosMesh;
  readonly report: Report;
  /** How many publications of each kind a trainer is killed at, spread evenly from the first to the last. */
  readonly rounds: number;
  /** Folder for files of a moment. */
  readonly folder: string;
}

const PRELOAD = new URL('../support/kill-at-write.js', import.meta.url).href;
const MOMENTS = ['before', 'after'] as const;
type Moment = (typeof MOMENTS)[number];
/** A lease and the queue's patience, and the job itself. */
const OVER_LIMIT_MS = 180_000;
const DEATH_LIMIT_MS = 120_000;
const AT_ONCE = 4;
const REQUEST_ID = 'the-same';
/** How often it is told how far the kills are. */
const TOLD_EVERY = 20;

/**
 * Kills a trainer with SIGKILL before and after what a run and a search keep in NATS, every kind of it, each in a NATS of its
 * own; the next trainer, asked for the same job again, must bring it to the end that an undisturbed one has.
 */
export async function killTrainers({ mesh, report, rounds, folder }: TrainerKillOptions): Promise<void> {
  for (const job of SMALL_JOBS) {
    const file = join(folder, `writes-${job.kind}.txt`);
    const calm = await undisturbed(mesh, job, file);
    const { writes, unknown } = enumerateWrites(readFileSync(file, 'utf8').trim().split('\n'));
    report.say(`a ${job.kind} keeps ${writes.length} things in NATS:`);
    for (const { write, number } of writes) report.say(`  ${write.what} (${number})`);
    for (const subject of new Set(unknown))
      report.fault(`a ${job.kind} publishes to ${subject}, which no list has`);
    const kills = spread(writes, rounds).flatMap((write) => MOMENTS.map((moment) => ({ write, moment })));
    const all = kills.length;
    const notReached: string[] = [];
    let done = 0;
    const worker = async (): Promise<void> => {
      for (let kill = kills.shift(); kill; kill = kills.shift()) {
        const what = `${job.kind}, ${kill.moment} ${kill.write.write.what} (${kill.write.number})`;
        const outcome = await killAt(mesh, job, kill).catch((error: Error) => error.message);
        if (outcome === undefined) notReached.push(what);
        else report.check(outcome === calm, `${what}: ${outcome} instead of ${calm}`);
        done += 1;
        if (done % TOLD_EVERY === 0) report.say(`  ${done} of ${all} trainers killed`);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    for (const what of notReached) report.fault(`never reached: ${what}`);
    report.say(
      `${all} trainers killed at these, before and after: ${all - notReached.length} jobs were brought to their end by the next one`,
    );
  }
}

/** Of each kind of write at most `most`, from the first to the last. */
function spread(writes: readonly JobWrite[], most: number): readonly JobWrite[] {
  return TRAINER_WRITES.flatMap((kind) => {
    const own = writes.filter(({ write }) => write === kind);
    const count = Math.min(most, own.length);
    const places = Array.from({ length: count }, (_, i) =>
      count === 1 ? own.length - 1 : Math.round((i * (own.length - 1)) / (count - 1)),
    );
    return places.map((place) => own[place]!);
  });
}

/** The outcome of a job that nobody disturbs; the subjects of all it published go to `file`. */
function undisturbed(mesh: ChaosMesh, job: SmallJob, file: string): Promise<string> {
  return alone(async (t) => {
    const nats = await withNats(t);
    const { address } = await startTrainer(mesh, nats.url, { ZMESH_TEST_WRITES: file });
    const trainer = trainerAt(t, address);
    const id = await startThroughOutages(job, trainer, REQUEST_ID, OVER_LIMIT_MS);
    const outcome = await untilOver(job, trainer, id, OVER_LIMIT_MS);
    // The job leaves the queue after its end is told.
    await sleep(500);
    return outcome;
  });
}

/** The outcome of a job whose first trainer was killed; undefined if that did not come to the write. */
function killAt(
  mesh: ChaosMesh,
  job: SmallJob,
  { write: { write, number }, moment }: { readonly write: JobWrite; readonly moment: Moment },
): Promise<string | undefined> {
  return alone(async (t) => {
    const nats = await withNats(t);
    const victim = await startTrainer(mesh, nats.url, {
      ZMESH_TEST_KILL_WRITE: `^${write.subject}`,
      ZMESH_TEST_KILL_NUMBER: String(number),
      ZMESH_TEST_KILL_MOMENT: moment,
    });
    // It may die under the very call, and is asked no more when its client is closed.
    void startThroughOutages(job, trainerAt(t, victim.address), REQUEST_ID, DEATH_LIMIT_MS).catch(() => {});
    if (!(await isGone(victim.pid))) {
      process.kill(victim.pid, 'SIGKILL');
      return undefined;
    }
    const successor = await startTrainer(mesh, nats.url);
    const trainer = trainerAt(t, successor.address);
    const id = await startThroughOutages(job, trainer, REQUEST_ID, OVER_LIMIT_MS);
    const outcome = await untilOver(job, trainer, id, OVER_LIMIT_MS);
    process.kill(successor.pid, 'SIGTERM');
    return outcome;
  });
}

const startTrainer = (mesh: ChaosMesh, natsUrl: string, env: Readonly<Record<string, string>> = {}) =>
  mesh.start('trainer', {
    ZMESH_NATS_URL: natsUrl,
    ZMESH_INFERENCE_ADDRESS: mesh.processes('inference')[0]!.address,
    ...(Object.keys(env).length > 0 && { NODE_OPTIONS: `--import ${PRELOAD}` }),
    ...env,
  });

function trainerAt(t: Cleanup, address: string) {
  const client = connect(TrainerServiceService, { address, unavailable: 'TRAINER_UNAVAILABLE' });
  t.after(() => client.close());
  return client;
}

async function isGone(pid: number): Promise<boolean> {
  const giveUp = performance.now() + DEATH_LIMIT_MS;
  while (performance.now() < giveUp) {
    try {
      process.kill(pid, 0);
    } catch {
      return true;
    }
    await sleep(50);
  }
  return false;
}

/** Does `work` and then what it registered, the last first. */
async function alone<T>(work: (t: Cleanup) => Promise<T>): Promise<T> {
  let cleanUp = async (): Promise<void> => {};
  const t = lastFirst({
    after: (fn) => {
      cleanUp = fn;
    },
  });
  try {
    return await work(t);
  } finally {
    await cleanUp();
  }
}
