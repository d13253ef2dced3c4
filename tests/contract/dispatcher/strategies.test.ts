import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FinishReason, Normalisation } from '#proto/zmesh/v1/common.js';
import { FirstPassBlend, FirstPassMode, type Receipt } from '#proto/zmesh/v1/dispatcher.js';
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
  publishThree,
  startBench,
} from './harness.js';

const MATH = sha256Hex('nano', 'math', '');
const CODE = sha256Hex('nano', 'code', '');
const JUDGE = sha256Hex('nano', 'judge', '');

/** Log-likelihoods that a softmax turns into these probabilities. */
const likely = (shares: Readonly<Record<string, number>>) => (label: string) =>
  Math.log(shares[label] ?? 1e-9) - 3;

const armsOf = (receipt: Receipt | undefined) =>
  receipt?.arms.map(({ expert, requested, alpha }) => [expert, requested, alpha]);

test('none answers with the base and asks neither the registry nor for a label', async (t) => {
  const { client, inference } = await startBench(t);
  const { answers, receipt } = await client.complete({ request: ask(NONE) });
  assert.equal(answers[0]?.text, 'one two');
  assert.deepEqual(inference.generated[0]?.mixture?.arms, []);
  assert.equal(inference.scored.length, 0);
  assert.equal(receipt?.strategyUsed, 'none');
  assert.equal(receipt?.normalisation, Normalisation.UNSPECIFIED);
  assert.equal(receipt?.classification, undefined);
  assert.equal(receipt?.firstPass, undefined);
});

test('expert answers under the exact version that its alias, its version or a beginning of it names', async (t) => {
  const { client, inference, registry } = await startBench(t, { publish: publishThree });
  const second = registry.publish({ expert: 'math' }, 'second');
  registry.alias('math', 'next', second);
  for (const [name, version, requested] of [
    ['math', MATH, 'math@stable'],
    ['nano/math@stable', MATH, 'math@stable'],
    ['math@next', second, 'math@next'],
    [`math@${second}`, second, `math@${second}`],
    [`math@${MATH.slice(0, 8)}`, MATH, `math@${MATH.slice(0, 8)}`],
  ] as const) {
    const { receipt } = await client.complete({ request: ask({ $case: 'expert', value: { expert: name } }) });
    assert.deepEqual(inference.generated.at(-1)?.mixture?.arms, [
      { expert: `math@${version}`, alpha: 1, alphaPerMatrix: {} },
    ]);
    assert.deepEqual(armsOf(receipt), [[`nano/math@${version}`, requested, 1]]);
  }
});

test('the next request uses an alias that was moved', async (t) => {
  const { client, inference, registry } = await startBench(t, { publish: publishThree });
  const second = registry.publish({ expert: 'math' }, 'second');
  registry.alias('math', 'stable', second);
  const expected = `math@${second}`;
  await eventually('the moved alias is used', async () => {
    await client.complete({ request: ask({ $case: 'expert', value: { expert: 'math' } }) });
    return inference.generated.at(-1)?.mixture?.arms[0]?.expert === expected;
  });
});

test('a version that the watch has not told yet is found by asking the registry', async (t) => {
  const { client, inference, registry } = await startBench(t, { publish: publishThree });
  const version = registry.hide({ expert: 'fresh' });
  await client.complete({ request: ask({ $case: 'expert', value: { expert: `fresh@${version}` } }) });
  assert.equal(inference.generated[0]?.mixture?.arms[0]?.expert, `fresh@${version}`);
  assert.deepEqual(registry.lookUps, [`nano/fresh@${version}`]);
});

test('mixture passes α on, for every matrix, with exact versions and the base as an arm', async (t) => {
  const { client, inference } = await startBench(t, { publish: publishThree });
  const arms = [
    { expert: 'math', alpha: 0.25, alphaPerMatrix: { 'a.weight': 0.5 } },
    { expert: 'base', alpha: 0.75, alphaPerMatrix: {} },
  ];
  const { receipt } = await client.complete({
    request: ask({ $case: 'mixture', value: { mixture: { arms } } }),
  });
  assert.deepEqual(inference.generated[0]?.mixture?.arms, [
    { expert: `math@${MATH}`, alpha: 0.25, alphaPerMatrix: { 'a.weight': 0.5 } },
    { expert: 'base', alpha: 0.75, alphaPerMatrix: {} },
  ]);
  assert.deepEqual(receipt?.arms[0]?.alphaPerMatrix, { 'a.weight': 0.5 });
  await client.complete({ request: ask({ $case: 'mixture', value: { mixture: { arms: [] } } }) });
  assert.deepEqual(inference.generated[1]?.mixture?.arms, []);
});

