import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExpertKind, ExpertSpec, ExpertVersion } from '#proto/zmesh/v1/expert_registry.js';
import { loadConfig } from '#services/inference/config.js';
import { ExpertCache, type ExpertContent, type ExpertReference } from '#services/inference/experts.js';
import { createPreload } from '#services/inference/preload.js';
import { preloadName } from '#services/inference/preload-name.js';
import { advertisedAddress } from '#services/inference/presence.js';
import { ZmeshError } from '#shared/errors.js';
import { createLog } from '#shared/log.js';
import { writeVectors } from '#shared/svf/vectors.js';
import { expertVersion } from '#shared/svf/version.js';

const NEVER = new AbortController().signal;
/** Bytes of one expert here. */
const BYTES = 20;

/** A registry of experts of 20 bytes each, made from a name and a first number. */
function registry() {
  const held = new Map<string, ExpertContent>();
  const listed: ExpertVersion[] = [];
  const state = { away: false };
  return {
    state,
    source: {
      async fetch({ version }: ExpertReference): Promise<ExpertContent> {
        const content = held.get(version);
        if (!content) throw new ZmeshError('UNKNOWN_VERSION', `no version ${version}`);
        return content;
      },
    },
    async *list(model: string) {
      if (state.away) throw new ZmeshError('REGISTRY_UNAVAILABLE', 'away');
      yield* listed.filter(({ spec }) => spec?.model === model);
    },
    publish(name: string, first: number, ...aliases: string[]): string {
      const multipliers = new Map([['w', Float32Array.of(first, 1, 1, 1, 1)]]);
      const spec = ExpertSpec.create({ model: 'm', name, basisId: 'basis', kind: ExpertKind.TASK });
      spec.normalisation = 1;
      const version = expertVersion(spec, multipliers);
      held.set(version, { spec, retired: false, vectors: writeVectors(multipliers) });
      listed.push({ ...ExpertVersion.create({ version }), spec, aliases });
      return version;
    },
  };
}

function preloadOf(from: ReturnType<typeof registry>, names: readonly string[], maxBytes: number) {
  const experts = new ExpertCache(from.source, maxBytes);
  const preload = createPreload({
    names: names.map((name) => preloadName(name, 'names')),
    models: ['m'],
    list: from.list,
    experts,
    log: createLog('test', { ZMESH_LOG_LEVEL: 'silent' }),
    signal: NEVER,
    retryMs: 5,
  });
  return { experts, preload };
}

const use = (experts: ExpertCache, expert: string, version: string) =>
  experts.get({ model: 'm', expert, version }, NEVER);

test('every expert under an alias is loaded at the start and stays, whatever else is used', async () => {
  const from = registry();
  const a = from.publish('a', 1, 'stable');
  const b = from.publish('b', 2, 'stable', 'canary');
  const others = [3, 4, 5].map((first) => from.publish('c', first));
  const { experts, preload } = preloadOf(from, ['*@stable'], 3 * BYTES);
  await preload.start();
  assert.deepEqual([experts.has(a), experts.has(b), experts.bytes], [true, true, 2 * BYTES]);
  for (const version of others) await use(experts, 'c', version);
  assert.deepEqual([experts.has(a), experts.has(b), experts.bytes], [true, true, 3 * BYTES]);
  assert.equal(experts.has(others[2]!), true);
});

test('one that does not fit beside the pinned ones serves its request and is not kept', async () => {
  const from = registry();
  const a = from.publish('a', 1, 'stable');
  const c = from.publish('c', 3);
  const { experts, preload } = preloadOf(from, ['a@stable'], BYTES);
  await preload.start();
  assert.equal((await use(experts, 'c', c)).resident.spec.name, 'c');
  assert.deepEqual([experts.has(a), experts.has(c), experts.bytes], [true, false, BYTES]);
});

test('pinned experts that exceed the cache end the start with both numbers', async () => {
  const from = registry();
  from.publish('a', 1, 'stable');
  from.publish('b', 2, 'stable');
  const { preload } = preloadOf(from, ['*@stable'], 2 * BYTES - 1);
  await assert.rejects(preload.start(), {
    reason: 'TOO_LARGE',
    message:
      /^m\/b@[0-9a-f]{12} cannot be pinned: the pinned experts would take 40 bytes, the cache holds 39$/,
    details: { limit: 39, value: 40 },
  });
});

test('an alias that moves takes its place with it, also where there is room for one only', async () => {
  const from = registry();
  const first = from.publish('a', 1, 'stable');
  const { experts, preload } = preloadOf(from, ['m/a@stable'], BYTES);
  await preload.start();
  const second = from.publish('a', 2);
  await preload.moved({ model: 'm', expert: 'a', alias: 'canary', version: second });
  assert.deepEqual([experts.has(first), experts.has(second)], [true, false], 'another alias moves nothing');
  await preload.moved({ model: 'm', expert: 'a', alias: 'stable', version: second });
  assert.deepEqual([experts.has(first), experts.has(second)], [false, true]);
  await preload.moved({ model: 'm', expert: 'a', alias: 'stable', version: '' });
  await use(experts, 'a', first);
  assert.deepEqual([experts.has(first), experts.has(second)], [true, false], 'a deleted alias pins nothing');
});

test('a version that two aliases hold stays until both have left it', async () => {
  const from = registry();
  const first = from.publish('a', 1, 'stable', 'canary');
  const second = from.publish('a', 2);
  const { experts, preload } = preloadOf(from, ['a@stable', 'a@canary'], 2 * BYTES);
  await preload.start();
  await preload.moved({ model: 'm', expert: 'a', alias: 'canary', version: second });
  await use(experts, 'b', from.publish('b', 3));
  assert.deepEqual([experts.has(first), experts.has(second)], [true, true]);
});

test('a registry that is away does not end the start and is asked again; nor does a name that leads nowhere yet', async () => {
  const from = registry();
  const a = from.publish('a', 1, 'stable');
  from.state.away = true;
  const { experts, preload } = preloadOf(from, ['a@stable', 'b@stable'], 2 * BYTES);
  await preload.start();
  assert.equal(experts.bytes, 0);
  from.state.away = false;
  for (const giveUp = Date.now() + 5000; !experts.has(a); await new Promise((go) => setTimeout(go, 5)))
    assert(Date.now() < giveUp, 'it is loaded when the registry is back');
  const b = from.publish('b', 2, 'stable');
  await preload.refresh();
  assert.equal(experts.has(b), true);
});

test('settings: names are checked all at once, and need a registry', () => {
  const env = { ZMESH_REGISTRY_ADDRESS: '127.0.0.1:1' };
  assert.deepEqual(loadConfig({ ...env, ZMESH_INFERENCE_PRELOAD: 'a@stable,*@stable, m/*@canary' }).preload, [
    'a@stable',
    '*@stable',
    'm/*@canary',
  ]);
  assert.throws(
    () => loadConfig({ ZMESH_INFERENCE_PRELOAD: 'a,B@stable' }),
    /PRELOAD needs ZMESH_REGISTRY_ADDRESS[\s\S]*"a" needs an alias[\s\S]*"B@stable" is not a name/,
  );
});

test('a replica is announced where it can be called', () => {
  assert.equal(advertisedAddress('', '127.0.0.1:7070'), '127.0.0.1:7070');
  assert.equal(advertisedAddress('pod-3.mesh:7070', '0.0.0.0:7070'), 'pod-3.mesh:7070');
  assert.match(advertisedAddress('', '0.0.0.0:7070'), /^[^0:][^:]*:7070$/);
});
