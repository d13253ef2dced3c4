import { type Context, context, propagation, ROOT_CONTEXT } from '@opentelemetry/api';
import { JobState } from '#proto/zmesh/v1/adaptation.js';
import { type JobRecord, JobWish } from '#proto/zmesh/v1/jobs.js';
import { sleep } from '#shared/deadline.js';
import { type Reason, ZmeshError } from '#shared/errors.js';
import type { Logger } from '#shared/log.js';
import { monotonicMs } from '#shared/telemetry/clock.js';
import { SPAN } from '#shared/telemetry/semconv.js';
import { recordSpan, withSpan } from '#shared/telemetry/spans.js';
import { msSince } from '#shared/timestamp.js';
import { ClaimLost, type ClaimParts, claimJob, type JobClaim, JobStopped } from './claim.js';
import { isOver, type JobKind, keyText, type StateChange } from './job.js';
import type { JobQueue, QueuedJob } from './queue-jetstream.js';
import { JobMoved, RENEW_MS } from './store.js';
import type { JobView } from './view.js';

/** One kind of job. */
export interface JobWork {
  /**
   * Works on a job until it is over and saved as such. Throws to give it up: an outage puts it back into the queue, anything
   * else makes it fail. `signal` aborts when the claim is lost, the job is cancelled, or the trainer stops.
   */
  work(claim: JobClaim, signal: AbortSignal): Promise<void>;
  /** What is saved when a job ends without having saved its end: failed, paused or cancelled. */
  readonly end: StateChange;
}

/** What a worker needs. */
export interface WorkerOptions extends ClaimParts {
  readonly queue: JobQueue;
  readonly view: JobView;
  readonly works: Readonly<Record<JobKind, JobWork>>;
  /** Jobs at once. */
  readonly jobsMax: number;
  readonly log: Logger;
}

/** Outages: the job waits for their end. */
const OUTAGES: ReadonlySet<Reason> = new Set([
  'INFERENCE_UNAVAILABLE',
  'REGISTRY_UNAVAILABLE',
  'TRAINER_UNAVAILABLE',
  'ENGINE_STOPPED',
  'DRAINING',
  'QUEUE_FULL',
  'REWARD_UNAVAILABLE',
  'FORMAT_NEWER',
]);
/** A job whose trainer still holds the lease is looked at again after so long. */
const HELD_MS = 2000;
/** After an outage; doubled with each further one before there was progress. */
const OUTAGE_MS = 2000;
const OUTAGE_MAX_MS = 30_000;

/** The trainer is shutting down: the job goes back to the queue at once. */
class TrainerStops extends Error {}

/** Works on jobs. */
export interface Worker {
  /** Jobs that it works on now. */
  readonly running: number;
  /** Puts what it works on back into the queue and waits for that. */
  stop(): Promise<void>;
}

/** Takes jobs from the queue until it is stopped. */
export function startWorker(options: WorkerOptions): Worker {
  const stopping = new AbortController();
  const running = new Set<Promise<void>>();
  const take = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      if (running.size >= options.jobsMax) {
        await Promise.race(running);
        continue;
      }
      const job = await options.queue.next(stopping.signal);
      if (!job) continue;
      const work = attend(job, options, stopping.signal).finally(() => running.delete(work));
      running.add(work);
    }
  };
  const taking = take();
  return {
    get running() {
      return running.size;
    },
    async stop() {
      stopping.abort(new TrainerStops('the trainer stops'));
      await taking;
      await Promise.all(running);
    },
  };
}

/** Deals with one message of the queue. Never throws. */
async function attend(queued: QueuedJob, options: WorkerOptions, stopping: AbortSignal): Promise<void> {
  const { store, log } = options;
  const { key } = queued;
  const about = log.child({ job: keyText(key) });
  try {
    const job = await store.read(key);
    if (!job || isOver(job.record.state) || job.record.state === JobState.PAUSED) {
      queued.done();
      return;
    }
    if ((await store.leaseHolder(key)) !== undefined) {
      queued.later(HELD_MS);
      return;
    }
    const claim = await claimJob(options, key, job);
    about.info({ attempt: claim.record.attempts }, 'job claimed');
    await workOn(claim, queued, options, stopping);
  } catch (error) {
    if (error instanceof JobMoved) {
      queued.later(HELD_MS);
      return;
    }
    about.warn({ err: error }, 'a job could not be taken up; it stays in the queue');
    queued.later(HELD_MS);
  }
}