test('prompt scores every label and other under the base, each with the end of turn, and takes the best expert', async (t) => {
  const { client, inference } = await startBench(t, { publish: publishThree });
  inference.likelihood = likely({ math: 0.1, code: 0.7, other: 0.2 });
  const { receipt } = await client.complete({ request: ask(byPrompt()) });
  const [scored] = inference.scored;
  assert.deepEqual(scored?.mixture?.arms, []);
  assert.deepEqual(
    scored?.continuations.map(({ input, endOfTurn }) => [input?.value, endOfTurn]),
    [
      ['code', true],
      ['math', true],
      ['other', true],
    ],
  );
  assert.deepEqual(armsOf(receipt), [[`nano/code@${CODE}`, 'code@stable', 1]]);
  const { classification } = receipt!;
  assert.equal(classification?.label, 'code');
  assert.equal(classification.abstained, false);
  assert.equal(classification.classifier, '');
  assert.equal(classification.mode, FirstPassMode.SCORE);
  assert.deepEqual(
    classification.labels.map(({ label, probability, expert }) => [
      label,
      Number(probability.toFixed(12)),
      expert,
    ]),
    [
      ['code', 0.7, `nano/code@${CODE}`],
      ['other', 0.2, ''],
      ['math', 0.1, `nano/math@${MATH}`],
    ],
  );
  assert.equal(classification.labels[0]?.logLikelihood, Math.log(0.7) - 3);
});

test("the instruction is the model's own, else one made of labels and descriptions; the question follows without system messages", async (t) => {
  const { client, inference } = await startBench(t, { publish: publishThree });
  const prompt = chat(
    { role: 'system', content: 'Be brief.' },
    'One?',
    { role: 'assistant', content: 'Two.' },
    'Three?',
  );
  const question = prompt.input?.$case === 'chat' ? prompt.input.value.messages.slice(1) : [];
  await client.classify(askLabel(byPrompt(), { prompt }));
  const general = [
    'Decide which category the conversation below belongs to. Answer with the name of the category and nothing else.',
    'Categories:',
    '- code',
    '- math: sums',
    '- other: none of the above',
  ].join('\n');
  assert.deepEqual(inference.scored[0]?.prompt?.input?.value, {
    messages: [{ role: 'system', content: general }, ...question],
  });
});

test("a model's own instruction is used, and a raw text becomes the user's message", async (t) => {
  const { client, inference } = await startBench(t, {
    publish: publishThree,
    settings: { modelsMaxAgeMs: 0 },
  });
  inference.models = [fakeModel('nano', { classificationSystem: 'Classify:' })];
  await client.classify(askLabel(byPrompt(), { prompt: { input: { $case: 'text', value: 'raw' } } }));
  assert.deepEqual(inference.scored[0]?.prompt?.input?.value, {
    messages: [
      { role: 'system', content: 'Classify:' },
      { role: 'user', content: 'raw' },
    ],
  });
});

test('classifier judges under the published classification expert, or under a named one', async (t) => {
  const { client, inference, registry } = await startBench(t, { publish: publishThree });
  inference.likelihood = likely({ math: 0.9 });
  const { receipt } = await client.complete({ request: ask(byClassifier()) });
  assert.deepEqual(inference.scored[0]?.mixture?.arms, [
    { expert: `judge@${JUDGE}`, alpha: 1, alphaPerMatrix: {} },
  ]);
  assert.equal(receipt?.classification?.classifier, `nano/judge@${JUDGE}`);
  assert.deepEqual(armsOf(receipt), [[`nano/math@${MATH}`, 'math@stable', 1]]);
  const other = registry.hide({ expert: 'judge', classifier: true });
  await client.complete({ request: ask(byClassifier(`judge@${other}`)) });
  assert.equal(inference.scored[1]?.mixture?.arms[0]?.expert, `judge@${other}`);
});

test('other is the base, in either blend', async (t) => {
  const { client, inference } = await startBench(t, { publish: publishThree });
  inference.likelihood = likely({ other: 0.8, math: 0.2 });
  for (const blend of [FirstPassBlend.TOP, FirstPassBlend.PROBABILITY]) {
    const { receipt } = await client.complete({ request: ask(byPrompt({ blend })) });
    assert.equal(receipt?.classification?.label, 'other');
    assert.equal(receipt.classification.abstained, false);
    assert.deepEqual(inference.generated.at(-1)?.mixture?.arms, []);
  }
});

