import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { projectRoot } from '#shared/paths.js';
import { lastFirst } from '../support/cleanup.js';
import { testHome } from '../support/mesh.js';

const home = await testHome(lastFirst({ after }));
const { zmesh } = home;

interface Said {
  readonly content: string;
  readonly receipt: {
    readonly arms: readonly { readonly expert: string }[];
    readonly usage: { readonly promptTokens: number; readonly cachedPromptTokens?: number };
  };
}

const QUESTIONS = [
  'Mia has 112 cards and buys 330 more. How many cards now?',
  'Zoe has 208 cards and gets 884 more. How many cards now?',
  'Leo has 769 apples and loses 118. How many apples now?',
];

describe('zmesh chat on a running mesh', { concurrency: false }, () => {
  before(async () => {
    const { code, err } = await zmesh('up', '--detach');
    assert.equal(code, 0, err);
  });

  it('reuses what earlier turns computed, and never under another expert: the alias moves between two turns', async () => {
    const chat = home.start('dist/services/cli/main.js', ['chat', '--expert', 'math', '--json']);
    const turn = async (question: string, number: number): Promise<Said> => {
      chat.child.stdin?.write(`${question}\n`);
      await chat.says(new RegExp(`^(.*\n){${number}}`));
      return JSON.parse(chat.out().split('\n')[number - 1]!) as Said;
    };
    const one = await turn(QUESTIONS[0]!, 1);
    assert.equal(one.receipt.usage.cachedPromptTokens ?? 0, 0);

    // The code expert's vectors become the next version of `math`, under the same alias.
    const file = join(projectRoot, 'models/octo-nano/experts/code.safetensors');
    const moved = await zmesh(
      'experts',
      'publish',
      file,
      '--name',
      'math',
      '--label',
      'math',
      '--alias',
      'stable',
    );
    assert.equal(moved.code, 0, moved.err);

    const two = await turn(QUESTIONS[1]!, 2);
    assert.notEqual(two.receipt.arms[0]!.expert, one.receipt.arms[0]!.expert);
    assert.equal(two.receipt.usage.cachedPromptTokens ?? 0, 0);
    const history = [
      { role: 'user', content: QUESTIONS[0] },
      { role: 'assistant', content: one.content },
      { role: 'user', content: QUESTIONS[1] },
    ];
    const messages = join(home.path, 'history.json');
    writeFileSync(messages, JSON.stringify(history));
    const fresh = await zmesh('generate', '--messages', messages, '--expert', two.receipt.arms[0]!.expert);
    assert.equal(fresh.out, `${two.content}\n`);

    const three = await turn(QUESTIONS[2]!, 3);
    const cached = three.receipt.usage.cachedPromptTokens ?? 0;
    assert.ok(
      cached >= two.receipt.usage.promptTokens - 16,
      `${cached} of ${three.receipt.usage.promptTokens} cached`,
    );
    chat.child.stdin?.end();
    assert.equal((await chat.finished).code, 0);
  });

  it('tells a prompt beyond the context with both numbers and goes on', async () => {
    const chat = home.start('dist/services/cli/main.js', ['chat', '--strategy', 'none']);
    chat.child.stdin?.end(`${'many words '.repeat(400)}\nHello there, Bob!\n`);
    const { code, out, err } = await chat.finished;
    assert.equal(code, 0);
    assert.match(err, /error: .*\d{3,}.*512.*\(CONTEXT_EXCEEDED\)/);
    assert.match(out, /Hi, I am Bob/);
  });
});
