import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AdaptScope } from '#services/inference/model/canonical.js';
import { createOnnxRuntime } from '#services/inference/runtime/onnx-runtime.js';
import type { Runtime } from '#services/inference/runtime/runtime.js';
import { projectRoot } from '#shared/paths.js';
import { openSafetensors, type SafetensorsFile } from '#shared/safetensors/read-file.js';
import { type PreparedFixture, prepareFixture } from '../../support/prepare-fixture.js';

/** The golden checkpoints: transformers' and PyTorch's results, see the README beside them. */
export const CHECKPOINTS = ['llama-tied-gqa', 'llama3-rope', 'mistral-window', 'qwen2-bias', 'qwen3-qknorm'];

/** One way of adapting, with its results. */
export interface Adapted {
  readonly tag: string;
  readonly mixture: readonly Arm[];
  readonly normalisation: 'none' | 'trace';
  readonly greedy: readonly number[][];
}

/** An expert's share: `alpha` everywhere, or by matrix. */
export interface Arm {
  readonly expert: string;
  readonly alpha?: number;
  readonly alpha_per_matrix?: Readonly<Record<string, number>>;
}

/** What golden.json holds of interest here. */
export interface Golden {
  readonly prompts: readonly number[][];
  readonly greedy: readonly number[][];
  readonly adapted: readonly Adapted[];
}

/** A checkpoint that is served, with its golden results. */
export interface Served {
  readonly runtime: Runtime;
  readonly prepared: PreparedFixture;
  readonly golden: Golden;
  /** Golden logits of a prompt, [tokens, vocabulary]; tag `base` or of an `Adapted`. */
  logits(tag: string, prompt: number): Promise<Float32Array>;
  /** The packed spectrum of a way of adapting, composed here in f64; null = base. */
  spectrum(adapted: Adapted | null): Promise<Float32Array>;
  close(): Promise<void>;
}

/** Prepares a golden checkpoint in a temporary folder and serves it. */
export async function serveCheckpoint(name: string, adapt: AdaptScope | 'none' = 'all'): Promise<Served> {
  const source = join(projectRoot, 'tests/golden/models', name);
  const folder = await mkdtemp(join(tmpdir(), 'zmesh-golden-'));
  const prepared = await prepareFixture(source, folder, adapt);
  const runtime = await createOnnxRuntime({ folder, model: prepared.model, kvBytes: 4 << 20, threads: 1 });
  const golden = JSON.parse(await readFile(join(source, 'golden.json'), 'utf8')) as Golden;
  const tensors = await openSafetensors(join(source, 'golden.safetensors'));
  return {
    runtime,
    prepared,
    golden,
    logits: (tag, prompt) => tensors.readFloat32(tensors.tensors.get(`logits/${tag}/${prompt}`)!),
    spectrum: (adapted) => compose(prepared, tensors, adapted),
    async close() {
      await runtime.dispose();
      await tensors.close();
      await rm(folder, { recursive: true });
    },
  };
}

/**
 * s = σ ∘ m' ∘ c of every adapted matrix, with m' = Σ α m and, under `trace`, c = Σσ / Σ(σ m'). A matrix that no expert
 * of the mixture has stays as it is.
 */
async function compose(
  prepared: PreparedFixture,
  tensors: SafetensorsFile,
  adapted: Adapted | null,
): Promise<Float32Array> {
  const spectrum: number[] = [];
  for (const { name } of prepared.model.adapted) {
    const sigma = prepared.sigma.get(name)!;
    const arms = (adapted?.mixture ?? []).filter(({ expert }) =>
      tensors.tensors.has(`expert/${expert}/${name}`),
    );
    const mixed = new Float64Array(sigma.length).fill(arms.length === 0 ? 1 : 0);
    for (const arm of arms) {
      const multipliers = await tensors.readFloat32(tensors.tensors.get(`expert/${arm.expert}/${name}`)!);
      const alpha = arm.alpha_per_matrix?.[name] ?? arm.alpha!;
      for (const [i, m] of multipliers.entries()) mixed[i]! += alpha * m;
    }
    const total = sigma.reduce((sum, value) => sum + value, 0);
    const weighed = mixed.reduce((sum, m, i) => sum + m * sigma[i]!, 0);
    const scale = adapted?.normalisation === 'trace' ? total / weighed : 1;
    for (const [i, m] of mixed.entries()) spectrum.push(m * sigma[i]! * scale);
  }
  return Float32Array.from(spectrum);
}
