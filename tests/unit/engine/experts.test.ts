import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Normalisation } from '#proto/zmesh/v1/common.js';
import { ExpertKind, ExpertSpec } from '#proto/zmesh/v1/expert_registry.js';
import { ExpertCache, type ExpertContent, type ExpertReference } from '#services/inference/experts.js';
import { ZmeshError } from '#shared/errors.js';
import { writeVectors } from '#shared/svf/vectors.js';
import { expertVersion } from '#shared/svf/version.js';

const NEVER = new AbortController().signal;

/** A source that holds experts of `count` numbers and counts its calls. */
function sourceOf(contents: readonly { name: string; numbers: readonly number[]; model?: string }[]) {
  const held = new Map<string, ExpertContent>();
  const references = contents.map(({ name, numbers, model = 'm' }): ExpertReference => {
    const multipliers = new Map([['w', Float32Array.from(numbers)]]);
    const spec = ExpertSpec.create({
      model,
      name,
      basisId: 'basis',
      normalisation: Normalisation.NONE,
      kind: ExpertKind.TASK,
    });
    const version = expertVersion(spec, multipliers);
    held.set(version, { spec, retired: false, vectors: writeVectors(multipliers) });
    return { model, expert: name, version };
  });
  const calls: string[] = [];
  return {
    held,
    references,
    calls,
    async fetch({ version, expert }: ExpertReference): Promise<ExpertContent> {
      calls.push(expert);
      await new Promise((resolve) => setTimeout(resolve, 5));
      const content = held.get(version);
      if (!content) throw new ZmeshError('UNKNOWN_VERSION', `no version ${version}`);
      return content;
    },
  };
}

test('an expert is fetched once, however many ask at a time, and then at hand without the source', async () => {
  const source = sourceOf([{ name: 'a', numbers: [1, 2, 3] }]);
  const cache = new ExpertCache(source, 1024);
  const both = await Promise.all([1, 2, 3].map(() => cache.get(source.references[0]!, NEVER)));
  assert.deepEqual(
    both.map(({ fetched }) => fetched),
    [true, true, true],
  );
  source.held.clear();
  const { resident, fetched } = await cache.get(source.references[0]!, NEVER);
  assert.equal(fetched, false);
  assert.deepEqual([...resident.expert.multipliers.get('w')!], [1, 2, 3]);
  assert.deepEqual(source.calls, ['a']);
});

test('bytes stay under the limit; the least recently used goes first', async () => {
  const source = sourceOf(['a', 'b', 'c'].map((name) => ({ name, numbers: [1, 2, 3, 4, 5] })));
  const [a, b, c] = source.references as [ExpertReference, ExpertReference, ExpertReference];
  const cache = new ExpertCache(source, 45);
  await cache.get(a, NEVER);
  await cache.get(b, NEVER);
  await cache.get(a, NEVER);
  await cache.get(c, NEVER);
  assert.deepEqual(
    [a, b, c].map(({ version }) => cache.has(version)),
    [true, false, true],
  );
  assert.equal(cache.bytes, 40);
  await assert.rejects(new ExpertCache(source, 19).get(a, NEVER), {
    reason: 'TOO_LARGE',
    message: /20 bytes.*19/,
  });
});

test('content with another hash is CORRUPT and not kept', async () => {
  const source = sourceOf([{ name: 'a', numbers: [1, 2] }]);
  const [a] = source.references as [ExpertReference];
  const content = source.held.get(a.version)!;
  const forged = writeVectors(new Map([['w', Float32Array.of(1, 2.5)]]));
  source.held.set(a.version, { ...content, vectors: forged });
  const cache = new ExpertCache(source, 1024);
  await assert.rejects(cache.get(a, NEVER), { reason: 'CORRUPT' });
  assert.equal(cache.has(a.version), false);
  source.held.set(a.version, content);
  assert.equal((await cache.get(a, NEVER)).fetched, true);
});

test('a version is refused under another expert’s name', async () => {
  const source = sourceOf([{ name: 'a', numbers: [1] }]);
  const cache = new ExpertCache(source, 1024);
  const wrong = { ...source.references[0]!, expert: 'b' };
  await assert.rejects(cache.get(wrong, NEVER), {
    reason: 'UNKNOWN_VERSION',
    message: /is a version of m\/a, not of m\/b/,
  });
});

test('a retired version is refused, whether the source says so or an event', async () => {
  const source = sourceOf([
    { name: 'a', numbers: [1] },
    { name: 'b', numbers: [2] },
  ]);
  const [a, b] = source.references as [ExpertReference, ExpertReference];
  const cache = new ExpertCache(source, 1024);
  await cache.get(a, NEVER);
  cache.retire(a.version);
  await assert.rejects(cache.get(a, NEVER), { reason: 'EXPERT_RETIRED' });
  source.held.set(b.version, { ...source.held.get(b.version)!, retired: true });
  await assert.rejects(cache.get(b, NEVER), { reason: 'EXPERT_RETIRED' });
  assert.equal(cache.bytes, 0);
});

test('a caller that leaves does not end the fetch that others wait for', async () => {
  const source = sourceOf([{ name: 'a', numbers: [1] }]);
  const cache = new ExpertCache(source, 1024);
  const controller = new AbortController();
  const leaver = cache.get(source.references[0]!, controller.signal);
  const stayer = cache.get(source.references[0]!, NEVER);
  controller.abort(new ZmeshError('CANCELLED', 'gone'));
  await assert.rejects(leaver, { reason: 'CANCELLED' });
  assert.equal((await stayer).fetched, true);
});

test('a failed fetch is tried again by the next caller', async () => {
  const source = sourceOf([{ name: 'a', numbers: [1] }]);
  const [a] = source.references as [ExpertReference];
  const content = source.held.get(a.version)!;
  source.held.clear();
  const cache = new ExpertCache(source, 1024);
  await assert.rejects(cache.get(a, NEVER), { reason: 'UNKNOWN_VERSION' });
  source.held.set(a.version, content);
  assert.equal((await cache.get(a, NEVER)).fetched, true);
});
