import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PageAllocator } from '#services/inference/engine/pages.js';
import { PrefixCache } from '#services/inference/engine/prefix-cache.js';
import { createRandom } from '#services/inference/svd/random.js';
import { fakeLogit, fakeLogSumExp, fakeNext } from '../../support/fake-runtime.js';
import { generateMessage, type Harness, scoreMessage, startHarness } from './harness.js';

const V = 97;
const PAGE = 4;
const prompt = (length: number, seed = 1): number[] =>
  Array.from({ length }, (_, i) => (i * 31 + seed * 7) % V);

function greedy(tokens: readonly number[], count: number, spectrum = 0): number[] {
  const all = [...tokens];
  for (let i = 0; i < count; i++) all.push(fakeNext(all, spectrum, V));
  return all.slice(tokens.length);
}

/** Sends one request and waits for its end. */
async function ask(
  harness: Harness,
  message: ReturnType<typeof generateMessage> | ReturnType<typeof scoreMessage>,
) {
  const ended = new Promise<void>((resolve) => {
    harness.onMessage = (step) => {
      if (step.ended.some(({ id }) => id === message.id)) resolve();
    };
  });
  harness.core.post(message);
  await ended;
  const outcome = harness.outcome(message.id);
  assert.equal(outcome.end?.failure, undefined);
  return {
    tokens: outcome.answers.get(0),
    cached: outcome.end!.times.cachedTokens,
    score: outcome.end!.score,
  };
}

const fedTokens = (harness: Harness, from: number): number =>
  harness.runtime.steps
    .slice(from)
    .flat()
    .reduce((sum, row) => sum + row.tokens.length, 0);

test('a turn begins where the turns before it ended, and answers as if it did not', async () => {
  const harness = startHarness({ prefixBytes: 40 * PAGE });
  const first = prompt(10);
  const one = await ask(harness, generateMessage({ id: 1, prompt: Int32Array.from(first), maxTokens: 8 }));
  assert.deepEqual([one.tokens, one.cached], [greedy(first, 8), 0]);
  // The last token of an answer is not stored: 10 + 7 positions, four whole pages.
  const second = [...first, ...one.tokens!, 5, 6, 7];
  const before = harness.runtime.steps.length;
  const two = await ask(harness, generateMessage({ id: 2, prompt: Int32Array.from(second), maxTokens: 3 }));
  assert.deepEqual([two.tokens, two.cached], [greedy(second, 3), 16]);
  assert.equal(fedTokens(harness, before), second.length - 16 + 2);
  await harness.finish();
});

test('another mixture never finds it, nor do other tokens; the same mixture does again', async () => {
  const harness = startHarness({ prefixBytes: 40 * PAGE });
  harness.core.post({ type: 'addSpectrum', mixture: 'other', spectrum: Float32Array.of(11) });
  const tokens = prompt(17);
  const id = (
    (next) => () =>
      ++next
  )(0);
  const run = (mixture: string, given: readonly number[]) =>
    ask(harness, generateMessage({ id: id(), mixture, prompt: Int32Array.from(given), maxTokens: 4 }));
  assert.equal((await run('m', tokens)).cached, 0);
  const swapped = await run('other', tokens);
  assert.deepEqual([swapped.tokens, swapped.cached], [greedy(tokens, 4, 11), 0]);
  const changed = [...tokens.slice(0, 6), (tokens[6]! + 1) % V, ...tokens.slice(7)];
  const parted = await run('m', changed);
  assert.deepEqual([parted.tokens, parted.cached], [greedy(changed, 4), PAGE]);
  const again = await run('m', tokens);
  assert.deepEqual([again.tokens, again.cached], [greedy(tokens, 4), 16]);
  await harness.finish();
});

test('a score keeps its prompt and uses a kept one, with the same results', async () => {
  const harness = startHarness({ prefixBytes: 40 * PAGE });
  const tokens = prompt(14);
  const continuations = [Int32Array.of(3, 4, 5), Int32Array.of(90), Int32Array.of(1, 2)];
  const byHand = continuations.map((continuation) =>
    [...continuation].map((token, i) => {
      const best = fakeNext([...tokens, ...continuation.subarray(0, i)], 0, V);
      return Math.fround(fakeLogit(token, best, V) - Math.fround(fakeLogSumExp(V)));
    }),
  );
  for (const [id, cached] of [
    [1, 0],
    [2, 12],
  ] as const) {
    const { score, cached: found } = await ask(
      harness,
      scoreMessage({ id, prompt: Int32Array.from(tokens), continuations }),
    );
    assert.equal(found, cached);
    assert.deepEqual(
      score!.tokenLogProbs.map((row) => [...row]),
      byHand,
    );
  }
  const all = await ask(harness, scoreMessage({ id: 3, prompt: Int32Array.from(tokens), logits: 'prompt' }));
  assert.deepEqual([all.cached, all.score!.logits!.rows], [0, 14]);
  await harness.finish();
});

test('kept pages give way to running requests, and their number keeps its limit', async () => {
  const harness = startHarness({ prefixBytes: 6 * PAGE, slots: 4 }, { pageCount: 16 });
  for (let id = 1; id <= 12; id++) {
    const tokens = prompt(20 + id, id);
    const { tokens: answer } = await ask(
      harness,
      generateMessage({ id, prompt: Int32Array.from(tokens), maxTokens: 30 }),
    );
    assert.deepEqual(answer, greedy(tokens, 30));
    harness.core.checkIntegrity();
  }
  await harness.finish();
});

test('10 000 random sequences over few tokens: pages hold what their path says, and all adds up', () => {
  const random = createRandom(7);
  const pick = (below: number): number => Math.floor(random() * below);
  const allocator = new PageAllocator(24);
  const cache = new PrefixCache(allocator, { pagesMax: 9, pageTokens: 2 });
  /** What was written into each page: mixture and all tokens up to its end. */
  const written = new Map<number, string>();
  const content = (mixture: string, tokens: Int32Array, page: number): string =>
    `${mixture}:${tokens.subarray(0, (page + 1) * 2).join()}`;
  const held: { pages: Int32Array; reserved: number }[] = [];
  let hits = 0;
  for (let round = 0; round < 10_000; round++) {
    if (held.length > 2 || (held.length > 0 && random() < 0.4)) {
      const [done] = held.splice(pick(held.length), 1);
      for (const page of done!.pages) allocator.release(page);
      allocator.unreserve(done!.reserved);
    } else {
      const mixture = random() < 0.5 ? 'a' : 'b';
      const tokens = Int32Array.from({ length: 2 * (1 + pick(6)) }, () => pick(2));
      const count = tokens.length / 2;
      if (!allocator.reserve(count)) continue;
      const found = cache.take(mixture, tokens, count);
      hits += found.length;
      found.forEach((page, i) => {
        assert.equal(written.get(page), content(mixture, tokens, i), 'a stale page');
      });
      const pages = [...found];
      while (pages.length < count) {
        const page = allocator.allocate();
        written.set(page, content(mixture, tokens, pages.length));
        pages.push(page);
      }
      cache.keep(mixture, tokens, Int32Array.from(pages), count);
      held.push({ pages: Int32Array.from(pages), reserved: count });
    }
    allocator.checkIntegrity();
    assert.ok(cache.count <= 9);
  }
  assert.ok(hits > 1000, `only ${hits} hits`);
});
