import { closeSync, openSync, writeSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { PreparedModel } from '#services/inference/model/prepared.js';
import { denseFile } from '#services/inference/model/prepared-files.js';
import { openComposer } from '#services/inference/runtime/compose-onnx.js';
import { createOnnxRuntime } from '#services/inference/runtime/onnx-runtime.js';
import {
  afterGeneration,
  beginCem,
  type CemSettings,
  type CemState,
  candidatesOf,
  type Fitness,
} from '#services/trainer/search/cem.js';
import { ScoreTable } from '#services/trainer/search/scores.js';
import {
  afterWave,
  beginSearch,
  candidateMixture,
  isSettled,
  type SearchPlan,
  type SearchState,
  type Stage,
  waveOf,
} from '#services/trainer/search/search.js';
import { type Alpha, alphaKey } from '#services/trainer/search/space.js';
import { type SearchTrials, scoreWave } from '#services/trainer/search/wave.js';
import { openSafetensors } from '#shared/safetensors/read-file.js';
import { writeDenseFolder } from './dense-folder.js';
import { type LocalEngine, openLocalEngine } from './local-engine.js';
import type { EncodedQuestion, SearchTask } from './search-task.js';

/** Prompt tokens a step: the service's default. */
export const STEP_TOKENS = 256;
/** Keys and values of the official side: ten questions. */
const DENSE_KV_BYTES = 24 << 20;

/** What an answer was worth. */
export interface Outcome {
  readonly right: boolean;
  readonly ids: readonly number[];
}

/** A mixture's answers on zmesh's engine, its spectrum sent when it is first asked for. */
export class MixtureAnswers {
  readonly #task: SearchTask;
  readonly engine: LocalEngine;
  readonly #resident = new Set<string>();
  generated = 0;

  constructor(task: SearchTask, engine: LocalEngine) {
    this.#task = task;
    this.engine = engine;
  }

  /** Name of a candidate's resident spectrum. */
  mixture(alpha: Alpha): string {
    const key = alphaKey(alpha);
    if (!this.#resident.has(key)) {
      this.#resident.add(key);
      this.engine.addSpectrum(key, this.#task.spectrumOf(candidateMixture(this.#task.space, alpha)));
    }
    return key;
  }

  async answer(alpha: Alpha, { prompt, maxTokens }: EncodedQuestion) {
    const { endIds } = this.#task;
    const asked = { prompt, mixture: this.mixture(alpha), maxTokens, endIds };
    const answer = await this.engine.answer(asked);
    this.generated += answer.ids.length;
    return answer;
  }

  async outcome(alpha: Alpha, question: EncodedQuestion): Promise<Outcome> {
    const { ids, whole } = await this.answer(alpha, question);
    return { right: await this.#task.isRight(question, ids, whole), ids };
  }
}

/** The same work as the official side: every candidate on every shot, nothing shared. */
export async function plainOutcomes(
  answers: MixtureAnswers,
  task: SearchTask,
  candidates: readonly Alpha[],
): Promise<Outcome[][]> {
  return Promise.all(
    candidates.map((alpha) => Promise.all(task.shots.map((shot) => answers.outcome(alpha, shot)))),
  );
}

/** A search of the product's own: its waves, its table, its stage, its end; generation by generation, on all shots. */
export class SharingSearch {
  readonly table: ScoreTable;
  readonly #plan: SearchPlan;
  readonly #trials: SearchTrials;
  #state: SearchState = { ...beginSearch(), fixed: true };

  constructor(task: SearchTask, answers: MixtureAnswers, settings: CemSettings, stage: Stage) {
    const examples = task.shots.length;
    this.table = new ScoreTable(examples);
    this.#plan = {
      space: task.space,
      cem: settings,
      stage,
      deploy: 'best',
      examples,
      folds: 0,
      tokenBudget: 0,
    };
    this.#trials = localTrials(task, answers);
  }

  get state(): CemState {
    return this.#state.searches[0] ?? beginCem(this.#plan.space);
  }

  get over(): boolean {
    return isSettled(this.#plan, this.state);
  }

  get candidates(): readonly Alpha[] {
    return candidatesOf(this.#plan.space, this.#plan.cem, this.state).map(({ alpha }) => alpha);
  }

  /** The next generation; nothing where the search is over. */
  async generation(signal: AbortSignal): Promise<void> {
    if (this.over) return;
    const step = { kind: 'generation', search: 0 } as const;
    const parts = { table: this.table, trials: this.#trials, signal };
    const cost = await scoreWave(this.#plan, waveOf(this.#plan, this.#state, step), parts);
    this.#state = afterWave(this.#plan, this.#state, { step, table: this.table, cost });
  }
}

/** The next generation's state from outcomes. */
export function advance(
  task: SearchTask,
  settings: CemSettings,
  state: CemState,
  outcomes: readonly (readonly Outcome[])[],
): CemState {
  const scored = candidatesOf(task.space, settings, state).map((candidate, i) => ({
    ...candidate,
    fitness: fitnessOf(outcomes[i]!),
  }));
  return afterGeneration(settings, state, scored);
}

const fitnessOf = (all: readonly Outcome[]): Fitness => ({
  score: all.filter(({ right }) => right).length / all.length,
  logLikelihood: undefined,
});

function localTrials(task: SearchTask, answers: MixtureAnswers): SearchTrials {
  const resident = new Set<string>();
  const known = (mixture: Parameters<SearchTrials['answer']>[1]): string => {
    const key = JSON.stringify(mixture);
    if (!resident.has(key)) {
      resident.add(key);
      answers.engine.addSpectrum(key, task.spectrumOf(mixture));
    }
    return key;
  };
  const texts = new Map<string, { readonly ids: readonly number[]; readonly whole: boolean }>();
  return {
    async answer(example, mixture) {
      const { prompt, maxTokens } = task.shots[example]!;
      const asked = { prompt, mixture: known(mixture), maxTokens, endIds: task.endIds };
      const { ids, whole } = await answers.engine.answer(asked);
      answers.generated += ids.length;
      const text = ids.join(' ');
      texts.set(text, { ids, whole });
      return { text: whole ? text : undefined, tokens: ids.length };
    },
    async likelihood(example, mixture) {
      const { prompt, reference } = task.shots[example]!;
      const all = await answers.engine.score({ prompt, mixture: known(mixture), of: reference });
      return all / reference.length;
    },
    async verify(example, text) {
      const { ids, whole } = texts.get(text)!;
      return task.isRight(task.shots[example]!, ids, whole);
    },
    async all(jobs, signal, run) {
      await Promise.all(jobs.map((job) => run(job, signal)));
    },
  };
}

/** Milliseconds of the official side's parts. */
export interface OfficialTimes {
  composeMs: number;
  loadMs: number;
  answerMs: number;
}

/**
 * The published code's way on the same engine: each candidate's dense weights by ONNX Runtime's GEMM, written into the weight
 * file, a session opened on it, all shots answered, `atOnce` at a time.
 */
export class OfficialSide {
  readonly #task: SearchTask;
  readonly #folder: string;
  readonly #dense: PreparedModel;
  readonly #composer: Awaited<ReturnType<typeof openComposer>>;
  readonly #places: ReadonlyMap<string, number>;
  readonly #file: number;
  readonly #threads: number;
  readonly times: OfficialTimes = { composeMs: 0, loadMs: 0, answerMs: 0 };
  atOnce = 1;

  private constructor(parts: {
    readonly task: SearchTask;
    readonly folder: string;
    readonly dense: PreparedModel;
    readonly composer: Awaited<ReturnType<typeof openComposer>>;
    readonly places: ReadonlyMap<string, number>;
    readonly threads: number;
  }) {
    this.#task = parts.task;
    this.#folder = parts.folder;
    this.#dense = parts.dense;
    this.#composer = parts.composer;
    this.#places = parts.places;
    this.#threads = parts.threads;
    this.#file = openSync(denseFile(parts.folder), 'r+');
  }

  static async open(options: {
    readonly task: SearchTask;
    readonly checkpoint: string;
    /** Folder of the prepared model. */
    readonly prepared: string;
    readonly model: PreparedModel;
    readonly scratch: string;
    readonly threads: number;
  }): Promise<OfficialSide> {
    const { task, checkpoint, prepared, model, scratch, threads } = options;
    const folder = join(scratch, 'dense');
    await mkdir(folder, { recursive: true });
    const dense = await writeDenseFolder(checkpoint, folder, model);
    const opened = await openSafetensors(denseFile(folder));
    const places = new Map(model.adapted.map(({ name }) => [name, opened.tensors.get(name)!.offset]));
    await opened.close();
    const composer = await openComposer({ folder: prepared, model, threads });
    return new OfficialSide({ task, folder, dense, composer, places, threads });
  }

  async outcomes(alpha: Alpha): Promise<Outcome[]> {
    const { shots, endIds, spectrumOf, space } = this.#task;
    const began = performance.now();
    const weights = await this.#composer.compose(spectrumOf(candidateMixture(space, alpha)));
    const composed = performance.now();
    for (const [name, values] of weights)
      writeSync(this.#file, values, 0, values.byteLength, this.#places.get(name)!);
    const engine = await this.#engine();
    const loaded = performance.now();
    const found: Outcome[] = [];
    for (let at = 0; at < shots.length; at += this.atOnce) {
      const some = shots.slice(at, at + this.atOnce);
      found.push(
        ...(await Promise.all(
          some.map(async (shot) => {
            const { prompt, maxTokens } = shot;
            const { ids, whole } = await engine.answer({ prompt, mixture: 'dense', maxTokens, endIds });
            return { right: await this.#task.isRight(shot, ids, whole), ids };
          }),
        )),
      );
    }
    await engine.close();
    this.times.composeMs += composed - began;
    this.times.loadMs += loaded - composed;
    this.times.answerMs += performance.now() - loaded;
    return found;
  }

  async #engine(): Promise<LocalEngine> {
    const runtime = await createOnnxRuntime({
      folder: this.#folder,
      model: this.#dense,
      kvBytes: DENSE_KV_BYTES,
      threads: this.#threads,
    });
    const engine = openLocalEngine(runtime, { slots: this.#task.shots.length, stepTokens: STEP_TOKENS });
    engine.addSpectrum('dense', new Float32Array(0));
    return engine;
  }

  async close(): Promise<void> {
    closeSync(this.#file);
    await this.#composer.dispose();
  }
}
