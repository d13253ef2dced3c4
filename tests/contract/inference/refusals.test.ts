import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Chat, type Mixture, MixtureArm, Prompt, type Sampling } from '#proto/zmesh/v1/common.js';
import { Continuation, ScoreRequest } from '#proto/zmesh/v1/inference.js';
import { type Code, type Reason, ZmeshError } from '#shared/errors.js';
import {
  generateRequest,
  type InferenceHarness,
  ids,
  startInferenceHarness,
  tellAll,
  text,
} from './harness.js';

/** What a refusal says. */
interface Refusal {
  readonly code?: Code;
  readonly reason: Reason;
  readonly field?: string;
  readonly message: string | RegExp;
  readonly limit?: string;
  readonly value?: string;
}

async function assertRefused(
  work: Promise<unknown>,
  { field, limit, value, ...rest }: Refusal,
): Promise<void> {
  await assert.rejects(work, (error) => {
    assert(error instanceof ZmeshError, String(error));
    const { reason, code, message } = rest;
    assert.equal(error.reason, reason, error.message);
    if (code) assert.equal(error.code, code);
    if (typeof message === 'string') assert.equal(error.message, message);
    else assert.match(error.message, message);
    if (field !== undefined) assert.equal(error.details.field, field);
    if (limit !== undefined) assert.equal(error.details.limit, limit);
    if (value !== undefined) assert.equal(error.details.value, value);
    return true;
  });
}

const chat = (...messages: { role: string; content: string }[]): Prompt =>
  Prompt.create({ input: { $case: 'chat', value: Chat.create({ messages }) } });
const mixture = (...arms: Partial<MixtureArm>[]): Mixture => ({
  arms: arms.map((arm) => MixtureArm.create(arm)),
});
const HASH = 'cd'.repeat(32);

