import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Chat, Prompt } from '#proto/zmesh/v1/common.js';
import { Continuation, EncodeTokensRequest, LogitsScope, ScoreRequest } from '#proto/zmesh/v1/inference.js';
import type { ZmeshError } from '#shared/errors.js';
import { fakeLogit, fakeLogSumExp, fakeNext } from '../../support/fake-runtime.js';
import { type InferenceHarness, ids, SIGMA, startInferenceHarness, text } from './harness.js';

const V = 497;
const EOS = 2;

describe('Score and EncodeTokens', () => {
  let harness: InferenceHarness;
  before(async () => {
    harness = await startInferenceHarness();
  });
  after(() => harness.stop());

  test('labels are scored as text after the prompt with the end of the turn, each as if alone', async () => {
    const prompt = text('Classify: what?');
    const { tokenIds: before_ } = await harness.client.encodeTokens(EncodeTokensRequest.create({ prompt }));
    const labels = ['math', 'code', 'reasoning', 'other'];
    const continuations = labels.map((label) =>
      Continuation.create({ input: { $case: 'text', value: label }, endOfTurn: true }),
    );
    const { scores, summary } = await harness.client.score(ScoreRequest.create({ prompt, continuations }));
    assert.equal(scores.length, 4);
    for (const { tokenIds, tokenLogProbs, logLikelihood } of scores) {
      assert.equal(tokenIds.at(-1), EOS);
      let sum = 0;
      for (const [i, id] of tokenIds.entries()) {
        const best = fakeNext([...before_, ...tokenIds.slice(0, i)], SIGMA, V);
        const expected = fakeLogit(id, best, V) - fakeLogSumExp(V);
        assert(Math.abs(tokenLogProbs[i]! - expected) < 1e-4);
        sum += expected;
      }
      assert(Math.abs(logLikelihood - sum) < 1e-3);
    }
    assert.equal(summary!.usage!.promptTokens, before_.length);
    assert.equal(summary!.timing!.decodeMs, 0);
  });

  test('a continuation far beyond the context is refused with both numbers, however long it is', async () => {
    const input = { $case: 'tokens' as const, value: { ids: new Array<number>(1 << 19).fill(4) } };
    const continuations = [Continuation.create({ input, endOfTurn: true })];
    await assert.rejects(
      harness.client.score(ScoreRequest.create({ prompt: ids(4, 5), continuations })),
      (error: ZmeshError) => {
        assert.equal(error.reason, 'CONTEXT_EXCEEDED');
        assert.ok(Number(error.details.value) > 2 ** 18 && Number(error.details.limit) > 0);
        return true;
      },
    );
  });

  test('logits: little-endian rows, whole or the k best with their ids', async () => {
    const prompt = ids(4, 5, 6);
    const all = (await harness.client.score(ScoreRequest.create({ prompt, logits: LogitsScope.PROMPT })))
      .logits!;
    assert.deepEqual([all.rows, all.columns, all.values.length, all.tokenIds.length], [3, V, 3 * V * 4, 0]);
    const best = [4],
      seen = [4];
    best[0] = fakeNext(seen, SIGMA, V);
    for (const id of [5, 6]) {
      seen.push(id);
      best.push(fakeNext(seen, SIGMA, V));
    }
    const view = Buffer.from(all.values);
    for (const [row, id] of best.entries()) {
      for (const other of [0, 1, 77, 496])
        assert.equal(view.readFloatLE((row * V + other) * 4), fakeLogit(other, id, V));
      assert(Math.abs(Buffer.from(all.logSumExp).readFloatLE(row * 4) - fakeLogSumExp(V)) < 1e-5);
    }
    const top = (
      await harness.client.score(ScoreRequest.create({ prompt, logits: LogitsScope.LAST, topK: 2 }))
    ).logits!;
    assert.deepEqual([top.rows, top.columns], [1, 2]);
    const topIds = Buffer.from(top.tokenIds);
    assert.deepEqual([topIds.readUInt32LE(0), topIds.readUInt32LE(4)], [best[2], (best[2]! + 1) % V]);
  });

  test('encoding renders a chat with the model’s template and tells the context', async () => {
    const value = Chat.create({ messages: [{ role: 'user', content: 'Hi' }] });
    const prompt = Prompt.create({ input: { $case: 'chat', value } });
    const { tokenIds, rendered, contextLength } = await harness.client.encodeTokens(
      EncodeTokensRequest.create({ prompt }),
    );
    assert(rendered.includes('Hi') && rendered.length > 2);
    assert(tokenIds.length > 2);
    assert.equal(contextLength, 128);
    const plain = await harness.client.encodeTokens(EncodeTokensRequest.create({ prompt: ids(9, 8) }));
    assert.deepEqual([plain.tokenIds, plain.rendered], [[9, 8], '']);
  });
});
