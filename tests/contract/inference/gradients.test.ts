import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { type Mixture, Normalisation, Priority } from '#proto/zmesh/v1/common.js';
import {
  ComputeGradientRequest,
  type ComputeGradientResponse,
  GradientSequence,
  KlDirection,
  LoadMultipliersRequest,
  Multipliers,
} from '#proto/zmesh/v1/inference.js';
import { type Reason, ZmeshError } from '#shared/errors.js';
import { writeVectors } from '#shared/svf/vectors.js';
import { DEADLY_TOKEN, FAILING_TOKEN, fakeKl, fakeLogProb } from '../../support/fake-gradient-module.js';
import { type HarnessOptions, type InferenceHarness, ids, SIGMA, startInferenceHarness } from './harness.js';

const vectorsOf = (m: number) => writeVectors(new Map([['w', Float32Array.of(m)]]));
const inline = (m: number, normalisation: Normalisation = Normalisation.NONE): Multipliers =>
  Multipliers.create({ vectors: vectorsOf(m), normalisation });
const sequence = (
  prompt: number[],
  answer: number[],
  given: Partial<GradientSequence> = {},
): GradientSequence =>
  GradientSequence.create({ prompt: ids(...prompt), answer: { ids: answer }, weight: 1, ...given });
const request = (given: Partial<ComputeGradientRequest>): ComputeGradientRequest =>
  ComputeGradientRequest.create({ sequences: [sequence([4, 5], [6, 7])], ...given } as never);
const only = (expert: string): Mixture => ({ arms: [{ expert, alpha: 1, alphaPerMatrix: {} }] });
const numbers = ({ gradients }: ComputeGradientResponse): number[] =>
  gradients.map(({ matrices }) => new Float64Array(new Uint8Array(matrices[0]!.values).buffer)[0]!);
const near = (actual: number, expected: number): void =>
  assert.ok(
    Math.abs(actual - expected) <= 1e-6 * Math.max(1, Math.abs(expected)),
    `${actual}, not ${expected}`,
  );
const fails = (work: Promise<unknown>, reason: Reason, message = /./): Promise<void> =>
  assert.rejects(work, (error: ZmeshError) => {
    assert.equal(error.reason, reason, error.message);
    assert.match(error.message, message);
    return true;
  });