test('under the abstain threshold the base answers, at it the expert does', async (t) => {
  const { client, inference } = await startBench(t, { publish: publishThree });
  // Equal likelihoods of 3 labels: the best has exactly 1/3.
  for (const [abstainThreshold, abstained] of [
    [1 / 3, false],
    [1 / 3 + 1e-9, true],
    [0, false],
    [1, true],
    [undefined, true],
  ] as const) {
    const { receipt } = await client.complete({ request: ask(byPrompt({ abstainThreshold })) });
    assert.equal(receipt?.classification?.abstained, abstained, String(abstainThreshold));
    assert.equal(receipt.classification.abstainThreshold, abstainThreshold ?? 0.5);
    assert.equal(receipt.classification.label, 'code');
    assert.equal(inference.generated.at(-1)?.mixture?.arms.length, abstained ? 0 : 1);
  }
});

test('blending by probability mixes all experts, gives the share of other to the base, and sums to 1', async (t) => {
  const { client, inference } = await startBench(t, { publish: publishThree });
  inference.likelihood = likely({ math: 0.6, code: 0.1, other: 0.3 });
  const blend = FirstPassBlend.PROBABILITY;
  const { receipt } = await client.complete({ request: ask(byClassifier('', { blend })) });
  const arms = inference.generated[0]?.mixture?.arms ?? [];
  assert.deepEqual(
    arms.map(({ expert, alpha }) => [expert, Number(alpha.toFixed(12))]),
    [
      [`code@${CODE}`, 0.1],
      [`math@${MATH}`, 0.6],
      ['base', 0.3],
    ],
  );
  assert(Math.abs(arms.reduce((sum, { alpha }) => sum + alpha, 0) - 1) < 1e-12);
  assert.equal(receipt?.classification?.blend, FirstPassBlend.PROBABILITY);
});

test('in generate mode the model writes the label; what is no label, or not over in time, is other', async (t) => {
  const { client, inference } = await startBench(t, {
    publish: publishThree,
    settings: { labelTokensMax: 9 },
  });
  const mode = FirstPassMode.GENERATE;
  for (const [written, finish, label] of [
    ['math', FinishReason.STOP, 'math'],
    [' code\n', FinishReason.STOP, 'code'],
    ['other', FinishReason.STOP, 'other'],
    ['Math', FinishReason.STOP, 'other'],
    ['math and code', FinishReason.STOP, 'other'],
    ['math', FinishReason.LENGTH, 'other'],
  ] as const) {
    inference.answer = () => written;
    inference.finish = finish;
    const { classification, receipt } = await client.classify(askLabel(byClassifier('', { mode })));
    assert.equal(classification?.label, label, written);
    assert.equal(classification.written, written);
    assert.equal(classification.confidence, 1);
    assert.deepEqual(
      classification.labels.map(({ probability, logLikelihood }) => [probability, logLikelihood]),
      [
        [1, undefined],
        [0, undefined],
        [0, undefined],
      ],
    );
    assert.equal(receipt?.arms.length, label === 'other' ? 0 : 1);
  }
  const [first] = inference.generated;
  assert.equal(first?.sampling?.maxTokens, 9);
  assert.equal(first.sampling.temperature, 0);
  assert.equal(first.mixture?.arms[0]?.expert, `judge@${JUDGE}`);
});

test('auto takes the classifier, else the prompt, else none, and says which and why', async (t) => {
  const { client, registry } = await startBench(t);
  const auto = async () => {
    const { receipt } = await client.complete({ request: ask(AUTO) });
    return [receipt?.strategy, receipt?.strategyUsed, receipt?.strategyReason];
  };
  const once = (used: string) =>
    eventually(used, async () => {
      const found = await auto();
      return found[1] === used && found;
    });
  assert.deepEqual(await auto(), ['auto', 'none', 'no expert with a label is published as "stable"']);
  publishThree(registry, false);
  assert.deepEqual(await once('prompt'), [
    'auto',
    'prompt',
    'no classification expert is published as "stable", but 2 experts with labels are',
  ]);
  registry.alias('judge', 'stable', registry.publish({ expert: 'judge', classifier: true }));
  assert.deepEqual(await once('classifier'), [
    'auto',
    'classifier',
    'judge@stable is the published classification expert',
  ]);
});

