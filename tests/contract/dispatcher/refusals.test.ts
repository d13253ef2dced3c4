import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MixtureArm, Sampling } from '#proto/zmesh/v1/common.js';
import { FirstPassBlend, FirstPassMode, type Strategy } from '#proto/zmesh/v1/dispatcher.js';
import { ZmeshError } from '#shared/errors.js';
import { sha256Hex } from '#shared/ids.js';
import { fakeModel } from '../../support/fake-inference.js';
import {
  AUTO,
  ask,
  askLabel,
  byClassifier,
  byPrompt,
  chat,
  eventually,
  NONE,
  pass,
  publishThree,
  refused,
  startBench,
} from './harness.js';

const MATH = sha256Hex('nano', 'math', '');
const expert = (name: string): Strategy['kind'] => ({ $case: 'expert', value: { expert: name } });
const mixture = (...arms: Partial<MixtureArm>[]): Strategy['kind'] => ({
  $case: 'mixture',
  value: { mixture: { arms: arms.map((arm) => ({ expert: 'math', alpha: 1, alphaPerMatrix: {}, ...arm })) } },
});

test('what is missing or malformed is refused with its field, the limit and the value', async (t) => {
  const { client } = await startBench(t, {
    publish: publishThree,
    settings: { messagesMax: 2, promptBytesMax: 10, answersMax: 4 },
  });
  const complete = (request: Parameters<typeof client.complete>[0]['request']) =>
    client.complete({ request });
  const cases = [
    [complete(undefined), 'MISSING_FIELD', 'request', 'request: is required'],
    [
      complete(ask(NONE, { prompt: undefined })),
      'MISSING_FIELD',
      'prompt',
      'prompt: a prompt is required: chat, text or tokens',
    ],
    [
      complete(ask(NONE, { prompt: chat() })),
      'MISSING_FIELD',
      'prompt.chat.messages',
      'prompt.chat.messages: at least one message is required',
    ],
    [
      complete(ask(NONE, { prompt: chat('a', { role: '', content: 'b' }) })),
      'MISSING_FIELD',
      'prompt.chat.messages[1].role',
      'prompt.chat.messages[1].role: a role is required',
    ],
    [
      complete(ask(NONE, { prompt: chat('a', 'b', 'c') })),
      'INVALID_FIELD',
      'prompt.chat.messages',
      'prompt.chat.messages: at most 2 messages are taken, not 3',
    ],
    [
      complete(ask(NONE, { n: 5, prompt: chat('a') })),
      'INVALID_FIELD',
      'n',
      'n: at most 4 answers can be asked for, not 5',
    ],
    [
      complete(ask(NONE, { requestId: 'a b', prompt: chat('a') })),
      'INVALID_FIELD',
      'request_id',
      'request_id must be 1 to 128 printable ASCII characters',
    ],
    [
      complete(ask(NONE, { priority: 9 as never, prompt: chat('a') })),
      'INVALID_FIELD',
      'priority',
      'priority: there is no priority 9',
    ],
    [
      complete(ask(expert(''), { prompt: chat('a') })),
      'MISSING_FIELD',
      'strategy.expert.expert',
      'strategy.expert.expert: is missing',
    ],
    [
      complete(ask({ $case: 'mixture', value: { mixture: undefined } }, { prompt: chat('a') })),
      'MISSING_FIELD',
      'strategy.mixture.mixture',
      'strategy.mixture.mixture: is missing',
    ],
    [
      complete(ask(byPrompt({ abstainThreshold: 1.5 }), { prompt: chat('a') })),
      'INVALID_FIELD',
      'strategy.prompt.first_pass.abstain_threshold',
      'strategy.prompt.first_pass.abstain_threshold: must be in [0, 1], not 1.5',
    ],
    [
      complete(ask(byPrompt({ abstainThreshold: Number.NaN }), { prompt: chat('a') })),
      'INVALID_FIELD',
      'strategy.prompt.first_pass.abstain_threshold',
      'strategy.prompt.first_pass.abstain_threshold: must be in [0, 1], not NaN',
    ],
    [
      complete(ask(byPrompt({ mode: 7 as never }), { prompt: chat('a') })),
      'INVALID_FIELD',
      'strategy.prompt.first_pass.mode',
      'strategy.prompt.first_pass.mode: there is no mode 7',
    ],
    [
      complete(
        ask(byClassifier('', { mode: FirstPassMode.GENERATE, blend: FirstPassBlend.PROBABILITY }), {
          prompt: chat('a'),
        }),
      ),
      'INVALID_FIELD',
      'strategy.classifier.first_pass.blend',
      'strategy.classifier.first_pass.blend: PROBABILITY needs the mode SCORE: a written label has no probabilities',
    ],
  ] as const;
  for (const [call, reason, field, text] of cases) {
    const error = await refused(call, 'INVALID_ARGUMENT', reason, text);
    assert.equal(error.details.field, field);
  }
  const large = await refused(
    complete(ask(NONE, { prompt: chat('0123456789') })),
    'RESOURCE_EXHAUSTED',
    'TOO_LARGE',
    'prompt: at most 10 bytes are taken, not 14',
  );
  assert.deepEqual([large.details.limit, large.details.value], ['10', '14']);
});

