import assert from 'node:assert/strict';
import { type InferenceSession, Tensor } from 'onnxruntime-node';
import { ZmeshError } from '#shared/errors.js';
import { encodeModel } from '../graph/encode.js';
import { spectrumLength } from '../graph/model-weights.js';
import { servingGraph } from '../graph/serving.js';
import type { ModelConfig, PreparedModel } from '../model/prepared.js';
import { KvPool } from './kv-pool.js';
import { createPacker, type PackedStep } from './pack.js';
import type { Runtime, RuntimeInfo, SpectrumHandle, StepOutputs, StepResult, StepRow } from './runtime.js';
import { openSession } from './session.js';
import { locateWeights, weightBytes } from './weight-files.js';

/**
 * Positions per page: few enough that a short sequence wastes little, and the width of an AVX-512 register, so that padding
 * moves no score to another lane of the softmax and batch mates change no bit (with 8 they do).
 */
const PAGE_TOKENS = 16;

/** What `createOnnxRuntime` needs. */
export interface OnnxRuntimeOptions {
  /** The prepared model's folder. */
  readonly folder: string;
  readonly model: PreparedModel;
  /** Bytes that KV storage may take; rounded down to whole pages. */
  readonly kvBytes: number;
  /** Threads inside an operator. Give no more than there are free cores: threads that wait for a busy core cost more than they bring. */
  readonly threads: number;
}

/**
 * Runs a prepared model on onnxruntime-node's CPU provider.
 * @throws ZmeshError CORRUPT when the folder is not as the model says, KV_CACHE_EXCEEDED when `kvBytes` holds no page.
 */
export async function createOnnxRuntime(options: OnnxRuntimeOptions): Promise<Runtime> {
  const { folder, model, kvBytes, threads } = options;
  const { config } = model;
  const pageBytes = KvPool.pageBytes(config, PAGE_TOKENS);
  // One page is the pool's zero page.
  const pageCount = Math.floor(kvBytes / pageBytes) - 1;
  if (pageCount < 1) {
    throw new ZmeshError(
      'KV_CACHE_EXCEEDED',
      `KV storage of ${kvBytes} bytes holds no page: at least ${2 * pageBytes} bytes are needed`,
      { limit: 2 * pageBytes, value: kvBytes },
    );
  }
  const weights = await locateWeights(folder, model);
  const graph = encodeModel(servingGraph({ model, weights, pageTokens: PAGE_TOKENS }), model.name);
  // The arena keeps what steps allocate; fresh pages from the system cost more than the operators that fill them.
  const session = await openSession(graph, { folder, threads, prepack: true, arena: true });
  const pool = allocatePool(config, pageCount);
  return new OnnxRuntime(session, model, pool, {
    vocabularySize: config.vocabularySize,
    contextLength: config.contextLength,
    pageTokens: PAGE_TOKENS,
    pageCount,
    spectrumLength: spectrumLength(model),
    weightBytes: weightBytes(weights),
    kvBytes: pool.data.byteLength,
  });
}

function allocatePool(config: ModelConfig, pageCount: number): KvPool {
  try {
    return new KvPool(config, { pageCount, pageTokens: PAGE_TOKENS });
  } catch (error) {
    const bytes = pageCount * KvPool.pageBytes(config, PAGE_TOKENS);
    const message = `KV storage of ${bytes} bytes could not be allocated as one buffer`;
    throw new ZmeshError('KV_CACHE_EXCEEDED', message, { value: bytes, cause: error });
  }
}

class OnnxRuntime implements Runtime {
  readonly info: RuntimeInfo;
  readonly #session: InferenceSession;
  readonly #pool: KvPool;
  readonly #poolTensor: Tensor;
  readonly #pack: ReturnType<typeof createPacker>;
  readonly #spectra = new Map<SpectrumHandle, Float32Array>();
  #handles = 0;
  #running = false;

