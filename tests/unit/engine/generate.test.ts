import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeNext } from '../../support/fake-runtime.js';
import { GREEDY, generateMessage, startHarness } from './harness.js';

const V = 97;

/** Greedy tokens by hand. */
function greedy(prompt: readonly number[], count: number, spectrum = 0): number[] {
  const tokens = [...prompt];
  for (let i = 0; i < count; i++) tokens.push(fakeNext(tokens, spectrum, V));
  return tokens.slice(prompt.length);
}

const prompt = (length: number, seed = 1): number[] =>
  Array.from({ length }, (_, i) => (i * 31 + seed * 7) % V);

test('prompts of every length around chunk and page borders give the same tokens as computed by hand', async () => {
  const harness = startHarness({ stepTokens: 5 });
  for (let length = 1; length <= 30; length++) {
    harness.core.post(generateMessage({ id: length, prompt: Int32Array.from(prompt(length)), maxTokens: 9 }));
  }
  await harness.finish();
  for (let length = 1; length <= 30; length++) {
    assert.deepEqual(
      harness.outcome(length).answers.get(0),
      greedy(prompt(length), 9),
      `prompt of ${length}`,
    );
    assert.equal(harness.outcome(length).reasons.get(0), 'length');
  }
});

test('a step computes at most stepTokens prompt tokens, and one token of every running answer', async () => {
  const harness = startHarness({ stepTokens: 6, slots: 6 }, { pageCount: 200 });
  for (let id = 1; id <= 5; id++) {
    harness.core.post(generateMessage({ id, prompt: Int32Array.from(prompt(3 + id, id)), maxTokens: 40 }));
  }
  harness.core.post(generateMessage({ id: 6, prompt: Int32Array.from(prompt(60)), maxTokens: 2 }));
  await harness.finish();
  const longSteps = harness.runtime.steps.filter((rows) => rows.some((row) => row.tokens.length > 1));
  for (const rows of longSteps) {
    assert(rows.reduce((sum, row) => sum + row.tokens.length, 0) <= 6, 'a prompt batch passes the budget');
  }
  // The long prompt takes ten chunks; in all that time each running answer gets a token before each chunk.
  const chunks = harness.runtime.steps.flatMap((rows, at) =>
    rows.some((row) => row.tokens.length === 6) ? [at] : [],
  );
  assert(chunks.length >= 9);
  for (let i = 1; i < chunks.length; i++) {
    const between = harness.runtime.steps.slice(chunks[i - 1]! + 1, chunks[i]!);
    assert(between.some((rows) => rows.length >= 4 && rows.every((row) => row.tokens.length === 1)));
  }
});

test('n answers share the full pages of the prompt and own the rest', async () => {
  const harness = startHarness({}, { pageCount: 40 });
  const text = prompt(10);
  harness.core.post(generateMessage({ id: 1, prompt: Int32Array.from(text), n: 4, maxTokens: 6 }));
  await harness.finish();
  const decode = harness.runtime.steps.find((rows) => rows.length === 4)!;
  const pages = decode.map((row) => [...row.pages]);
  for (const row of pages) assert.deepEqual(row.slice(0, 2), pages[0]!.slice(0, 2));
  assert.equal(new Set(pages.map((row) => row[2])).size, 4);
  assert.equal(harness.runtime.copies, 3);
  for (let answer = 0; answer < 4; answer++)
    assert.deepEqual(harness.outcome(1).answers.get(answer), greedy(text, 6));
});

test('n sampled answers differ, and each equals itself when asked for alone with the same seed', async () => {
  const harness = startHarness();
  const sampling = { ...GREEDY, temperature: 3, seed: 77n };
  const text = Int32Array.from(prompt(9));
  harness.core.post(generateMessage({ id: 1, prompt: text, n: 3, maxTokens: 8, sampling }));
  harness.core.post(generateMessage({ id: 2, prompt: text, n: 1, maxTokens: 8, sampling }));
  await harness.finish();
  const answers = [...harness.outcome(1).answers.values()].map((tokens) => tokens.join());
  assert.equal(new Set(answers).size, 3);
  assert.equal(harness.outcome(2).answers.get(0)!.join(), answers[0]);
});