test('names that lead nowhere are refused with their reason', async (t) => {
  const { client, registry } = await startBench(t, {
    publish(fresh) {
      publishThree(fresh);
      fresh.publish({ expert: 'foreign', basisId: 'f'.repeat(64) });
      fresh.publish({ expert: 'old', retired: true });
      fresh.publish({ expert: 'twin', version: `12345678${'0'.repeat(56)}` });
      fresh.publish({ expert: 'twin', version: `12345678${'1'.repeat(56)}` });
    },
  });
  const foreign = sha256Hex('nano', 'foreign', '');
  const old = sha256Hex('nano', 'old', '');
  const cases = [
    ['nobody', 'NOT_FOUND', 'UNKNOWN_EXPERT', 'the registry has no "nano/nobody@stable"'],
    [
      'other/math',
      'FAILED_PRECONDITION',
      'BASIS_MISMATCH',
      'other/math belongs to the model other, the request is for nano',
    ],
    [
      `foreign@${foreign}`,
      'FAILED_PRECONDITION',
      'BASIS_MISMATCH',
      /^nano\/foreign@[0-9a-f]{64} belongs to the basis f{64}, nano has /,
    ],
    [`old@${old}`, 'FAILED_PRECONDITION', 'EXPERT_RETIRED', `nano/old@${old} was retired`],
    [
      'twin@12345678',
      'INVALID_ARGUMENT',
      'INVALID_FIELD',
      'strategy.expert.expert: 2 versions of twin begin with "12345678"',
    ],
    [
      'base',
      'INVALID_ARGUMENT',
      'INVALID_FIELD',
      /"base" is the unadapted model, not an expert; use the strategy none/,
    ],
    ['no/such/name', 'INVALID_ARGUMENT', 'INVALID_FIELD', /is not a name/],
  ] as const;
  for (const [name, code, reason, text] of cases)
    await refused(client.complete({ request: ask(expert(name)) }), code, reason, text);
  assert.deepEqual(registry.lookUps, ['nano/nobody@stable']);
});

test('a name that neither the view nor the registry has is refused as the view knows it', async (t) => {
  const { client, registry } = await startBench(t, { publish: publishThree });
  registry.away = true;
  for (const [name, reason, text] of [
    ['nobody', 'UNKNOWN_EXPERT', 'nano has no expert or adaptation "nobody"'],
    ['math@beta', 'UNKNOWN_ALIAS', 'nano/math has no alias "beta"'],
    ['math@0123456789', 'UNKNOWN_VERSION', 'nano/math has no version "0123456789"'],
  ] as const)
    await refused(client.complete({ request: ask(expert(name)) }), 'NOT_FOUND', reason, text);
});

