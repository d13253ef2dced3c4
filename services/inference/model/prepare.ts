import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { ZmeshError } from '#shared/errors.js';
import { TEMPORARY_SUFFIX, writeFileAtomically } from '#shared/safetensors/atomic-file.js';
import { type AdaptScope, adaptedLinears, canonicalLinears, countParameters } from './canonical.js';
import type { Checkpoint, CheckpointWeight } from './checkpoint.js';
import { decomposeAll } from './decompose.js';
import { isDenseFile, writeDenseFile } from './dense-file.js';
import { checkDiskSpace, denseBytes, factorBytes } from './disk-space.js';
import { inspectFactorFile } from './factor-file.js';
import type { FactorTask } from './factor-worker.js';
import { basisIdOf, modelFingerprint } from './fingerprint.js';
import { lockFolder } from './folder-lock.js';
import type { ImportEvent } from './import-event.js';
import { defaultJobs } from './jobs.js';
import { loadPrepared } from './load.js';
import { PREPARED_FORMAT, type PreparedModel } from './prepared.js';
import { denseFile, factorFile, factorFolder, lockFile, modelFile, stampFile } from './prepared-files.js';
import { readSource } from './read-source.js';
import { type CheckpointSource, KEPT_FILES } from './source.js';
import { makeStamp, readStamp, writeStamp } from './stamp.js';

/** What to prepare. */
export interface PrepareOptions {
  /** The Hugging Face folder, or the GGUF file. */
  readonly checkpoint: string;
  /** The model's name. */
  readonly name: string;
  /** Where the prepared model goes; made if missing. */
  readonly target: string;
  readonly adapt: AdaptScope;
  /** Matrices decomposed at a time; default by cores and free memory. */
  readonly jobs?: number;
  /** Take the place of a model of this name that was prepared from other weights. */
  readonly replace: boolean;
  readonly onEvent: (event: ImportEvent) => void;
}

/**
 * Prepares a checkpoint: checks it, takes its fingerprint, decomposes every adapted weight, and writes the folder that
 * `prepared.ts` describes. What an interrupted or earlier run left and is still right is used again; model.json comes last.
 * @throws ZmeshError INVALID_FIELD or BAD_SAFETENSORS for an unsuitable folder, MODEL_CONFLICT if the name is taken by other
 *   weights or another import is at work, TOO_LARGE if the disk is full.
 */
export async function prepareModel(options: PrepareOptions): Promise<PreparedModel> {
  const started = performance.now();
  const source = await readSource(options.checkpoint);
  const { name, target, onEvent } = options;
  const { architecture } = source.config;
  onEvent({
    type: 'checkpoint',
    name,
    architecture,
    parameters: countParameters(source.config),
    folder: target,
  });
  await mkdir(factorFolder(target), { recursive: true });
  const unlock = await lockFolder(lockFile(target));
  try {
    const stamp = await makeStamp(source.files, options.adapt);
    const current = await currentModel(target, stamp);
    const outcome =
      current === null ? await prepareAnew(options, source, stamp) : { model: current, reused: true };
    const { fingerprint, basisId, adapted, reconstructionError } = outcome.model;
    const seconds = (performance.now() - started) / 1000;
    const facts = { name, folder: target, fingerprint, basisId, reconstructionError, seconds };
    onEvent({ type: 'done', ...facts, reused: outcome.reused, matrices: adapted.length });
    return outcome.model;
  } finally {
    await unlock();
  }
}

/** The model that is there, if nothing was touched since it was prepared and all its files are there. */
async function currentModel(target: string, stamp: string): Promise<PreparedModel | null> {
  if ((await readStamp(stampFile(target))) !== stamp) return null;
  const model = await loadPrepared(target).catch(() => null);
  if (model === null) return null;
  const kept = await readdir(target);
  if (!kept.includes(basename(denseFile(target)))) return null;
  for (const linear of model.adapted) {
    const error = await inspectFactorFile(factorFile(target, linear.name), {
      linear,
      basisId: model.basisId,
    });
    if (error === null) return null;
  }
  return model;
}

async function prepareAnew(
  options: PrepareOptions,
  source: CheckpointSource,
  stamp: string,
): Promise<{ model: PreparedModel; reused: boolean }> {
  const { target } = options;
  await removeLeftovers(target);
  const checkpoint = await source.open();
  try {
    const fingerprint = await takeFingerprint(options, source, checkpoint);
    await refuseOther(options, fingerprint);
    const model = describe(options, source, fingerprint);
    const { reconstructionError, reused } = await writeWeights(options, model, checkpoint);
    await keepFiles(source, target);
    await writeStamp(stampFile(target), stamp);
    const finished = { ...model, reconstructionError };
    await writeFileAtomically(modelFile(target), [Buffer.from(`${JSON.stringify(finished, null, 1)}\n`)]);
    return { model: finished, reused };
  } finally {
    await checkpoint.close();
  }
}

