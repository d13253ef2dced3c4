import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GenerateMessage } from '#services/inference/engine/protocol.js';
import { fakeNext } from '../../support/fake-runtime.js';
import { generateMessage, scoreMessage, startHarness } from './harness.js';

const V = 97;
const OPERATIONS = 10_000;
const LIMITS = { stepTokens: 12, slots: 10, queueMax: 40 };
const PAGES = 48;

for (const prefixBytes of [0, 80]) {
  test(`10 000 random operations with ${prefixBytes / 4} kept pages: pages add up after each step, limits hold, every answer is right`, () =>
    operateAtRandom(prefixBytes));
}

async function operateAtRandom(prefixBytes: number): Promise<void> {
  const random = randomNumbers(4242);
  const requests = new Map<number, GenerateMessage>();
  const cancelled = new Set<number>();
  const stopped = new Set<number>();
  let operations = 0;
  const tokens = (count: number): Int32Array => Int32Array.from({ length: count }, () => random(V));
  /** Half of the prompts share a beginning. */
  const beginning = tokens(40);
  const promptTokens = (): Int32Array =>
    Int32Array.of(...beginning.subarray(0, random(2) * random(38)), ...tokens(1 + random(20)));
  const operate = (): void => {
    operations++;
    const id = operations;
    const what = random(10);
    const priority = random(2) === 0 ? ('batch' as const) : ('interactive' as const);
    if (what < 4) {
      const n = 1 + random(4) * random(2);
      const request = generateMessage({ id, prompt: promptTokens(), n, maxTokens: 1 + random(20), priority });
      requests.set(id, request);
      harness.core.post(request);
    } else if (what < 6) {
      const continuations = Array.from({ length: random(5) }, () => tokens(1 + random(20)));
      harness.core.post(
        scoreMessage({ id, prompt: promptTokens(), continuations, logits: 'last', priority }),
      );
    } else if (what < 8) {
      const victim = Math.max(1, id - random(20));
      cancelled.add(victim);
      harness.core.post({ type: 'cancel', id: victim });
    } else {
      const victim = Math.max(1, id - random(25));
      stopped.add(victim);
      harness.core.post({ type: 'stopAnswer', id: victim, answer: random(4) });
    }
  };
  const harness = startHarness(
    { ...LIMITS, prefixBytes },
    {
      pageCount: PAGES,
      onStep(rows) {
        harness.core.checkIntegrity();
        assert(rows.length <= LIMITS.slots, 'more rows than slots');
        const longest = Math.max(...rows.map((row) => row.tokens.length));
        if (longest > 1) assert(rows.reduce((sum, row) => sum + row.tokens.length, 0) <= LIMITS.stepTokens);
        // Bursts and quiet times.
        for (let i = random(8) === 0 ? random(30) : 0; i > 0 && operations < OPERATIONS; i--) operate();
      },
    },
  );
  while (operations < OPERATIONS) {
    operate();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await harness.finish();
  harness.core.checkIntegrity();

  let cachedTokens = 0;
  const counts = { complete: 0, cancelled: 0, refused: 0 };
  for (const [id, { prompt, n, maxTokens }] of requests) {
    const { end, answers } = harness.outcome(id);
    assert(end, `request ${id} was never answered`);
    const reason = end.failure?.reason;
    if (reason === 'QUEUE_FULL' || reason === 'KV_CACHE_EXCEEDED') counts.refused++;
    else if (reason === 'CANCELLED') counts.cancelled++;
    else {
      assert.equal(reason, undefined);
      counts.complete++;
      cachedTokens += end.times.cachedTokens;
    }
    assert(reason !== 'CANCELLED' || cancelled.has(id), `request ${id} was cancelled by nobody`);
    for (let answer = 0; answer < n; answer++) {
      const got = answers.get(answer) ?? [];
      assert.deepEqual(got, greedy([...prompt], got.length), `request ${id}, answer ${answer}`);
      if (reason === undefined && !stopped.has(id)) assert.equal(got.length, maxTokens);
    }
  }
  for (const [kind, count] of Object.entries(counts))
    assert(count > 100, `${count} ${kind}: the case hardly happened`);
  assert.equal(cachedTokens > 1000, prefixBytes > 0, `${cachedTokens} prompt tokens came from kept pages`);
}

test('batch requests leave a quarter of slots and pages to people while anything runs', async () => {
  const harness = startHarness({ slots: 8 }, { pageCount: 40 });
  for (let id = 1; id <= 20; id++)
    harness.core.post(generateMessage({ id, prompt: Int32Array.of(id), maxTokens: 12, priority: 'batch' }));
  let interactiveEnd = -1;
  harness.onMessage = (message) => {
    if (message.load.running > 0 && interactiveEnd < 0) assert(message.load.running <= 7);
    if (harness.messages.length === 3)
      harness.core.post(generateMessage({ id: 100, prompt: Int32Array.of(1), maxTokens: 2 }));
    if (message.ended.some(({ id }) => id === 100)) interactiveEnd = harness.messages.length;
  };
  await harness.finish();
  // It came during the third step and had its two tokens within the next four messages: no batch request had to end first.
  assert(interactiveEnd > 0 && interactiveEnd <= 8, `ended at message ${interactiveEnd}`);
});

for (const [what, limits, pageCount] of [
  ['slots', { slots: 4 }, 400],
  ['pages', { slots: 8 }, 24],
] as const) {
  test(`what an answer had is free when it ends, though its request goes on: ${what}`, async () => {
    const endsAt = async (stop: boolean): Promise<{ readonly long: number; readonly short: number }> => {
      const harness = startHarness(limits, { pageCount });
      harness.core.post(generateMessage({ id: 1, prompt: Int32Array.of(1), n: 4, maxTokens: 24 }));
      harness.core.post(generateMessage({ id: 2, prompt: Int32Array.of(2), n: 3, maxTokens: 8 }));
      harness.onMessage = () => {
        if (stop && harness.messages.length === 3)
          for (const answer of [0, 1, 3]) harness.core.post({ type: 'stopAnswer', id: 1, answer });
      };
      await harness.finish();
      const at = (id: number) =>
        harness.messages.findIndex(({ ended }) => ended.some((end) => end.id === id));
      assert.deepEqual(harness.outcome(1).answers.get(2), greedy([1], 24));
      for (const answer of [0, 1, 2])
        assert.deepEqual(harness.outcome(2).answers.get(answer), greedy([2], 8));
      return { long: at(1), short: at(2) };
    };
    const waiting = await endsAt(false);
    assert.ok(waiting.short > waiting.long, 'without room it waits for the whole request');
    const early = await endsAt(true);
    assert.ok(early.short < early.long - 8, 'it begins as soon as three answers have ended');
  });
}

test('a prompt that waits for a whole step’s budget is not overtaken for ever', async () => {
  const harness = startHarness({ stepTokens: 8, slots: 8 }, { pageCount: 400 });
  let id = 1;
  // A tree of 8 tokens needs the whole budget; a stream of one-token interactive prompts always leaves 7.
  const continuations = [3, 3, 4].map((length) => Int32Array.from({ length }, (_, i) => i + length));
  harness.core.post(scoreMessage({ id, prompt: Int32Array.of(9), continuations, priority: 'batch' }));
  harness.onMessage = () => {
    if (id < 200)
      harness.core.post(generateMessage({ id: ++id, prompt: Int32Array.of(id % 90), maxTokens: 1 }));
  };
  harness.core.post(generateMessage({ id: ++id, prompt: Int32Array.of(5), maxTokens: 1 }));
  await harness.finish();
  const at = harness.messages.findIndex(({ ended }) => ended.some((end) => end.id === 1));
  assert(at >= 0 && at < 30, `scored at message ${at} of ${harness.messages.length}`);
});

function greedy(prompt: readonly number[], count: number): number[] {
  const tokens = [...prompt];
  for (let i = 0; i < count; i++) tokens.push(fakeNext(tokens, 0, V));
  return tokens.slice(prompt.length);
}

/** mulberry32: whole numbers below its argument. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}