test('unsound mixtures are refused before anything is generated', async (t) => {
  const { client, inference } = await startBench(t, { publish: publishThree });
  const cases = [
    [mixture({ alpha: -1 }), /α of nano\/math@.* is -1; it must be finite and >= 0/],
    [mixture({ alpha: Number.POSITIVE_INFINITY }), /is Infinity/],
    [mixture({ alpha: 1, alphaPerMatrix: { a: Number.NaN } }), /is NaN/],
    [mixture({ alpha: 0 }, { expert: 'code', alpha: 0 }), 'every α of the mixture is zero'],
    [mixture({}, { expert: `math@${MATH}` }), `nano/math@${MATH} stands twice in the mixture`],
    [mixture({ expert: 'base' }, { expert: 'base' }), 'base stands twice in the mixture'],
  ] as const;
  for (const [strategy, text] of cases)
    await refused(client.complete({ request: ask(strategy) }), 'INVALID_ARGUMENT', 'BAD_MIXTURE', text);
  const unknown = await refused(
    client.complete({ request: ask(mixture({}, { expert: 'a b' })) }),
    'INVALID_ARGUMENT',
    'INVALID_FIELD',
    /is not a name/,
  );
  assert.equal(unknown.details.field, 'strategy.mixture.mixture.arms[1].expert');
  assert.equal(inference.generated.length, 0);
});

test('routing without experts, without a classifier or with ambiguous ones is refused, never the base in silence', async (t) => {
  const { client, registry } = await startBench(t);
  const precondition = (
    strategy: Strategy['kind'],
    reason: 'NO_ROUTED_EXPERTS' | 'LABEL_AMBIGUOUS',
    text: string,
  ) => refused(client.complete({ request: ask(strategy) }), 'FAILED_PRECONDITION', reason, text);
  const until = async (count: number) => {
    await eventually(`${count} labels`, async () => {
      const listed = await client.listModels({}).catch(() => undefined);
      return listed?.models[0]?.routed.length === count;
    });
  };
  const clash = () =>
    eventually('a clash is seen', () =>
      client.listModels({}).then(
        () => false,
        () => true,
      ),
    );
  const none = 'nano cannot be routed: no expert with a label is published as "stable"';
  await precondition(byPrompt(), 'NO_ROUTED_EXPERTS', none);
  await precondition(byClassifier(), 'NO_ROUTED_EXPERTS', none);
  await refused(client.classify(askLabel(AUTO)), 'FAILED_PRECONDITION', 'NO_ROUTED_EXPERTS', none);
  registry.alias('math', 'stable', registry.publish({ expert: 'math' }));
  await until(1);
  await precondition(
    byClassifier(),
    'NO_ROUTED_EXPERTS',
    'nano cannot be routed: no classification expert is published as "stable"',
  );
  await refused(
    client.complete({ request: ask(byClassifier('math')) }),
    'INVALID_ARGUMENT',
    'INVALID_FIELD',
    `strategy.classifier.expert: nano/math@${MATH} is not a classification expert`,
  );
  registry.alias('judge', 'stable', registry.publish({ expert: 'judge', classifier: true }));
  registry.alias('umpire', 'stable', registry.publish({ expert: 'umpire', classifier: true }));
  const twoJudges = 'two classification experts are published for nano as "stable": judge and umpire';
  await clash();
  for (const strategy of [AUTO, byClassifier(), byPrompt()])
    await precondition(strategy, 'LABEL_AMBIGUOUS', twoJudges);
  registry.alias('umpire', 'stable', '');
  await until(1);
  registry.alias('sums', 'stable', registry.publish({ expert: 'sums', label: 'math' }));
  await clash();
  await precondition(
    byPrompt(),
    'LABEL_AMBIGUOUS',
    'two experts of nano carry the label "math" as "stable": math and sums',
  );
});