test('auto cannot classify token ids nor models without a template: the base answers and the receipt says why', async (t) => {
  const { client, inference } = await startBench(t, {
    publish: publishThree,
    settings: { modelsMaxAgeMs: 0 },
  });
  const prompt = { input: { $case: 'tokens' as const, value: { ids: [1, 2] } } };
  const tokens = await client.complete({ request: ask(AUTO, { prompt }) });
  assert.equal(tokens.receipt?.strategyUsed, 'none');
  assert.equal(tokens.receipt.strategyReason, 'token ids cannot be put into the instruction of pass 1');
  inference.models = [fakeModel('nano', { hasChatTemplate: false })];
  const bare = await client.complete({ request: ask(AUTO) });
  assert.equal(bare.receipt?.strategyUsed, 'none');
  assert.equal(bare.receipt.strategyReason, 'nano has no chat template for the instruction of pass 1');
});

test("a request without a strategy gets the deployment's, with the deployment's first pass", async (t) => {
  const { client, inference } = await startBench(t, {
    publish: publishThree,
    env: {
      ZMESH_DEFAULT_STRATEGY: 'prompt',
      ZMESH_ROUTED_ALIAS: 'stable',
      ZMESH_ABSTAIN_THRESHOLD: '0.9',
      ZMESH_FIRST_PASS_BLEND: 'probability',
    },
  });
  inference.likelihood = likely({ math: 0.95, other: 0.05 });
  const { receipt } = await client.complete({ request: ask(undefined, { strategy: undefined }) });
  assert.equal(receipt?.strategy, 'prompt');
  assert.equal(receipt.classification?.abstainThreshold, 0.9);
  assert.equal(receipt.arms.length, 3);
  const { models } = await client.listModels({});
  assert.equal(models[0]?.defaultStrategy, 'prompt');
  assert.equal(models[0]?.classifier, `nano/judge@${JUDGE}`);
  assert.deepEqual(models[0]?.routed, [
    { label: 'code', description: '', expert: `nano/code@${CODE}` },
    { label: 'math', description: 'sums', expert: `nano/math@${MATH}` },
  ]);
});

test('adaptation answers under the arms that were published under its name', async (t) => {
  const arms = [
    { expert: `math@${MATH}`, alpha: 0.75, alphaPerMatrix: { 'a.weight': 0.5 } },
    { expert: 'base', alpha: 0.25, alphaPerMatrix: {} },
  ];
  const { client, inference, registry } = await startBench(t, {
    publish(fresh) {
      publishThree(fresh);
      fresh.alias('my-task', 'stable', fresh.publish({ expert: 'my-task', label: '', mixture: { arms } }));
    },
  });
  const { receipt } = await client.complete({
    request: ask({ $case: 'adaptation', value: { adaptation: 'my-task' } }),
  });
  assert.deepEqual(inference.generated[0]?.mixture?.arms, arms);
  assert.match(receipt?.adaptation ?? '', /^nano\/my-task@[0-9a-f]{64}$/);
  assert.deepEqual(armsOf(receipt), [
    [`nano/math@${MATH}`, `math@${MATH}`, 0.75],
    ['base', 'base', 0.25],
  ]);
  const version = registry.publish({ expert: 'nothing-helps', label: '', mixture: { arms: [] } });
  const name = `nothing-helps@${version}`;
  await eventually('the second one is known', () =>
    client.complete({ request: ask({ $case: 'adaptation', value: { adaptation: name } }) }).then(
      () => true,
      () => false,
    ),
  );
  assert.deepEqual(inference.generated.at(-1)?.mixture?.arms, []);
});

test('auto falls back to the prompt when the classification expert was trained on other labels, and says so', async (t) => {
  const { client, inference, registry } = await startBench(t, {
    publish(fresh) {
      publishThree(fresh, false);
      const judge = { expert: 'judge', classifier: true, categories: ['code', 'math', 'other'] };
      fresh.alias('judge', 'stable', fresh.publish(judge));
    },
  });
  inference.likelihood = likely({ math: 0.9, code: 0.05, other: 0.05 });
  const first = await client.complete({ request: ask(AUTO) });
  assert.equal(first.receipt?.strategyUsed, 'classifier');
  registry.alias('law', 'stable', registry.publish({ expert: 'law', label: 'law' }));
  await eventually('the new label is known', async () => {
    const { receipt } = await client.complete({ request: ask(AUTO) });
    return receipt?.strategyUsed === 'prompt' && receipt.strategyReason;
  });
  const { receipt } = await client.complete({ request: ask(AUTO) });
  assert.equal(
    receipt?.strategyReason,
    'judge@stable was trained on the labels code, math, other, published are code, law, math, other: it must be trained again',
  );
});
