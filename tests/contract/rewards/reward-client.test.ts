import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type AnswerScore, RewardServiceService, type ScoreAnswersRequest } from '#proto/zmesh/v1/reward.js';
import { ZmeshError } from '#shared/errors.js';
import { createLog } from '#shared/log.js';
import { bind } from '#shared/rpc/bind.js';
import { serve } from '#shared/rpc/server.js';
import { connectRewards, type RewardOptions } from '#shared/tasks/reward-client.js';
import { openScorer } from '#shared/tasks/scorer.js';
import type { TaskItem } from '#shared/tasks/task.js';

/** A reward service that answers with `score`, and what it was asked. */
async function start(
  t: TestContext,
  score: (request: ScoreAnswersRequest, signal: AbortSignal) => AnswerScore[] | Promise<AnswerScore[]>,
) {
  const asked: ScoreAnswersRequest[] = [];
  const server = await serve({
    host: '127.0.0.1',
    port: 0,
    log: createLog('test', { ZMESH_LOG_LEVEL: 'silent' }),
    services: [
      bind(RewardServiceService, {
        async scoreAnswers(request, { signal }) {
          asked.push(request);
          return { scores: await score(request, signal) };
        },
      }),
    ],
  });
  t.after(() => server.drain(1000));
  return { asked, address: server.address };
}

function client(t: TestContext, options: RewardOptions) {
  const rewards = connectRewards({ backoffMs: 1, ...options });
  t.after(() => rewards.close());
  return rewards;
}

const about = (itemId: string, answer = 'x') => ({
  itemId,
  answer,
  system: '',
  prompt: 'p',
  reference: '',
  metadata: {},
});
const byLength = ({ answers }: ScoreAnswersRequest): AnswerScore[] =>
  answers.map(({ answer }) => ({ reward: answer.length / 10, detail: `${answer.length} letters` }));

test('answers asked for together travel in batches, and each gets its own reward', async (t) => {
  const { asked, address } = await start(t, byLength);
  const rewards = client(t, { address, batchMax: 3, task: 'length' });
  const verdicts = await Promise.all(
    ['', 'a', 'ab', 'abc', 'abcd'].map((answer, i) => rewards.score(about(`q${i}`, answer))),
  );
  assert.deepEqual(
    verdicts.map(({ reward, correct }) => [reward, correct]),
    [
      [0, false],
      [0.1, true],
      [0.2, true],
      [0.3, true],
      [0.4, true],
    ],
  );
  assert.equal(verdicts[3]?.detail, '3 letters');
  assert.deepEqual(
    asked.map(({ task, answers }) => [task, answers.map(({ itemId }) => itemId).join()]),
    [
      ['length', 'q0,q1,q2'],
      ['length', 'q3,q4'],
    ],
  );
  assert.notEqual(asked[0]?.requestId, asked[1]?.requestId);
});

test('a reward that is no number in [-1, 1] is refused with the number and the question', async (t) => {
  for (const [reward, text] of [
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, 'Infinity'],
    [1.5, '1.5'],
    [-1.000001, '-1.000001'],
  ] as const) {
    const { asked, address } = await start(t, () => [
      { reward: 1, detail: '' },
      { reward, detail: '' },
    ]);
    const rewards = client(t, { address });
    const refused = {
      reason: 'BAD_REWARD',
      message: `the reward service at ${address} gave ${text} for "q2"; rewards are from -1 to 1`,
    };
    const both = await Promise.allSettled([rewards.score(about('q1')), rewards.score(about('q2'))]);
    for (const one of both) {
      assert.equal(one.status, 'rejected');
      assert.equal(one.reason.reason, refused.reason);
      assert.equal(one.reason.message, refused.message);
    }
    assert.equal(asked.length, 1);
  }
});

test('another number of scores than answers is refused', async (t) => {
  const { address } = await start(t, () => []);
  await assert.rejects(client(t, { address }).score(about('q')), {
    reason: 'BAD_REWARD',
    message: `the reward service at ${address} gave 0 scores for 1 answers`,
  });
});

test('a service that is not available is asked again, with the same id, a bounded number of times', async (t) => {
  let calls = 0;
  const { asked, address } = await start(t, (request) => {
    if (++calls < 3) throw new ZmeshError('DRAINING', 'coming up');
    return byLength(request);
  });
  const { reward } = await client(t, { address }).score(about('q', 'abcde'));
  assert.equal(reward, 0.5);
  assert.equal(asked.length, 3);
  assert.equal(new Set(asked.map(({ requestId }) => requestId)).size, 1);

  const never = await start(t, () => {
    throw new ZmeshError('DRAINING', 'not yet');
  });
  await assert.rejects(client(t, { address: never.address, attempts: 2 }).score(about('q')), {
    reason: 'DRAINING',
    message: `the reward service at ${never.address}, 2 times: not yet`,
  });
  assert.equal(never.asked.length, 2);
});

test('nobody at the address is REWARD_UNAVAILABLE', async (t) => {
  const rewards = client(t, { address: '127.0.0.1:9', attempts: 2 });
  await assert.rejects(rewards.score(about('q')), { reason: 'REWARD_UNAVAILABLE', code: 'UNAVAILABLE' });
});

test("the service's own refusals and faults are not tried again", async (t) => {
  for (const reason of ['INVALID_FIELD', 'INTERNAL'] as const) {
    const { asked, address } = await start(t, () => {
      throw new ZmeshError(reason, 'no');
    });
    await assert.rejects(client(t, { address }).score(about('q')), { reason });
    assert.equal(asked.length, 1);
  }
});

test('a service that takes too long is left at the deadline, and the caller may leave sooner', async (t) => {
  const { asked, address } = await start(
    t,
    (_, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
      }),
  );
  await assert.rejects(client(t, { address, deadlineMs: 100 }).score(about('q')), { reason: 'DEADLINE' });
  assert.equal(asked.length, 1);
  const leaving = new AbortController();
  const scored = client(t, { address }).score(about('q'), leaving.signal);
  setTimeout(() => leaving.abort(new ZmeshError('CANCELLED', 'enough')), 50);
  await assert.rejects(scored, { reason: 'CANCELLED', message: 'enough' });
});

test("a scorer hands on what a task says, to the question's own service or the scorer's", async (t) => {
  const { asked, address } = await start(t, byLength);
  const item = (id: string, own: string | undefined): TaskItem => ({
    id,
    prompt: 'Say it shortly.',
    system: 'Be brief.',
    answers: [],
    maxTokens: undefined,
    verifier: {
      type: 'reward-service',
      reference: 'short',
      metadata: { level: '2' },
      ...(own === undefined ? {} : { address: own }),
    },
  });
  const items = [item('a', undefined), item('b', address)];
  const scorer = await openScorer(items, { task: 'brief', rewards: { address } });
  const verdicts = await scorer.score(items.map((one) => ({ item: one, answer: 'abc' })));
  scorer.close();
  assert.deepEqual(
    verdicts.map(({ reward }) => reward),
    [0.3, 0.3],
  );
  assert.equal(asked.length, 1);
  const { task, answers } = asked[0]!;
  assert.equal(task, 'brief');
  assert.deepEqual(answers[0], {
    itemId: 'a',
    system: 'Be brief.',
    prompt: 'Say it shortly.',
    answer: 'abc',
    reference: 'short',
    metadata: { level: '2' },
  });
  const without = await openScorer(items);
  await assert.rejects(without.score([{ item: items[0]!, answer: 'abc' }]), {
    reason: 'INVALID_FIELD',
    message: 'no reward service is known for "a": name its address',
  });
});