test('pass 1 needs a question, and Classify a strategy that has a pass 1', async (t) => {
  const { client, inference } = await startBench(t, {
    publish: publishThree,
    settings: { modelsMaxAgeMs: 0 },
  });
  const tokens = { input: { $case: 'tokens' as const, value: { ids: [1] } } };
  const silent = chat({ role: 'system', content: 'Be brief.' });
  const invalid = (call: Promise<unknown>, text: RegExp | string) =>
    refused(call, 'INVALID_ARGUMENT', 'INVALID_FIELD', text);
  await invalid(
    client.complete({ request: ask(byPrompt(), { prompt: tokens }) }),
    /^prompt\.tokens: token ids cannot be put/,
  );
  await invalid(
    client.classify(askLabel(AUTO, { prompt: tokens })),
    /^prompt\.tokens: token ids cannot be classified/,
  );
  await refused(
    client.classify(askLabel(byPrompt(), { prompt: silent })),
    'INVALID_ARGUMENT',
    'MISSING_FIELD',
    'prompt.chat.messages: nothing but system messages, pass 1 has no question',
  );
  for (const kind of [NONE, expert('math'), mixture({})])
    await invalid(
      client.classify(askLabel(kind)),
      `strategy: ${kind?.$case} has no pass 1; give prompt, classifier or auto`,
    );
  inference.models = [fakeModel('nano', { hasChatTemplate: false })];
  await refused(
    client.classify(askLabel(AUTO)),
    'FAILED_PRECONDITION',
    'NO_CHAT_TEMPLATE',
    'nano has no chat template for the instruction of pass 1',
  );
});

test('the model must be named where several are served, and be served', async (t) => {
  const { client, inference } = await startBench(t, { settings: { modelsMaxAgeMs: 0 } });
  const complete = (model: string) => client.complete({ request: ask(NONE, { model }) });
  await refused(complete('huge'), 'NOT_FOUND', 'UNKNOWN_MODEL', 'no model "huge" is served (served: nano)');
  inference.models = [fakeModel('nano'), fakeModel('pico')];
  await refused(
    complete(''),
    'INVALID_ARGUMENT',
    'MODEL_REQUIRED',
    '2 models are served, name one of: nano, pico',
  );
  assert.equal((await complete('pico')).receipt?.model, 'pico');
  inference.models = [];
  await refused(complete(''), 'NOT_FOUND', 'UNKNOWN_MODEL', 'inference serves no model');
  const request = { model: '', prompt: undefined };
  await refused(client.tokenize(request), 'INVALID_ARGUMENT', 'MISSING_FIELD', /a prompt is required/);
});

test("inference's own errors reach the caller unchanged, from either pass and after the first token", async (t) => {
  const { client, inference } = await startBench(t, { publish: publishThree });
  const fault = new ZmeshError('CONTEXT_EXCEEDED', 'the prompt has 600 tokens, the context 512', {
    limit: 512,
    value: 600,
    field: 'prompt',
  });
  for (const stage of ['score', 'generate', 'token'] as const) {
    inference.before = async (what) => {
      if (what === stage) throw fault;
    };
    const error = await refused(
      client.complete({ request: ask(byPrompt()) }),
      'INVALID_ARGUMENT',
      'CONTEXT_EXCEEDED',
      fault.message,
    );
    assert.deepEqual(
      [error.details.limit, error.details.value, error.details.field],
      ['512', '600', 'prompt'],
    );
  }
  let tokens = 0;
  inference.before = async (what) => {
    if (what === 'token' && ++tokens === 2)
      throw new ZmeshError('ENGINE_STOPPED', 'the engine stopped', { names: { tokens: '1' } });
  };
  const seen: (string | undefined)[] = [];
  const read = async () => {
    for await (const { event } of client.generate(ask(NONE))) seen.push(event?.$case);
  };
  await refused(read(), 'UNAVAILABLE', 'ENGINE_STOPPED', 'the engine stopped');
  assert.deepEqual(seen, ['started', 'delta']);
});

test('settings of pass 1 are taken from the request first', async (t) => {
  const { client } = await startBench(t, {
    publish: publishThree,
    env: { ZMESH_FIRST_PASS_BLEND: 'probability' },
  });
  const { classification } = await client.classify(
    askLabel({ $case: 'auto', value: { firstPass: pass({ mode: FirstPassMode.GENERATE }) } }),
  );
  assert.deepEqual(
    [classification?.mode, classification?.blend],
    [FirstPassMode.GENERATE, FirstPassBlend.TOP],
  );
});