describe('refusals', () => {
  let harness: InferenceHarness;
  before(async () => {
    harness = await startInferenceHarness();
  });
  after(() => harness.stop());

  const refused = (given: Parameters<typeof generateRequest>[0], refusal: Refusal): Promise<void> =>
    assertRefused(tellAll(harness, generateRequest(given)), refusal);

  test('sampling settings outside their range, with range and value', async () => {
    const cases: [Partial<Sampling>, string, string, string][] = [
      [{ temperature: -0.1 }, 'temperature', '[0, 100]', '-0.1'],
      [{ temperature: Number.NaN }, 'temperature', '[0, 100]', 'NaN'],
      [{ topK: 498 }, 'top_k', '[0, 497]', '498'],
      [{ topP: 0 }, 'top_p', '(0, 1]', '0'],
      [{ topP: 1.1 }, 'top_p', '(0, 1]', '1.1'],
      [{ minP: 2 }, 'min_p', '[0, 1]', '2'],
      [{ repetitionPenalty: 0 }, 'repetition_penalty', '(0, 10]', '0'],
      [{ repetitionPenalty: 11 }, 'repetition_penalty', '(0, 10]', '11'],
      [{ topLogProbs: 21 }, 'top_log_probs', '[0, 20]', '21'],
      [{ maxTokens: 0 }, 'max_tokens', '[1, 128]', '0'],
    ];
    for (const [sampling, name, limit, value] of cases) {
      const field = `sampling.${name}`;
      const message = `${field}: must be in ${limit}, not ${value}`;
      await refused(
        { sampling },
        { code: 'INVALID_ARGUMENT', reason: 'INVALID_FIELD', field, message, limit, value },
      );
    }
  });

  test('stop strings: too many, empty, too long', async () => {
    const reason = 'INVALID_FIELD';
    await refused(
      { sampling: { stop: Array(17).fill('x') } },
      { reason, message: 'sampling.stop: at most 16 stop strings, not 17' },
    );
    await refused(
      { sampling: { stop: ['a', ''] } },
      { reason, message: 'sampling.stop[1]: must have [1, 256] bytes, not 0' },
    );
    await refused(
      { sampling: { stop: ['é'.repeat(129)] } },
      { reason, message: 'sampling.stop[0]: must have [1, 256] bytes, not 258' },
    );
  });

  test('numbers of answers, priorities and request ids', async () => {
    const reason = 'INVALID_FIELD';
    await refused(
      { n: 9 },
      { reason, field: 'n', message: 'n: must be in [1, 8], not 9', limit: '[1, 8]', value: '9' },
    );
    await refused(
      { priority: 7 as never },
      { reason, field: 'priority', message: 'priority: there is no priority 7' },
    );
    await refused({ requestId: 'two words' }, { reason, field: 'request_id', message: /printable ASCII/ });
  });

  test('prompts: none, empty, too many tokens, tokens and bytes out of range', async () => {
    await refused(
      { prompt: undefined },
      { reason: 'MISSING_FIELD', field: 'prompt', message: /is required/ },
    );
    await refused({ prompt: ids() }, { reason: 'INVALID_FIELD', message: 'prompt.tokens: has no tokens' });
    await refused(
      { prompt: ids(3, 497) },
      {
        reason: 'TOKEN_OUT_OF_RANGE',
        field: 'prompt.tokens.ids[1]',
        message: 'prompt.tokens.ids[1]: token id 497 is above 496',
        limit: '496',
        value: '497',
      },
    );
    await refused(
      { prompt: ids(...Array(128).fill(3)) },
      {
        reason: 'CONTEXT_EXCEEDED',
        message: "prompt: the prompt and one new token take 129 tokens; the model's context holds 128",
        limit: '128',
        value: '129',
      },
    );
    await refused(
      { sampling: { maxTokens: 126 } },
      {
        reason: 'CONTEXT_EXCEEDED',
        field: 'sampling.max_tokens',
        message:
          "sampling.max_tokens: the prompt and max_tokens = 126 take 129 tokens; the model's context holds 128",
        limit: '128',
        value: '129',
      },
    );
    await refused(
      { prompt: text('a'.repeat(4097)) },
      {
        code: 'RESOURCE_EXHAUSTED',
        reason: 'TOO_LARGE',
        message: 'prompt.text: has 4097 bytes; the limit is 4096',
        limit: '4096',
        value: '4097',
      },
    );
  });

  test('chats: no messages, no role, a role that the template refuses', async () => {
    await refused(
      { prompt: chat() },
      { reason: 'INVALID_FIELD', message: /there must be \[1, 4096\] messages, not 0/ },
    );
    await refused(
      { prompt: chat({ role: '', content: 'x' }) },
      {
        reason: 'MISSING_FIELD',
        field: 'prompt.chat.messages[0].role',
        message: /is required/,
      },
    );
  });

  test('models that are not served', async () => {
    await refused(
      { model: 'gpt' },
      {
        code: 'NOT_FOUND',
        reason: 'UNKNOWN_MODEL',
        message: 'there is no model "gpt" here; served: fake',
      },
    );
  });

  test('mixtures: names that are not exact, unsound weights, experts twice', async () => {
    const reason = 'BAD_MIXTURE';
    const a = `a@${HASH}`;
    await refused(
      { mixture: mixture({ expert: 'a@stable', alpha: 1 }) },
      {
        reason: 'INVALID_FIELD',
        field: 'mixture.arms[0].expert',
        message: /a@stable is no exact version/,
      },
    );
    await refused(
      { mixture: mixture({ expert: '', alpha: 1 }) },
      { reason: 'MISSING_FIELD', message: /arms\[0\]/ },
    );
    await refused(
      { mixture: mixture({ expert: a, alpha: -1 }) },
      { reason, message: /is -1; it must be finite and >= 0/ },
    );
    await refused(
      { mixture: mixture({ expert: a, alpha: Number.POSITIVE_INFINITY }) },
      { reason, message: /is Infinity/ },
    );
    await refused(
      { mixture: mixture({ expert: a, alpha: 0 }) },
      { reason, message: 'every α of the mixture is zero' },
    );
    await refused(
      { mixture: mixture({ expert: a, alpha: 1 }, { expert: `fake/${a}`, alpha: 1 }) },
      { reason, message: /stands twice/ },
    );
    const arms = Array.from({ length: 65 }, (_, i) => ({ expert: `a${i}@${HASH}`, alpha: 1 }));
    await refused(
      { mixture: mixture(...arms) },
      { reason, message: 'a mixture has at most 64 arms, not 65', limit: '64', value: '65' },
    );
  });

  test('experts: unknown, of another model, basis or matrix, retired, of two normalisations, out of range', async () => {
    await refused(
      { mixture: mixture({ expert: `a@${HASH}`, alpha: 1 }) },
      { code: 'NOT_FOUND', reason: 'UNKNOWN_VERSION', message: /no version cdcd/ },
    );
    await refused(
      { mixture: mixture({ expert: `other/a@${HASH}`, alpha: 1 }) },
      {
        code: 'FAILED_PRECONDITION',
        reason: 'BASIS_MISMATCH',
        message: /belongs to another model than fake/,
      },
    );
    const foreign = harness.publish('foreign', 1, { basisId: 'another' });
    await refused(
      { mixture: mixture({ expert: foreign, alpha: 1 }) },
      { reason: 'BASIS_MISMATCH', message: /belongs to the basis another/ },
    );
    const retired = harness.publish('old', 1, {}, true);
    await refused(
      { mixture: mixture({ expert: retired, alpha: 1 }) },
      { reason: 'EXPERT_RETIRED', message: /was retired/ },
    );
    const plain = harness.publish('plain', 1);
    await refused(
      { mixture: mixture({ expert: plain, alphaPerMatrix: { v: 1 } }) },
      { reason: 'UNKNOWN_MATRIX', message: /adapts v/ },
    );
    const traced = harness.publish('traced', 1, { normalisation: 2 });
    await refused(
      { mixture: mixture({ expert: plain, alpha: 1 }, { expert: traced, alpha: 1 }) },
      {
        code: 'INVALID_ARGUMENT',
        reason: 'MIXED_NORMALISATION',
        message: /cannot be mixed/,
      },
    );
  });

  test('a registry that is away refuses what is not resident, and nothing else', async () => {
    const expert = harness.publish('resident', 5);
    await tellAll(harness, generateRequest({ mixture: mixture({ expert, alpha: 1 }) }));
    harness.outage = new ZmeshError('REGISTRY_UNAVAILABLE', 'the registry cannot be reached');
    const away = harness.publish('away', 5);
    await refused(
      { mixture: mixture({ expert: away, alpha: 1 }) },
      { code: 'UNAVAILABLE', reason: 'REGISTRY_UNAVAILABLE', message: /cannot be reached/ },
    );
    for (const served of [undefined, mixture({ expert, alpha: 1 }), mixture({ expert, alpha: 0.5 })])
      assert.equal(
        (await tellAll(harness, generateRequest(served ? { mixture: served } : {}))).ends.length,
        1,
      );
    harness.outage = null;
  });

  test('scores: nothing asked, too many, empty, outside vocabulary and context, too large', async () => {
    const score = (given: Partial<ScoreRequest>, refusal: Refusal): Promise<void> =>
      assertRefused(
        harness.client.score(ScoreRequest.create({ prompt: ids(1, 2), ...given } as ScoreRequest)),
        refusal,
      );
    const tokens = (...given: number[]): Continuation =>
      Continuation.create({ input: { $case: 'tokens', value: { ids: given } } });
    await score(
      {},
      { reason: 'MISSING_FIELD', field: 'continuations', message: /give continuations, or ask for logits/ },
    );
    await score(
      { continuations: Array(257).fill(tokens(1)) },
      { reason: 'INVALID_FIELD', message: 'continuations: at most 256, not 257' },
    );
    await score(
      { continuations: [tokens()] },
      { reason: 'INVALID_FIELD', message: 'continuations[0]: has no tokens' },
    );
    await score(
      { continuations: [Continuation.create()] },
      { reason: 'MISSING_FIELD', message: /text or tokens/ },
    );
    await score(
      { continuations: [tokens(600)] },
      { reason: 'TOKEN_OUT_OF_RANGE', field: 'continuations[0].tokens.ids[0]', message: /600 is above 496/ },
    );
    await score(
      { continuations: [tokens(...Array(127).fill(3))] },
      { reason: 'CONTEXT_EXCEEDED', limit: '128', value: '129', message: /take 129 tokens/ },
    );
    await score({ logits: 9 as never }, { reason: 'INVALID_FIELD', message: 'logits: there is no scope 9' });
    await score(
      { logits: 2, topK: 498 },
      { reason: 'INVALID_FIELD', message: 'top_k: must be in [0, 497], not 498' },
    );
  });
});