describe('ComputeGradient', () => {
  let harness: InferenceHarness;
  const start = async (options: HarnessOptions = {}): Promise<InferenceHarness['client']> => {
    harness = await startInferenceHarness(options);
    return harness.client;
  };
  afterEach(() => harness.stop());

  test('the loss is the weighted sum of log-probabilities and divergences, its gradient goes through σ', async () => {
    const client = await start();
    const sequences = [
      sequence([4, 5], [6, 7], { weight: 0.5, klWeight: 2 }),
      sequence([4], [8], { weight: -3, klWeight: 1 }),
    ];
    const answer = await client.computeGradient(
      request({
        sequences,
        multipliers: inline(1.5),
        klCoefficient: 0.1,
        klDirection: KlDirection.POLICY_TO_REFERENCE,
        tokenLogProbs: true,
      }),
    );
    const s = 1.5 * SIGMA;
    const logProbs = [fakeLogProb(6, s) + fakeLogProb(7, s), fakeLogProb(8, s)];
    answer.sequences.forEach(({ logProb, kl }, i) => {
      near(logProb, logProbs[i]!);
      near(kl, fakeKl(s) * [2, 1][i]!);
    });
    assert.equal(answer.sequences[0]!.tokenLogProbs.length, 2);
    near(answer.policyLoss, -0.5 * logProbs[0]! + 3 * logProbs[1]!);
    near(answer.klLoss, 0.1 * fakeKl(s) * (2 * 2 + 1));
    // d/dm = σ · (Σ −w·(−(token + 1)/100) + 0.1·Σ w_kl·2(s − 2)).
    near(numbers(answer)[0]!, SIGMA * (0.5 * 0.15 - 3 * 0.09 + 0.1 * 5 * 2 * (s - 2)));
    assert.deepEqual(answer.gradients[0]!.sequences, [0, 1]);
    const { summary } = answer;
    assert.deepEqual([summary!.promptTokens, summary!.answerTokens, summary!.computedTokens], [3n, 3n, 4n]);
  });

  test('each distinct mixture has a gradient of its own; drafts, versions and the base may stand side by side', async () => {
    const client = await start();
    const { expert } = await client.loadMultipliers(
      LoadMultipliersRequest.create({ vectors: vectorsOf(3), normalisation: Normalisation.NONE }),
    );
    const answer = await client.computeGradient(
      request({
        sequences: [
          sequence([4], [9], { mixture: only(expert) }),
          sequence([4], [9]),
          sequence([4], [19], { mixture: only(expert) }),
          sequence([4], [9], { mixture: only('base') }),
        ],
        mixture: only(harness.publish('two', 2)),
      }),
    );
    assert.deepEqual(
      answer.gradients.map(({ sequences }) => sequences),
      [[1], [0, 2], [3]],
    );
    for (const [index, m] of [
      [0, 3],
      [1, 2],
      [3, 1],
    ] as const)
      near(answer.sequences[index]!.logProb, fakeLogProb(9, m * SIGMA));
    for (const [index, value] of numbers(answer).entries()) near(value, SIGMA * [0.1, 0.3, 0.1][index]!);
  });

  test('a batch beyond the memory limit is computed in parts, with the same result', async () => {
    const sequences = Array.from({ length: 12 }, (_, i) => sequence([4, 5, i], [6, 7, 8], { weight: i - 5 }));
    const results = [];
    for (const memoryBytes of [1_000_000, 16_000]) {
      const client = await start({ gradients: { memoryBytes } });
      const answer = await client.computeGradient(request({ sequences, multipliers: inline(1.5) }));
      results.push(answer);
      if (memoryBytes === 1_000_000) await harness.stop();
    }
    assert.deepEqual(
      results.map(({ summary }) => summary!.parts),
      [1, 4],
    );
    assert.deepEqual(results[0]!.sequences, results[1]!.sequences);
    near(numbers(results[0]!)[0]!, numbers(results[1]!)[0]!);
    assert.ok(Number(results[1]!.summary!.plannedBytes) <= 16_000);
  });

  test('what is not sound is refused by its field and reason', async () => {
    const client = await start();
    const refused = (given: Partial<ComputeGradientRequest>, reason: Reason, message: RegExp) =>
      fails(client.computeGradient(request(given)), reason, message);
    await refused({ sequences: [] }, 'MISSING_FIELD', /sequences/);
    const many = Array.from({ length: 4097 }, () => sequence([1], [1]));
    await refused({ sequences: many }, 'INVALID_FIELD', /\[1, 4096\], not 4097/);
    await refused(
      { sequences: [GradientSequence.create({ answer: { ids: [1] } })] },
      'MISSING_FIELD',
      /sequences\[0\]\.prompt/,
    );
    await refused({ sequences: [sequence([1], [])] }, 'MISSING_FIELD', /sequences\[0\]\.answer/);
    await refused(
      { sequences: [sequence([1], [497])] },
      'TOKEN_OUT_OF_RANGE',
      /sequences\[0\]\.answer\.ids\[0\]/,
    );
    await refused(
      { sequences: [sequence([497], [1])] },
      'TOKEN_OUT_OF_RANGE',
      /sequences\[0\]\.prompt\.tokens\.ids\[0\]/,
    );
    const long = [sequence(Array(100).fill(5), Array(29).fill(6))];
    await refused({ sequences: long }, 'CONTEXT_EXCEEDED', /take 129 tokens; the model's context holds 128/);
    for (const weight of [Number.NaN, Number.POSITIVE_INFINITY, 2e30])
      await refused(
        { sequences: [sequence([1], [1], { weight })] },
        'INVALID_FIELD',
        /sequences\[0\]\.weight/,
      );
    await refused(
      { sequences: [sequence([1], [1], { klWeight: Number.NaN })] },
      'INVALID_FIELD',
      /kl_weight/,
    );
    await refused({ klCoefficient: -1 }, 'INVALID_FIELD', /kl_coefficient/);
    await refused({ klCoefficient: 0.1 }, 'MISSING_FIELD', /kl_direction/);
    await refused({ klDirection: 9 as never }, 'INVALID_FIELD', /no direction 9/);
    await refused({ priority: 9 as never }, 'INVALID_FIELD', /no priority 9/);
    await refused({ multipliers: Multipliers.create({}) }, 'MISSING_FIELD', /multipliers\.vectors/);
    await refused({ multipliers: inline(Number.NaN) }, 'BAD_MULTIPLIER', /NaN/);
    await refused(
      { multipliers: inline(1), mixture: only('base') },
      'INVALID_FIELD',
      /mixture: cannot be given beside/,
    );
    await refused({ multipliers: inline(0, Normalisation.TRACE) }, 'BAD_MIXTURE', /leaves nothing/);
    await refused({ mixture: only(`draft@${'0'.repeat(64)}`) }, 'UNKNOWN_EXPERT', /LoadMultipliers/);
    const huge = [sequence([4, 5], Array(20).fill(6))];
    await refused(
      { sequences: huge },
      'TOO_LARGE',
      /sequences\[0\]: its gradient over 21 tokens needs 21000 bytes, the limit is 16000/,
    );
    await refused({ multipliers: inline(3e38) }, 'BAD_MIXTURE', /not finite/);
    near(
      (await client.computeGradient(request({}))).sequences[0]!.logProb,
      fakeLogProb(6, 2) + fakeLogProb(7, 2),
    );
  });

  test('a deadline and a caller that leaves end the call at once; those behind it are served', async () => {
    const client = await start({ gradients: { partMs: 300, queueMax: 8 } });
    const parts = { sequences: Array.from({ length: 8 }, (_, i) => sequence([i], Array(10).fill(6))) };
    await client.computeGradient(request({}));
    const started = performance.now();
    await fails(client.computeGradient(request(parts), { timeoutMs: 100 }), 'DEADLINE');
    const leaving = new AbortController();
    const left = client.computeGradient(request(parts), { signal: leaving.signal });
    setTimeout(() => leaving.abort(new ZmeshError('CANCELLED', 'the test leaves')), 50);
    await fails(left, 'CANCELLED');
    assert.ok(performance.now() - started < 1500, 'nobody waits for all eight parts');
    await client.computeGradient(request({}));
  });

  test('one task runs at a time: people first, and no more wait than may', async () => {
    const client = await start({ gradients: { partMs: 150, queueMax: 1 } });
    const order: string[] = [];
    const ask = async (name: string, priority: number): Promise<void> => {
      await client.computeGradient(request({ priority: priority as Priority }));
      order.push(name);
    };
    const running = ask('running', Priority.BATCH);
    await new Promise((resolve) => setTimeout(resolve, 60));
    const batch = ask('batch', Priority.UNSPECIFIED);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const person = ask('person', Priority.INTERACTIVE);
    await fails(client.computeGradient(request({})), 'QUEUE_FULL', /1 batch requests wait; the limit is 1/);
    await Promise.all([running, batch, person]);
    assert.deepEqual(order, ['running', 'person', 'batch']);
  });

  test('a thread that fails, or ends, fails its task alone: the next one is served', async () => {
    const client = await start();
    for (const [token, reason] of [
      [FAILING_TOKEN, 'INTERNAL'],
      [DEADLY_TOKEN, 'ENGINE_STOPPED'],
    ] as const) {
      await fails(client.computeGradient(request({ sequences: [sequence([1], [token])] })), reason);
      const answer = await client.computeGradient(request({}));
      near(answer.sequences[0]!.logProb, fakeLogProb(6, 2) + fakeLogProb(7, 2));
    }
  });
});