test('a blend over more labels than a mixture has arms is refused before pass 1 is paid for', async (t) => {
  const labels = Array.from({ length: 64 }, (_, index) => `label-${index}`);
  const { client, inference } = await startBench(t, {
    publish(registry) {
      for (const label of labels) registry.alias(label, 'stable', registry.publish({ expert: label, label }));
    },
  });
  const blended = byPrompt({ blend: FirstPassBlend.PROBABILITY });
  const error = await refused(
    client.complete({ request: ask(blended, { prompt: chat('a') }) }),
    'INVALID_ARGUMENT',
    'BAD_MIXTURE',
    /64 labels and the base takes 65 arms, a mixture has at most 64/,
  );
  assert.equal(error.details.field, 'strategy.first_pass.blend');
  assert.deepEqual(inference.scored, []);
});

test('wrong sampling settings are refused before pass 1 is paid for', async (t) => {
  const { client, inference } = await startBench(t, { publish: publishThree });
  const wrong: readonly [Partial<Sampling>, string, RegExp][] = [
    [{ temperature: Number.NaN }, 'temperature', /must be in \[0, 100\], not NaN/],
    [{ temperature: -1 }, 'temperature', /not -1/],
    [{ topP: 2 }, 'top_p', /must be in \(0, 1\], not 2/],
    [{ topP: 0 }, 'top_p', /not 0/],
    [{ minP: Number.POSITIVE_INFINITY }, 'min_p', /not Infinity/],
    [{ topK: 101 }, 'top_k', /must be in \[0, 100\], not 101/],
    [{ repetitionPenalty: 0 }, 'repetition_penalty', /must be in \(0, 10\], not 0/],
    [{ topLogProbs: 21 }, 'top_log_probs', /must be in \[0, 20\], not 21/],
    [{ maxTokens: 0 }, 'max_tokens', /must be in \[1, 512\], not 0/],
    [{ maxTokens: 513 }, 'max_tokens', /not 513/],
    [{ stop: [''] }, 'stop[0]', /must have \[1, 256\] bytes, not 0/],
    [{ stop: Array(17).fill('a') }, 'stop', /at most 16 stop strings, not 17/],
  ];
  for (const [sampling, field, message] of wrong) {
    const request = ask(byPrompt(), { prompt: chat('a'), sampling: Sampling.create(sampling) });
    const error = await refused(client.complete({ request }), 'INVALID_ARGUMENT', 'INVALID_FIELD', message);
    assert.equal(error.details.field, `sampling.${field}`);
  }
  assert.deepEqual([inference.scored.length, inference.generated.length], [0, 0]);
});

test('an adaptation is not an expert and an expert not an adaptation', async (t) => {
  const { client } = await startBench(t, {
    publish(registry) {
      publishThree(registry);
      const mixed = { expert: 'mixed', label: '', mixture: { arms: [] } };
      registry.alias('mixed', 'stable', registry.publish(mixed));
    },
  });
  const complete = (kind: Strategy['kind']) => client.complete({ request: ask(kind) });
  await refused(
    complete(expert('mixed')),
    'INVALID_ARGUMENT',
    'INVALID_FIELD',
    /is an adaptation, not an expert/,
  );
  const arms = mixture({ expert: 'mixed' });
  await refused(complete(arms), 'INVALID_ARGUMENT', 'INVALID_FIELD', /is an adaptation, not an expert/);
  const asked = (adaptation: string): Strategy['kind'] => ({ $case: 'adaptation', value: { adaptation } });
  await refused(
    complete(asked('math')),
    'INVALID_ARGUMENT',
    'INVALID_FIELD',
    /is an expert, not an adaptation/,
  );
  await refused(complete(asked('')), 'INVALID_ARGUMENT', 'MISSING_FIELD', /strategy.adaptation.adaptation/);
  await refused(complete(asked('nobody')), 'NOT_FOUND', 'UNKNOWN_EXPERT', /nobody/);
});