test('an end token ends an answer and is its last token', async () => {
  const harness = startHarness();
  const text = prompt(6);
  const expected = greedy(text, 10);
  harness.core.post(
    generateMessage({ id: 1, prompt: Int32Array.from(text), maxTokens: 10, endIds: [expected[3]!] }),
  );
  await harness.finish();
  const first = expected.indexOf(expected[3]!);
  assert.deepEqual(harness.outcome(1).answers.get(0), expected.slice(0, first + 1));
  assert.equal(harness.outcome(1).reasons.get(0), 'end');
});

test('cancelling frees the pages at the next step', async () => {
  const harness = startHarness({}, { pageCount: 20 });
  harness.core.post(generateMessage({ id: 1, prompt: Int32Array.from(prompt(40)), maxTokens: 30 }));
  harness.core.post(generateMessage({ id: 2, prompt: Int32Array.from(prompt(20)), maxTokens: 30 }));
  let cancelledAt = -1;
  harness.onMessage = (message) => {
    const tokens = harness.outcome(1).answers.get(0)?.length ?? 0;
    if (cancelledAt < 0 && tokens === 5) {
      cancelledAt = harness.runtime.steps.length;
      harness.core.post({ type: 'cancel', id: 1 });
      return;
    }
    if (message.ended.some(({ id }) => id === 1)) assert(harness.runtime.steps.length <= cancelledAt + 1);
  };
  await harness.finish();
  assert.equal(harness.outcome(1).end!.failure!.reason, 'CANCELLED');
  // The second one needs 13 of 20 pages, the first held 18 of them: it ran only because they were freed.
  assert.deepEqual(harness.outcome(2).answers.get(0), greedy(prompt(20), 30));
});

test('stopAnswer ends one answer and leaves the others', async () => {
  const harness = startHarness();
  harness.core.post(generateMessage({ id: 1, prompt: Int32Array.from(prompt(5)), n: 2, maxTokens: 20 }));
  harness.onMessage = () => {
    if (harness.outcome(1).answers.get(1)?.length === 3)
      harness.core.post({ type: 'stopAnswer', id: 1, answer: 1 });
  };
  await harness.finish();
  assert.equal(harness.outcome(1).reasons.get(1), 'stopped');
  assert(harness.outcome(1).answers.get(1)!.length <= 4);
  assert.deepEqual(harness.outcome(1).answers.get(0), greedy(prompt(5), 20));
});

test('a request that can never fit is refused with both numbers, one that fits later waits', async () => {
  const harness = startHarness({}, { pageCount: 6 });
  harness.core.post(generateMessage({ id: 1, prompt: Int32Array.from(prompt(20)), maxTokens: 6 }));
  harness.core.post(generateMessage({ id: 2, prompt: Int32Array.from(prompt(12)), maxTokens: 8 }));
  harness.core.post(generateMessage({ id: 3, prompt: Int32Array.from(prompt(13)), maxTokens: 8 }));
  await harness.finish();
  const failure = harness.outcome(1).end!.failure!;
  assert.equal(failure.reason, 'KV_CACHE_EXCEEDED');
  assert.deepEqual([failure.details.limit, failure.details.value], [6, 7]);
  assert.deepEqual(harness.outcome(2).answers.get(0), greedy(prompt(12), 8));
  assert.deepEqual(harness.outcome(3).answers.get(0), greedy(prompt(13), 8));
});

test('a full queue refuses with a time to come back, each class its own', async () => {
  const harness = startHarness({ slots: 1, queueMax: 2 });
  for (let id = 1; id <= 4; id++) harness.core.post(generateMessage({ id, prompt: Int32Array.of(id) }));
  harness.core.post(generateMessage({ id: 5, prompt: Int32Array.of(5), priority: 'batch' }));
  await harness.finish();
  const refused = [1, 2, 3, 4, 5].filter((id) => harness.outcome(id).end!.failure);
  assert.deepEqual(refused, [3, 4]);
  const { reason, details, message } = harness.outcome(4).end!.failure!;
  assert.equal(reason, 'QUEUE_FULL');
  assert.equal(message, '2 interactive requests wait; the limit is 2');
  assert(details.retryAfterMs! >= 100);
});