  constructor(session: InferenceSession, model: PreparedModel, pool: KvPool, info: RuntimeInfo) {
    const { config } = model;
    this.info = info;
    this.#session = session;
    this.#pool = pool;
    const rows = pool.data.length / (info.pageTokens * config.headSize);
    this.#poolTensor = new Tensor('float32', pool.data, [rows, info.pageTokens, config.headSize]);
    this.#pack = createPacker({
      ...info,
      zeroPage: pool.zeroPage,
      slidingWindow: config.slidingWindow,
    });
  }

  addSpectrum(spectrum: Float32Array): SpectrumHandle {
    const { spectrumLength } = this.info;
    assert.equal(spectrum.length, spectrumLength, `a spectrum has ${spectrumLength} numbers`);
    this.#handles += 1;
    const handle = this.#handles as SpectrumHandle;
    this.#spectra.set(handle, spectrum.slice());
    return handle;
  }

  removeSpectrum(handle: SpectrumHandle): void {
    assert.ok(this.#spectra.delete(handle), `spectrum ${handle} is resident`);
  }

  async step(rows: readonly StepRow[], outputs: StepOutputs): Promise<StepResult> {
    assert.ok(!this.#running, 'one step runs at a time');
    const packed = this.#pack(rows, (handle) => {
      const spectrum = this.#spectra.get(handle);
      assert.ok(spectrum, `spectrum ${handle} is resident`);
      return spectrum;
    });
    const fetches = wantedOutputs(rows, outputs);
    const results = await this.#run(this.#feeds(packed, outputs), fetches);
    const data = <T>(name: string) => (results[name]?.data ?? null) as T | null;
    const newKv = data<Float32Array>('new_kv');
    if (newKv) this.#store(rows, { data: newKv, rows: packed.rows, tokens: packed.tokensPerRow });
    return {
      logSumExp: data<Float32Array>('log_sum_exp') ?? new Float32Array(0),
      topValues: data('top_values'),
      topIds: data('top_ids'),
      logits: data('logits'),
      targetLogits: data('target_logits'),
    };
  }

  copyPage(from: number, to: number, tokens: number): void {
    this.#pool.copyPage(from, to, tokens);
  }

  async dispose(): Promise<void> {
    this.#spectra.clear();
    await this.#session.release();
  }

  #feeds(step: PackedStep, outputs: StepOutputs): Record<string, Tensor> {
    const { rows, tokensPerRow, pagesPerRow, headRows } = step;
    const { pageTokens, spectrumLength } = this.info;
    const past = pagesPerRow * pageTokens;
    const given = outputs.targets?.length ? outputs.targets : new Int32Array(headRows);
    const targets = given.map((id) => Math.max(0, id));
    assert.equal(targets.length, headRows, 'every wanted token has a target');
    const feeds: Record<string, Tensor> = {
      tokens: new Tensor('int32', step.tokens, [rows, tokensPerRow]),
      positions: new Tensor('int32', step.positions, [rows, tokensPerRow]),
      mask: new Tensor('float32', step.mask, [rows, 1, tokensPerRow, past + tokensPerRow]),
      page_table: new Tensor('int32', step.pageTable, [rows, pagesPerRow]),
      kv: this.#poolTensor,
      wanted: new Tensor('int32', step.wanted, [headRows]),
      k: new Tensor('int64', BigInt64Array.of(BigInt(Math.max(1, outputs.topK))), [1]),
      targets: new Tensor('int32', targets, [headRows, 1]),
    };
    if (spectrumLength > 0) feeds.spectrum = new Tensor('float32', step.spectra, [rows, 1, spectrumLength]);
    return feeds;
  }

  async #run(feeds: Record<string, Tensor>, fetches: string[]): Promise<InferenceSession.ReturnType> {
    this.#running = true;
    try {
      return await this.#session.run(feeds, fetches);
    } catch (error) {
      throw new ZmeshError('INTERNAL', 'the model failed to run a step', { cause: error });
    } finally {
      this.#running = false;
    }
  }

  #store(rows: readonly StepRow[], source: { data: Float32Array; rows: number; tokens: number }): void {
    rows.forEach((row, index) => {
      if (row.store === 0) return;
      const target = { row: index, count: row.store, position: row.pastLength, pages: row.pages };
      this.#pool.store(source, target);
    });
  }
}

/** Names of the outputs to fetch. What is not fetched is not copied out of the runtime. */
function wantedOutputs(rows: readonly StepRow[], outputs: StepOutputs): string[] {
  const names: string[] = [];
  if (rows.some((row) => row.store > 0)) names.push('new_kv');
  if (rows.some((row) => row.wanted.length > 0)) {
    names.push('log_sum_exp');
    if (outputs.topK > 0) names.push('top_values', 'top_ids');
    if (outputs.fullLogits) names.push('logits');
    if (outputs.targets) names.push('target_logits');
  }
  return names;
}