describe('refusals of other services', () => {
  const using = async (
    options: Parameters<typeof startInferenceHarness>[0],
    work: (
      harness: InferenceHarness,
      ask: (given: Parameters<typeof generateRequest>[0]) => Promise<unknown>,
    ) => Promise<void>,
  ): Promise<void> => {
    const harness = await startInferenceHarness(options);
    const ask = (given: Parameters<typeof generateRequest>[0]): Promise<unknown> =>
      tellAll(harness, generateRequest(given));
    try {
      await work(harness, ask);
    } finally {
      await harness.stop();
    }
  };

  test('a model without a tokenizer takes token ids alone', () =>
    using({ tokenizer: false }, async (_, ask) => {
      await assertRefused(ask({ prompt: text('hi') }), {
        code: 'FAILED_PRECONDITION',
        reason: 'NO_TOKENIZER',
        message: 'model fake has no tokenizer; give token ids',
      });
      await assertRefused(ask({ sampling: { stop: ['x'] } }), {
        reason: 'NO_TOKENIZER',
        message: /no text to look for them in/,
      });
      await ask({});
    }));

  test('several models: the name is required', () =>
    using({ tokenizer: false, models: ['fake', 'b'] }, async (harness, ask) => {
      await assertRefused(ask({}), {
        reason: 'MODEL_REQUIRED',
        field: 'model',
        message: 'model: is required, since several are served: b, fake',
      });
      await ask({ model: 'b' });
      const { models } = await harness.client.listServedModels({});
      assert.deepEqual(
        models.map(({ name, hasTokenizer }) => [name, hasTokenizer]),
        [
          ['b', false],
          ['fake', false],
        ],
      );
    }));

  test('more keys and values than there are; a queue that is full', () =>
    using({ pageCount: 4, stepMs: 10, limits: { queueMax: 1 } }, async (_, ask) => {
      await assertRefused(ask({ sampling: { maxTokens: 20 } }), {
        code: 'RESOURCE_EXHAUSTED',
        reason: 'KV_CACHE_EXCEEDED',
        message: 'the request may need 6 pages of KV cache, the process has 4',
        limit: '4',
        value: '6',
      });
      const outcomes = await Promise.allSettled(
        [1, 2, 3, 4].map(() => ask({ sampling: { maxTokens: 10, ignoreEos: true } })),
      );
      const refusedOnes = outcomes.flatMap((outcome) =>
        outcome.status === 'rejected' ? [outcome.reason as ZmeshError] : [],
      );
      assert(refusedOnes.length >= 1);
      for (const error of refusedOnes) {
        assert.deepEqual([error.reason, error.code], ['QUEUE_FULL', 'RESOURCE_EXHAUSTED']);
        assert(error.details.retryAfterMs! >= 100);
      }
    }));

  test('an engine that dies ends its calls with the number of tokens sent', () =>
    using({ create: 'createDyingFake' }, async (harness) => {
      const request = generateRequest({ sampling: { maxTokens: 50, ignoreEos: true } });
      let tokens = 0;
      const read = async (): Promise<void> => {
        for await (const { event } of harness.client.generateTokens(request))
          if (event?.$case === 'delta') tokens += event.value.tokenIds.length;
      };
      // Of what a dying thread said last, some may be lost; the number is that of what was sent on.
      const error = await read().catch((thrown: ZmeshError) => thrown);
      assert(error instanceof ZmeshError);
      assert.deepEqual(
        [error.code, error.reason, error.details.value],
        ['UNAVAILABLE', 'ENGINE_STOPPED', String(tokens)],
      );
      assert.equal(error.message, `the engine stopped after ${tokens} tokens; the answer is incomplete`);
      assert(tokens >= 1 && tokens <= 4);
    }));
});
