import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EMBEDDED_FOLDER, EMBEDDED_MODEL } from '#deploy/local/embedded-model.js';
import { AdaptationSpec, JobState } from '#proto/zmesh/v1/adaptation.js';
import { type Run, RunSpec } from '#proto/zmesh/v1/trainer.js';
import { ZmeshError } from '#shared/errors.js';
import { examplesOf } from '../support/adaptation-mesh.js';
import type { TrainerClient } from './chaos-mesh.js';

/** A small job of one kind: asked for under an id, it may be asked for again, and its end is the same in its meaning. */
export interface SmallJob {
  readonly kind: 'run' | 'adaptation';
  /** Asks for it; its id. */
  start(trainer: TrainerClient, requestId: string): Promise<string>;
  /** What came of it, without times; undefined while it is at work. */
  outcome(trainer: TrainerClient, id: string): Promise<string | undefined>;
}

const lines = (split: string, count: number): Uint8Array =>
  Buffer.from(
    readFileSync(join(EMBEDDED_FOLDER, 'tasks/arithmetic', `${split}.jsonl`), 'utf8')
      .split('\n')
      .slice(0, count)
      .join('\n'),
  );

const RUN = RunSpec.create({
  model: EMBEDDED_MODEL,
  expert: 'killed-run',
  task: {
    name: 'arithmetic',
    train: lines('train', 16),
    validation: lines('val', 8),
    test: lines('test', 20),
  },
  algorithm: 'sep-cma-es',
  settings: { steps: '2', prompts: '4', 'validate-every': '1', 'validation-items': '8' },
  gate: { itemsMin: undefined, others: [], harmMargin: undefined, skip: true },
});

const SEARCH = AdaptationSpec.fromPartial({
  model: EMBEDDED_MODEL,
  name: 'killed-search',
  examples: examplesOf('arithmetic', 4),
  settings: { population: 4, generations: 2, stage: 3 },
} as never);

const isOver = (state: JobState): boolean =>
  state === JobState.SUCCEEDED || state === JobState.FAILED || state === JobState.CANCELLED;

const meaning = ({ state, curve, expert, failure }: Run): string =>
  JSON.stringify([state, curve.map(({ seconds, rollouts, ...step }) => step), expert, failure?.message], big);
const big = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value);

/** A training run of two steps. */
const SMALL_RUN: SmallJob = {
  kind: 'run',
  start: async (trainer, requestId) => (await trainer.startRun({ requestId, spec: RUN })).run!.id,
  async outcome(trainer, id) {
    const { run } = await trainer.getRun({ id });
    return run && isOver(run.state) ? meaning(run) : undefined;
  },
};

/** A search of two generations. */
export const SMALL_SEARCH: SmallJob = {
  kind: 'adaptation',
  start: async (trainer, requestId) =>
    (await trainer.startSearch({ requestId, spec: SEARCH, timeoutS: 0 })).adaptation!.id,
  async outcome(trainer, id) {
    const { adaptation } = await trainer.getSearch({ id });
    if (!adaptation || !isOver(adaptation.state)) return undefined;
    const { state, result, failure } = adaptation;
    const candidates = result?.candidates.map(({ kind, expert, score }) => ({ kind, expert, score }));
    return JSON.stringify([state, result?.chosen, result?.arms, candidates, failure?.message], big);
  },
};

/** One of each kind. */
export const SMALL_JOBS: readonly SmallJob[] = [SMALL_RUN, SMALL_SEARCH];

/** What came of a job, asked again through outages. Throws after `limitMs`. */
export function untilOver(
  job: SmallJob,
  trainer: TrainerClient,
  id: string,
  limitMs: number,
): Promise<string> {
  return throughOutages(() => job.outcome(trainer, id), {
    limitMs,
    late: `the ${job.kind} ${id} was not over after ${limitMs} ms`,
  });
}

/** Asks for a job under an id, again through outages, as a client does. Throws after `limitMs`. */
export function startThroughOutages(
  job: SmallJob,
  trainer: TrainerClient,
  requestId: string,
  limitMs: number,
): Promise<string> {
  return throughOutages(() => job.start(trainer, requestId), {
    limitMs,
    late: `the ${job.kind} could not be started within ${limitMs} ms`,
  });
}

/** Asks until there is an answer; UNAVAILABLE is none. */
async function throughOutages<T>(
  ask: () => Promise<T | undefined>,
  { limitMs, late }: { readonly limitMs: number; readonly late: string },
): Promise<T> {
  const giveUp = performance.now() + limitMs;
  for (;;) {
    const answer = await ask().catch((error: unknown) => {
      if (ZmeshError.from(error).code !== 'UNAVAILABLE') throw error;
      return undefined;
    });
    if (answer !== undefined) return answer;
    if (performance.now() > giveUp) throw new Error(late);
    await sleep(100);
  }
}