test('interactive requests start before batch ones that came first', async () => {
  const harness = startHarness({ slots: 1 });
  for (let id = 1; id <= 3; id++)
    harness.core.post(generateMessage({ id, prompt: Int32Array.of(id), priority: 'batch' }));
  for (let id = 4; id <= 6; id++) harness.core.post(generateMessage({ id, prompt: Int32Array.of(id) }));
  await harness.finish();
  const order = harness.messages.flatMap(({ ended }) => ended.map(({ id }) => id));
  assert.deepEqual(order, [4, 5, 6, 1, 2, 3]);
});

test('a failing step fails its requests and the engine goes on', async () => {
  const { ZmeshError } = await import('#shared/errors.js');
  let failed = false;
  const harness = startHarness(
    {},
    {
      onStep(rows) {
        if (failed || rows[0]!.pastLength === 0) return;
        failed = true;
        throw new ZmeshError('INTERNAL', 'no memory');
      },
    },
  );
  harness.core.post(generateMessage({ id: 1, prompt: Int32Array.from(prompt(5)) }));
  await new Promise((resolve) => setTimeout(resolve, 20));
  harness.core.post(generateMessage({ id: 2, prompt: Int32Array.from(prompt(6)) }));
  await harness.finish();
  assert.equal(harness.outcome(1).end!.failure!.message, 'no memory');
  assert.deepEqual(harness.outcome(2).answers.get(0), greedy(prompt(6), 4));
});

test('batch prompts take a quarter of a step while an interactive answer runs, all of it while none does', async () => {
  const promptTokens = (rows: readonly { readonly tokens: Int32Array }[]): number =>
    rows.reduce((sum, { tokens }) => sum + (tokens.length > 1 ? tokens.length : 0), 0);
  const run = async (interactive: boolean): Promise<number[]> => {
    const harness = startHarness({ stepTokens: 16 }, { pageCount: 200 });
    if (interactive) harness.core.post(generateMessage({ id: 9, prompt: Int32Array.of(5), maxTokens: 40 }));
    for (let id = 1; id <= 4; id++) {
      const text = Int32Array.from(prompt(12, id));
      harness.core.post(generateMessage({ id, prompt: text, maxTokens: 3, priority: 'batch' }));
    }
    await harness.finish();
    for (let id = 1; id <= 4; id++)
      assert.deepEqual(harness.outcome(id).answers.get(0), greedy(prompt(12, id), 3));
    return harness.runtime.steps.map(promptTokens).filter((count) => count > 0);
  };
  // A prompt that fits into a step is not cut.
  assert.deepEqual(await run(false), new Array(4).fill(12));
  assert.deepEqual(await run(true), new Array(12).fill(4));
});

test('a person who comes while a step runs does not wait for the batch work in it that has not begun', async () => {
  const kinds: string[] = [];
  const harness = startHarness(
    { stepTokens: 64 },
    {
      pageCount: 400,
      onStep(rows) {
        const people = rows.some(({ tokens }) => tokens.length === 5);
        kinds.push(people ? 'person' : `${rows[0]!.tokens.length}`);
        // The answer of the first, with prompts of 12 and 40 tokens still to come in the same step.
        if (kinds.length === 2)
          harness.core.post(generateMessage({ id: 9, prompt: Int32Array.from(prompt(5)), maxTokens: 1 }));
      },
    },
  );
  const batch = (id: number, length: number): void =>
    harness.core.post(
      generateMessage({ id, prompt: Int32Array.from(prompt(length, id)), maxTokens: 4, priority: 'batch' }),
    );
  batch(1, 6);
  harness.onMessage = () => {
    if (harness.messages.length !== 1) return;
    batch(2, 12);
    batch(3, 40);
  };
  await harness.finish();
  assert.deepEqual(kinds.slice(0, 3), ['6', '1', 'person']);
  for (const [id, length] of [
    [1, 6],
    [2, 12],
    [3, 40],
  ] as const)
    assert.deepEqual(harness.outcome(id).answers.get(0), greedy(prompt(length, id), 4));
});
