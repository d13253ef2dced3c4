import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EMBEDDED_FOLDER, EMBEDDED_MODEL } from '#deploy/local/embedded-model.js';
import { AdaptationSpec, JobState } from '#proto/zmesh/v1/adaptation.js';
import { type Run, RunSpec, type TrainerServiceService } from '#proto/zmesh/v1/trainer.js';
import { ZmeshError } from '#shared/errors.js';
import type { RpcClient } from '#shared/rpc/client.js';
import { examplesOf } from '../support/adaptation-mesh.js';

export type TrainerClient = RpcClient<TrainerServiceService>;

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

/** A training run of two steps and a search of two generations. */
export const SMALL_JOBS: readonly SmallJob[] = [
  {
    kind: 'run',
    start: async (trainer, requestId) => (await trainer.startRun({ requestId, spec: RUN })).run!.id,
    async outcome(trainer, id) {
      const { run } = await trainer.getRun({ id });
      return run && isOver(run.state) ? meaning(run) : undefined;
    },
  },
  {
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
  },
];

/** What came of a job, asked again through outages. Throws after `limitMs`. */
export async function untilOver(
  job: SmallJob,
  trainer: TrainerClient,
  id: string,
  limitMs: number,
): Promise<string> {
  const giveUp = performance.now() + limitMs;
  for (;;) {
    const outcome = await job.outcome(trainer, id).catch((error: unknown) => {
      if (ZmeshError.from(error).code !== 'UNAVAILABLE') throw error;
      return undefined;
    });
    if (outcome !== undefined) return outcome;
    if (performance.now() > giveUp) throw new Error(`the ${job.kind} ${id} was not over after ${limitMs} ms`);
    await sleep(100);
  }
}
