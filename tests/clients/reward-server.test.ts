import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { projectRoot } from '#shared/paths.js';
import { openScorer, type Scorer } from '#shared/tasks/scorer.js';
import type { TaskItem } from '#shared/tasks/task.js';
import { cacheOf, isAsked, LANGUAGES } from './languages.js';
import { withProgress } from './progress.js';

const FOLDER = join(projectRoot, 'tests/clients/python');

const about = (id: string, reference: string): TaskItem => ({
  id,
  prompt: 'Which planet is the red one?',
  system: undefined,
  answers: [],
  maxTokens: undefined,
  verifier: { type: 'reward-service', reference },
});

describe("a customer's reward service in Python", { skip: !isAsked('python') }, () => {
  let scorer: Scorer;
  let stop = async (): Promise<void> => {};
  before(async () => {
    const cache = cacheOf('python');
    const python = LANGUAGES.find(({ name }) => name === 'python')!;
    await withProgress('python: building the reward service', () => python.build(FOLDER, cache));
    const env = { ...process.env, PYTHONPATH: join(cache, 'gen'), PYTHONDONTWRITEBYTECODE: '1' };
    const child = spawn(join(cache, 'venv/bin/python'), [join(FOLDER, 'reward_server.py')], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'exit');
    stop = async () => {
      child.kill();
      await ended;
    };
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    const address = /^listening on (\S+)$/.exec(line)?.[1] ?? assert.fail(line);
    scorer = await openScorer([about('a', 'Mars')], { rewards: { address } });
  });
  after(async () => {
    scorer?.close();
    await stop();
  });

  it('rewards each answer of a batch', async () => {
    const item = about('a', 'Mars');
    const answers = ['It is Mars.', 'It is Venus.', `Mars${'!'.repeat(296)}`];
    const verdicts = await scorer.score(answers.map((answer) => ({ item, answer })));
    assert.deepEqual(
      verdicts.map(({ reward, correct, detail }) => [reward, correct, detail]),
      [
        [1, true, '11 characters'],
        [-1, false, 'the reference is missing'],
        [0.5, true, '300 characters'],
      ],
    );
  });

  it('refuses in its own words, and is asked once', async () => {
    await assert.rejects(scorer.score([{ item: about('b', ''), answer: 'Mars' }]), {
      reason: 'INVALID_FIELD',
      message: /: answers\[0\] \(b\) has no reference$/,
    });
  });
});
