import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { FinishReason, Mixture, MixtureArm, Normalisation, Priority } from '#proto/zmesh/v1/common.js';
import { ZmeshError } from '#shared/errors.js';
import { mixtureHash } from '#shared/svf/mixture-hash.js';
import { fakePrepared } from '../../support/fake-engine.js';
import { fakeLogSumExp, fakeNext } from '../../support/fake-runtime.js';
import {
  generateRequest,
  type InferenceHarness,
  ids,
  SIGMA,
  startInferenceHarness,
  tellAll,
  text,
} from './harness.js';

const V = 497;

function greedy(prompt: readonly number[], count: number, spectrum = SIGMA): number[] {
  const tokens = [...prompt];
  for (let i = 0; i < count; i++) tokens.push(fakeNext(tokens, spectrum, V));
  return tokens.slice(prompt.length);
}

const one = (expert: string, alpha = 1): Mixture =>
  Mixture.create({ arms: [MixtureArm.create({ expert, alpha })] });

describe('GenerateTokens', () => {
  let harness: InferenceHarness;
  before(async () => {
    harness = await startInferenceHarness();
  });
  after(() => harness.stop());

  test('deltas, each answer’s end, the summary last; counts and hashes add up', async () => {
    const told = await tellAll(harness, generateRequest({ n: 2, sampling: { maxTokens: 5, seed: 9n } }));
    for (const answer of [0, 1]) {
      const tokens = told.deltas
        .filter((delta) => delta.answer === answer)
        .flatMap(({ tokenIds }) => tokenIds);
      assert.deepEqual(tokens, greedy([5, 6, 7], 5));
    }
    assert.deepEqual(
      told.ends.map(({ completionTokens, finishReason }) => [completionTokens, finishReason]),
      [
        [5, FinishReason.LENGTH],
        [5, FinishReason.LENGTH],
      ],
    );
    assert.equal(told.order.at(-1), 'summary');
    const { usage, mixtureHash: hash, modelFingerprint, seed, timing, normalisation, cache } = told.summary!;
    assert.deepEqual([usage!.promptTokens, usage!.completionTokens], [3, 10]);
    assert.equal(hash, mixtureHash(fakePrepared().basisId, []));
    assert.equal(modelFingerprint, fakePrepared().fingerprint);
    assert.equal(seed, 9n);
    assert.equal(normalisation, Normalisation.UNSPECIFIED);
    assert.equal(cache!.mixtureResident, true);
    assert.equal(timing!.steps, 5);
    const { queueMs, prefillMs, decodeMs, totalMs } = timing!;
    assert(queueMs >= 0 && prefillMs > 0 && decodeMs > 0 && queueMs + prefillMs + decodeMs <= totalMs);
  });

  test('the text of all deltas is the text of all ids, and never ends inside a character', async () => {
    const told = await tellAll(
      harness,
      generateRequest({ prompt: text('héllo €'), sampling: { maxTokens: 60 } }),
    );
    const all = told.deltas.map((delta) => delta.text).join('');
    assert(all.length > 0);
    for (const delta of told.deltas) assert(!/[\ud800-\udbff]$/.test(delta.text));
    const { loadTokenizer } = await import('#services/inference/model/tokenizer.js');
    const decoder = (await loadTokenizer('models/octo-nano'))!.decoder();
    const expected = told.deltas.flatMap(({ tokenIds }) => tokenIds).map((id) => decoder.push(id));
    assert.equal(all, expected.join('') + decoder.end());
  });

  test('an answer that nobody reads along comes in pieces of a quarter of a second, whole', async () => {
    const { deltas, summary } = await tellAll(
      harness,
      generateRequest({ priority: Priority.BATCH, sampling: { maxTokens: 60 } }),
    );
    assert.deepEqual(
      deltas.flatMap(({ tokenIds }) => tokenIds),
      greedy([5, 6, 7], 60),
    );
    const pieces = Math.ceil(summary!.timing!.totalMs / 250) + 1;
    assert(deltas.length <= pieces, `${deltas.length} pieces, ${pieces} at most`);
  });

  test('a stop string ends the answer before it', async () => {
    const free = await tellAll(
      harness,
      generateRequest({ prompt: text('Tom'), sampling: { maxTokens: 40 } }),
    );
    const all = free.deltas.map((delta) => delta.text).join('');
    const stop = all.slice(12, 15);
    const told = await tellAll(
      harness,
      generateRequest({ prompt: text('Tom'), sampling: { maxTokens: 40, stop: [stop] } }),
    );
    assert.equal(told.deltas.map((delta) => delta.text).join(''), all.slice(0, all.indexOf(stop)));
    const [end] = told.ends;
    assert.deepEqual([end!.finishReason, end!.stopString], [FinishReason.STOP_STRING, stop]);
    assert(end!.completionTokens < 40);
    assert.equal(told.summary!.usage!.completionTokens, end!.completionTokens);
  });

  test('an end-of-text token ends the answer unless it is to be ignored', async () => {
    // The best id after token t alone is t + σ: token 0 is followed by 2, the end.
    const told = await tellAll(harness, generateRequest({ prompt: ids(0) }));
    assert.deepEqual(
      told.deltas.flatMap(({ tokenIds }) => tokenIds),
      [2],
    );
    assert.equal(told.ends[0]!.finishReason, FinishReason.STOP);
    const on = await tellAll(harness, generateRequest({ prompt: ids(0), sampling: { ignoreEos: true } }));
    assert.equal(on.ends[0]!.completionTokens, 4);
    assert.equal(on.ends[0]!.finishReason, FinishReason.LENGTH);
  });

  test('max_tokens left out goes to the context’s end and says so', async () => {
    const prompt = ids(...Array.from({ length: 120 }, () => 3));
    const told = await tellAll(
      harness,
      generateRequest({ prompt, sampling: { maxTokens: undefined, ignoreEos: true } }),
    );
    assert.deepEqual([told.ends[0]!.finishReason, told.ends[0]!.completionTokens], [FinishReason.CONTEXT, 8]);
  });

  test('log-probabilities come one a token, with the rivals asked for', async () => {
    const told = await tellAll(harness, generateRequest({ sampling: { maxTokens: 3, topLogProbs: 2 } }));
    const logProbs = told.deltas.flatMap((delta) => delta.logProbs);
    assert.equal(logProbs.length, 3);
    for (const { token, top } of logProbs) {
      assert(Math.abs(token!.logProb + fakeLogSumExp(V)) < 1e-5);
      assert.deepEqual(
        top.map(({ tokenId }) => tokenId),
        [token!.tokenId, (token!.tokenId + 1) % V],
      );
    }
    const none = await tellAll(harness, generateRequest());
    assert(none.deltas.every((delta) => delta.logProbs.length === 0));
  });

  test('an expert is fetched once and changes the answer; the mixture is then resident', async () => {
    const expert = harness.publish('tripler', 3);
    const first = await tellAll(harness, generateRequest({ mixture: one(expert) }));
    assert.deepEqual(
      first.deltas.flatMap(({ tokenIds }) => tokenIds),
      greedy([5, 6, 7], 4, 3 * SIGMA),
    );
    assert.deepEqual(first.summary!.cache, { mixtureResident: false, expertsResident: 0, expertsFetched: 1 });
    assert.equal(first.summary!.normalisation, Normalisation.NONE);
    harness.outage = new ZmeshError('REGISTRY_UNAVAILABLE', 'asked for again');
    const second = await tellAll(harness, generateRequest({ mixture: one(`fake/${expert}`) }));
    harness.outage = null;
    assert.deepEqual(second.summary!.cache, { mixtureResident: true, expertsResident: 1, expertsFetched: 0 });
    assert.equal(second.summary!.mixtureHash, first.summary!.mixtureHash);
    const base = await tellAll(harness, generateRequest({ mixture: one('base') }));
    assert.deepEqual(
      base.deltas.flatMap(({ tokenIds }) => tokenIds),
      greedy([5, 6, 7], 4),
    );
  });

  test('mixtures add multipliers by α', async () => {
    const arms = [
      MixtureArm.create({ expert: harness.publish('two', 2), alpha: 0.5 }),
      MixtureArm.create({ expert: harness.publish('four', 4), alphaPerMatrix: { w: 1.5 } }),
      MixtureArm.create({ expert: 'base', alpha: 2 }),
    ];
    const told = await tellAll(harness, generateRequest({ mixture: Mixture.create({ arms }) }));
    const value = SIGMA * (0.5 * 2 + 1.5 * 4 + 2);
    assert.deepEqual(
      told.deltas.flatMap(({ tokenIds }) => tokenIds),
      greedy([5, 6, 7], 4, value),
    );
  });

  test('seeds repeat sampled answers; without one a new seed is told', async () => {
    const sampled = (seed?: bigint) =>
      tellAll(
        harness,
        generateRequest({ sampling: { temperature: 5, maxTokens: 12, ignoreEos: true, seed } }),
      );
    const [a, b, c, d] = await Promise.all([sampled(1n), sampled(1n), sampled(), sampled()]);
    const tokens = (told: Awaited<ReturnType<typeof sampled>>) =>
      told.deltas.flatMap(({ tokenIds }) => tokenIds).join();
    assert.equal(tokens(a!), tokens(b!));
    assert.notEqual(c!.summary!.seed, d!.summary!.seed);
    assert.equal(tokens(await sampled(c!.summary!.seed)), tokens(c!));
  });

  test('cancelling and deadlines end the call with their reason', async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 20);
    const long = generateRequest({ sampling: { maxTokens: 120, ignoreEos: true } });
    await assert.rejects(tellAll(harness, long, { signal: controller.signal }));
    await assert.rejects(tellAll(harness, long, { timeoutMs: 20 }), { reason: 'DEADLINE' });
    assert.equal((await tellAll(harness, generateRequest())).ends.length, 1);
  });
});
