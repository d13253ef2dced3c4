import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { GradientEngine } from '#services/inference/gradient/engine.js';
import type { GradientOutcome, GradientSequence, GradientTask } from '#services/inference/gradient/task.js';
import type { KlKind } from '#services/inference/graph/gradient.js';
import { type Served, serveCheckpoint } from './fixture.js';

/** f32 sums in another order: a share of the largest entry. */
const REORDERED = 2e-5;

/** One with a window shorter than the prompts, one with normed heads. */
for (const name of ['mistral-window', 'qwen3-qknorm']) {
  describe(`${name}: gradients of batches`, () => {
    let served: Served;
    let spectra: Float32Array[];
    const engines: GradientEngine[] = [];
    before(async () => {
      served = await serveCheckpoint(name);
      const [first, second] = served.golden.adapted;
      spectra = await Promise.all([null, first!, second!].map((adapted) => served.spectrum(adapted)));
    });
    after(async () => {
      await Promise.all(engines.map((engine) => engine.drain()));
      await served.close();
    });

    /** An engine over the real runtime, in its thread. */
    const engine = (memoryBytes: number): GradientEngine => {
      const { folder, model } = served.prepared;
      const made = new GradientEngine({
        runtime: {
          module: new URL('../../../services/inference/runtime/onnx-gradient.js', import.meta.url).href,
          create: 'createOnnxGradient',
          options: { folder, model, threads: 1, base: spectra[0]! },
        },
        memoryBytes,
        queueMax: 8,
        busy: () => false,
      });
      engines.push(made);
      return made;
    };
    const compute = async (on: GradientEngine, task: GradientTask) => {
      const { outcome, plan } = await on.compute(task, 'batch', AbortSignal.timeout(60_000));
      return { ...outcome, plan };
    };

    /** Answers of several lengths to prompts of several lengths, three to each prompt, under three mixtures. */
    const sequences = (): GradientSequence[] =>
      served.golden.prompts.flatMap((prompt, p) =>
        [0, 1, 2].map((k) => ({
          prompt: Int32Array.from(prompt),
          answer: Int32Array.from(
            { length: 1 + ((5 * p + 3 * k) % 11) },
            (_, i) => 3 + ((7 * i + 11 * k + p) % 200),
          ),
          spectrum: (p + (k === 2 ? 1 : 0)) % 3,
          logProbSeed: [1, -0.5, 0.25][k]!,
          klSeed: 0.1 * (k + 1),
        })),
      );
    const taskOf = (kl: KlKind, given = sequences()): GradientTask => ({ kl, sequences: given, spectra });

    for (const kl of ['none', 'reference_to_policy', 'policy_to_reference'] as const) {
      it(`KL ${kl}: split and whole, shared prompts and each alone, come to the same`, async () => {
        const whole = await compute(engine(1 << 30), taskOf(kl));
        const split = await compute(engine(3_500_000), taskOf(kl));
        assert.ok(split.plan.parts > whole.plan.parts && split.plan.parts > 3, `${split.plan.parts} parts`);
        assert.ok(split.plan.plannedBytes <= 3_500_000);
        near(split, whole);
        const alone = engine(1 << 30);
        const parts = [];
        for (const one of sequences()) parts.push(await compute(alone, taskOf(kl, [one])));
        const tokens = parts.reduce((sum, { plan }) => sum + plan.computedTokens, 0);
        assert.ok(whole.plan.computedTokens < 0.8 * tokens, 'a shared prompt is computed once');
        near(whole, added(parts));
      });
    }

    it('the same task gives the same bits, in another process’s place too', async () => {
      const task = taskOf('reference_to_policy');
      const [one, other] = [engine(4_000_000), engine(4_000_000)];
      const first = await compute(one, task);
      assert.deepEqual(await compute(one, task), first);
      assert.deepEqual(await compute(other, task), first);
    });

    it('where the policy is the base its KL is 0, and so is the KL’s gradient', async () => {
      const base = sequences().map((one) => ({ ...one, spectrum: 0, logProbSeed: 0, klSeed: 1 }));
      const scale = await compute(
        engine(1 << 30),
        taskOf(
          'none',
          base.map((one) => ({ ...one, logProbSeed: 1 })),
        ),
      );
      const largest = scale.gradients[0]!.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      for (const kl of ['reference_to_policy', 'policy_to_reference'] as const) {
        const outcome = await compute(engine(1 << 30), taskOf(kl, base));
        assert.ok(outcome.kl!.every((values) => values.every((value) => value === 0)));
        assert.ok(outcome.gradients[0]!.every((value) => Math.abs(value) < 1e-6 * largest));
        assert.ok(
          outcome.gradients[1]!.every((value) => value === 0),
          'an unused mixture has no gradient',
        );
      }
    });
  });
}

/** The outcomes of one task's sequences, each computed alone, as one. */
function added(parts: readonly GradientOutcome[]): GradientOutcome {
  const gradients = parts[0]!.gradients.map((first, s) =>
    first.map((_, i) => parts.reduce((sum, { gradients: own }) => sum + own[s]![i]!, 0)),
  );
  const first = ({ kl }: GradientOutcome): Float32Array[] => (kl ? [kl[0]!] : []);
  return {
    logProbs: parts.map(({ logProbs }) => logProbs[0]!),
    kl: parts[0]!.kl ? parts.flatMap(first) : null,
    gradients,
  };
}

function near(actual: GradientOutcome, expected: GradientOutcome): void {
  const lists = ({ logProbs, kl, gradients }: GradientOutcome) => [logProbs, kl ?? [], gradients];
  lists(actual).forEach((list, kind) => {
    list.forEach((values, which) => {
      const wanted = lists(expected)[kind]![which]!;
      const largest = Float64Array.from(wanted).reduce(
        (most, value) => Math.max(most, Math.abs(value)),
        1e-3,
      );
      values.forEach((value: number, i: number) => {
        assert.ok(
          Math.abs(value - wanted[i]!) <= REORDERED * largest,
          `${kind} ${which}[${i}]: ${value}, ${wanted[i]}`,
        );
      });
    });
  });
}