/** Works on a claimed job, and deals with how that ends. */
async function workOn(
  claim: JobClaim,
  queued: QueuedJob,
  options: WorkerOptions,
  stopping: AbortSignal,
): Promise<void> {
  const { key } = claim;
  const ending = new AbortController();
  const signal = AbortSignal.any([ending.signal, stopping]);
  const kept = keepClaim(claim, queued, options, ending);
  try {
    const parent = propagation.extract(ROOT_CONTEXT, claim.record.trace);
    const attributes = { 'zmesh.job.id': key.id, 'zmesh.job.attempt': claim.record.attempts };
    recordQueueTime(claim.record, parent);
    await context.with(parent, () =>
      withSpan(`${key.kind} ${key.id.slice(0, 8)}`, { attributes }, () =>
        options.works[key.kind].work(claim, signal),
      ),
    );
    queued.done();
  } catch (thrown) {
    // The signal's reason says more than what the interrupted call made of it.
    await afterwards(signal.aborted ? signal.reason : thrown, claim, queued, options);
  } finally {
    await kept.stop();
    await options.store.releaseLease(key, options.trainer).catch(() => {});
  }
}

/** How long a job waited for its first trainer, as a span. Later attempts have been at work before. */
function recordQueueTime({ view, attempts }: JobRecord, parent: Context): void {
  const createdAt = view?.value.createdAt;
  if (attempts > 1 || !createdAt) return;
  const endMs = monotonicMs();
  recordSpan(SPAN.JOB_QUEUE, { parent, startMs: endMs - Math.max(0, msSince(createdAt)), endMs });
}

/** Renews lease and message, and watches for the wish to cancel; aborts `ending` when there is no use in going on. */
function keepClaim(
  claim: JobClaim,
  queued: QueuedJob,
  { store, trainer, view, log }: WorkerOptions,
  ending: AbortController,
): { stop(): Promise<void> } {
  const { key } = claim;
  const stop = new AbortController();
  const offView = view.subscribe(() => {
    const record = view.get(key)?.record;
    if (!record || record.attempts > claim.record.attempts) ending.abort(new ClaimLost(key));
    else if (record.wish === JobWish.CANCEL && !isOver(record.state))
      ending.abort(new JobStopped(record.wish));
  });
  const renew = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      queued.working();
      // While the store is away nobody else can claim it either.
      await store
        .renewLease(key, trainer)
        .catch((err: unknown) => log.warn({ err }, 'a lease was not renewed'));
      await sleep(RENEW_MS, stop.signal).catch(() => {});
    }
  };
  const renewing = renew();
  return {
    async stop() {
      stop.abort();
      offView();
      await renewing;
    },
  };
}

async function afterwards(
  thrown: unknown,
  claim: JobClaim,
  queued: QueuedJob,
  { works, log }: WorkerOptions,
): Promise<void> {
  const { key, record } = claim;
  const about = log.child({ job: keyText(key) });
  if (thrown instanceof ClaimLost) {
    about.warn('another trainer took the job up; what was not saved is dropped');
    return;
  }
  if (thrown instanceof TrainerStops) {
    queued.later(0);
    return;
  }
  if (thrown instanceof ZmeshError && OUTAGES.has(thrown.reason)) {
    const delayMs = Math.min(OUTAGE_MAX_MS, OUTAGE_MS * 2 ** Math.min(record.outages, 4));
    about.warn({ reason: thrown.reason, delayMs }, `the job waits: ${thrown.message}`);
    await tellWaiting(claim, thrown, works);
    queued.later(delayMs);
    return;
  }
  const end =
    thrown instanceof JobStopped
      ? { state: thrown.wish === JobWish.PAUSE ? JobState.PAUSED : JobState.CANCELLED }
      : { state: JobState.FAILED, error: ZmeshError.from(thrown) };
  if (end.error) about.error({ err: thrown }, 'the job failed');
  try {
    await claim.save({ ...works[key.kind].end(record, end), state: end.state });
    queued.done();
  } catch (error) {
    // A paused job keeps its wish until it is resumed: saving it says so again.
    if (error instanceof JobStopped) queued.done();
    else if (!(error instanceof ClaimLost)) queued.later(HELD_MS);
  }
}

/** Shows callers what the job waits for; where the store is away too, they are not told. */
async function tellWaiting(claim: JobClaim, error: ZmeshError, works: WorkerOptions['works']): Promise<void> {
  const state = JobState.QUEUED;
  const change = works[claim.key.kind].end(claim.record, { state, error });
  await claim.save({ ...change, state, outages: claim.record.outages + 1 }).catch(() => {});
}