async function takeFingerprint(
  { onEvent }: PrepareOptions,
  { config }: CheckpointSource,
  { weights }: Checkpoint,
): Promise<string> {
  const totalBytes = denseBytes(weights);
  let doneBytes = 0;
  const stepBytes = Math.max(1 << 26, totalBytes / 100);
  let told = 0;
  return modelFingerprint(config, weights, (bytes) => {
    doneBytes += bytes;
    if (doneBytes - told < stepBytes && doneBytes < totalBytes) return;
    told = doneBytes;
    onEvent({ type: 'hash', doneBytes, totalBytes });
  });
}

/**
 * Other weights under the same name would silently invalidate the experts that are published for it, and what a newer version
 * prepared may be served by newer replicas from the same volume.
 */
async function refuseOther({ target, name, replace }: PrepareOptions, fingerprint: string): Promise<void> {
  const present = await loadPrepared(target).catch((error: unknown) => {
    if (!replace && ZmeshError.from(error).reason === 'FORMAT_NEWER') throw error;
    return null;
  });
  if (present === null || present.fingerprint === fingerprint || replace) return;
  const message = `the name ${name} is taken by a model with other weights (fingerprint ${present.fingerprint.slice(0, 12)}, this one is ${fingerprint.slice(0, 12)}); give another --name, or --replace`;
  throw new ZmeshError('MODEL_CONFLICT', message, { names: { model: name, folder: target } });
}

function describe(options: PrepareOptions, source: CheckpointSource, fingerprint: string): PreparedModel {
  const { config, bosTokenId, eosTokenIds, classificationSystem } = source;
  return {
    format: PREPARED_FORMAT,
    name: options.name,
    config,
    fingerprint,
    basisId: basisIdOf(fingerprint),
    parameters: countParameters(config),
    adapted: adaptedLinears(config, options.adapt),
    linears: canonicalLinears(config),
    eosTokenIds,
    bosTokenId,
    classificationSystem,
    reconstructionError: 0,
    source: { folder: basename(resolve(options.checkpoint)), preparedAt: new Date().toISOString() },
  };
}

/** Brings factors and unfactored weights to what the model says. model.json is taken away while they do not fit it. */
async function writeWeights(
  { target, onEvent, ...options }: PrepareOptions,
  { adapted, basisId, fingerprint }: PreparedModel,
  checkpoint: Checkpoint,
): Promise<{ reconstructionError: number; reused: boolean }> {
  const { tasks, errors } = await planFactors(target, adapted, basisId, checkpoint);
  const factored = new Set(adapted.map(({ name }) => name));
  const dense = { fingerprint, weights: checkpoint.weights.filter(({ name }) => !factored.has(name)) };
  const denseIsThere = await isDenseFile(denseFile(target), dense);
  const reused = tasks.length === 0 && denseIsThere;
  if (!reused) await rm(modelFile(target), { force: true });
  const jobs = options.jobs ?? defaultJobs(tasks.map(({ linear }) => linear));
  onEvent({ type: 'plan', adapt: options.adapt, matrices: tasks.length, reused: errors.length, jobs });
  const neededBytes = tasks.reduce((sum, { linear }) => sum + factorBytes(linear), 0);
  await checkDiskSpace(target, neededBytes + (denseIsThere ? 0 : denseBytes(dense.weights)));
  if (!denseIsThere) await writeDenseFile(denseFile(target), dense);
  await decomposeAll(tasks, jobs, ({ task, ...done }) => {
    errors.push(done.error);
    onEvent({ type: 'matrix', ...task.linear, ...done });
  });
  return { reconstructionError: Math.max(0, ...errors), reused };
}

/** Which matrices are still to be decomposed, and the errors of those that are there. */
async function planFactors(
  target: string,
  adapted: PreparedModel['adapted'],
  basisId: string,
  checkpoint: Checkpoint,
): Promise<{ tasks: FactorTask[]; errors: number[] }> {
  const weights = new Map(checkpoint.weights.map((weight) => [weight.name, weight]));
  const tasks: FactorTask[] = [];
  const errors: number[] = [];
  for (const linear of adapted) {
    const path = factorFile(target, linear.name);
    const error = await inspectFactorFile(path, { linear, basisId });
    const { place } = weights.get(linear.name) as CheckpointWeight;
    if (error === null) tasks.push({ linear, basisId, place, target: path });
    else errors.push(error);
  }
  return { tasks, errors };
}

/**
 * Writes the files that are kept; those that the checkpoint no longer has are removed. If one differs, model.json is taken
 * away first, so that a run that is killed here leaves no mixture of old and new that could be loaded.
 */
async function keepFiles({ kept }: CheckpointSource, target: string): Promise<void> {
  for (const name of KEPT_FILES) {
    const present = await readFile(join(target, name), 'utf8').catch(() => undefined);
    if (present !== kept.get(name)) await rm(modelFile(target), { force: true });
  }
  for (const name of KEPT_FILES) {
    const text = kept.get(name);
    if (text === undefined) await rm(join(target, name), { force: true });
    else await writeFileAtomically(join(target, name), [Buffer.from(text)]);
  }
}

/** Removes the temporary files of a run that was killed. */
async function removeLeftovers(target: string): Promise<void> {
  for (const folder of [target, factorFolder(target)]) {
    for (const name of await readdir(folder)) {
      if (name.endsWith(TEMPORARY_SUFFIX)) await rm(join(folder, name), { force: true });
    }
  }
}
