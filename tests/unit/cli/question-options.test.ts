import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FirstPassBlend, FirstPassMode } from '#proto/zmesh/v1/dispatcher.js';
import { defineCommand, type Options, UsageError } from '#services/cli/command.js';
import {
  PROMPT_OPTIONS,
  promptOf,
  SAMPLING_OPTIONS,
  STRATEGY_OPTIONS,
  samplingOf,
  strategyOf,
} from '#services/cli/question-options.js';
import { fakeIo } from '../../support/fake-io.js';

/** Parses as a command would and hands the values to `use`. */
async function given<const O extends Options, T>(
  options: O,
  args: readonly string[],
  use: (values: Parameters<Parameters<typeof defineCommand<O>>[0]['run']>[0]['values']) => T | Promise<T>,
): Promise<T> {
  let result: T | undefined;
  const command = defineCommand({
    path: 'test',
    summary: '',
    options,
    examples: [],
    async run({ values }) {
      result = await use(values);
      return 0;
    },
  });
  await command.execute(args, fakeIo());
  return result as T;
}

const strategy = (...args: string[]) => given(STRATEGY_OPTIONS, args, strategyOf);
const sampling = (...args: string[]) => given(SAMPLING_OPTIONS, args, samplingOf);
const prompt = (question: string | undefined, ...args: string[]) =>
  given(PROMPT_OPTIONS, args, (values) => promptOf(question, values, fakeIo({ input: 'from stdin\n' })));

describe('options of a question', () => {
  it('leaves the strategy to the deployment where none is given', async () => {
    assert.equal(await strategy(), undefined);
  });

  it('reads an expert, a mixture and a first pass', async () => {
    assert.deepEqual(await strategy('--expert', 'math@stable'), {
      kind: { $case: 'expert', value: { expert: 'math@stable' } },
    });
    assert.deepEqual(await strategy('--mix', 'math=0.7, base=0.3'), {
      kind: {
        $case: 'mixture',
        value: {
          mixture: {
            arms: [
              { expert: 'math', alpha: 0.7, alphaPerMatrix: {} },
              { expert: 'base', alpha: 0.3, alphaPerMatrix: {} },
            ],
          },
        },
      },
    });
    assert.deepEqual(await strategy('-s', 'prompt', '--first-pass', 'generate', '--abstain', '0'), {
      kind: {
        $case: 'prompt',
        value: {
          firstPass: { mode: FirstPassMode.GENERATE, blend: FirstPassBlend.UNSPECIFIED, abstainThreshold: 0 },
        },
      },
    });
  });

  it('refuses what contradicts itself', async () => {
    for (const args of [
      ['-s', 'none', '-e', 'math'],
      ['-e', 'math', '--mix', 'math=1'],
      ['-s', 'none', '--blend', 'top'],
      ['--blend', 'top'],
      ['-s', 'best'],
      ['--mix', 'math'],
      ['--mix', 'math=a'],
      ['--mix', 'math=1=2'],
      ['-s', 'auto', '--abstain', '1.5'],
    ])
      await assert.rejects(strategy(...args), UsageError, args.join(' '));
  });

  it('makes a chat of a question, a raw text of --raw, ids of --tokens, and reads stdin', async () => {
    assert.deepEqual(await prompt('hi', '--system', 'Be brief.'), {
      input: {
        $case: 'chat',
        value: {
          messages: [
            { role: 'system', content: 'Be brief.' },
            { role: 'user', content: 'hi' },
          ],
        },
      },
    });
    assert.deepEqual(await prompt('hi', '--raw'), { input: { $case: 'text', value: 'hi' } });
    assert.deepEqual(await prompt(undefined, '--tokens', '1, 2,3'), {
      input: { $case: 'tokens', value: { ids: [1, 2, 3] } },
    });
    assert.deepEqual(await prompt(undefined, '--raw'), { input: { $case: 'text', value: 'from stdin' } });
    await assert.rejects(prompt('hi', '--tokens', '1'), UsageError);
    await assert.rejects(prompt(undefined, '--tokens', '1,-2'), UsageError);
    await assert.rejects(prompt(undefined, '--messages', '/nowhere/x.json'), UsageError);
  });

  it('leaves sampling settings that were not given to their defaults', async () => {
    const settings = await sampling();
    for (const name of [
      'maxTokens',
      'temperature',
      'topK',
      'topP',
      'minP',
      'repetitionPenalty',
      'seed',
    ] as const)
      assert.equal(settings[name], undefined, name);
    assert.deepEqual(settings.stop, []);
  });

  it('keeps 64-bit seeds exact and refuses larger ones', async () => {
    assert.equal((await sampling('--seed', '18446744073709551615')).seed, 18446744073709551615n);
    await assert.rejects(sampling('--seed', '18446744073709551616'), UsageError);
    await assert.rejects(sampling('--seed', '-1'), UsageError);
  });

  it('collects repeated stop strings', async () => {
    assert.deepEqual((await sampling('--stop', 'a', '--stop', 'b')).stop, ['a', 'b']);
  });
});
