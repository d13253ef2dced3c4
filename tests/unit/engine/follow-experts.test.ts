import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExpertPublished, RegistryEvent } from '#proto/zmesh/v1/events.js';
import { ExpertCache, type ExpertReference } from '#services/inference/experts.js';
import { ADAPTATIONS_MAX, handleEvent } from '#services/inference/follow-experts.js';
import { ZmeshError } from '#shared/errors.js';
import { createLog } from '#shared/log.js';

const VERSION = 'ab'.repeat(32);
const log = createLog('test', { ZMESH_LOG_LEVEL: 'fatal' });

/** A cache whose source refuses everything and remembers what was asked. */
function refusingCache() {
  const asked: ExpertReference[] = [];
  const source = {
    async fetch(reference: ExpertReference): Promise<never> {
      asked.push(reference);
      throw new ZmeshError('REGISTRY_UNAVAILABLE', 'away');
    },
  };
  return { asked, experts: new ExpertCache(source, 1024) };
}

const moved = (model: string, version = VERSION): RegistryEvent =>
  RegistryEvent.create({
    change: { $case: 'aliasMoved', value: { model, expert: 'math', alias: 'stable', version } },
  });

test('an alias that moves has its version fetched ahead, for served models alone; a failure is no error', async () => {
  const { asked, experts } = refusingCache();
  const options = {
    experts,
    models: ['m'],
    log,
    signal: new AbortController().signal,
    adaptations: new Set<string>(),
  };
  await handleEvent(moved('m'), options);
  await handleEvent(moved('another'), options);
  await handleEvent(moved('m', ''), options);
  assert.deepEqual(asked, [{ model: 'm', expert: 'math', version: VERSION }]);
});

test('a retired version is refused from then on', async () => {
  const { asked, experts } = refusingCache();
  const signal = new AbortController().signal;
  const change = { $case: 'expertRetired' as const, value: { model: 'm', expert: 'math', version: VERSION } };
  await handleEvent(RegistryEvent.create({ change }), {
    experts,
    models: ['m'],
    log,
    signal,
    adaptations: new Set(),
  });
  const reference = { model: 'm', expert: 'math', version: VERSION };
  await assert.rejects(experts.get(reference, signal), { reason: 'EXPERT_RETIRED' });
  assert.deepEqual(asked, []);
});

test('an adaptation has no vectors, so nothing is fetched when its alias moves', async () => {
  const { asked, experts } = refusingCache();
  const { signal } = new AbortController();
  const options = { experts, models: ['m'], log, signal, adaptations: new Set<string>() };
  const value = ExpertPublished.create({
    model: 'm',
    expert: 'math',
    version: VERSION,
    mixture: { arms: [] },
  });
  await handleEvent(RegistryEvent.create({ change: { $case: 'expertPublished', value } }), options);
  await handleEvent(moved('m'), options);
  await handleEvent(moved('m', 'cd'.repeat(32)), options);
  assert.deepEqual(
    asked.map(({ version }) => version),
    ['cd'.repeat(32)],
  );
});

test('however many adaptations are published, only the newest are remembered', async () => {
  const { experts } = refusingCache();
  const { signal } = new AbortController();
  const adaptations = new Set<string>();
  const options = { experts, models: ['m'], log, signal, adaptations };
  for (let i = 0; i < ADAPTATIONS_MAX + 3; i += 1) {
    const value = ExpertPublished.create({
      model: 'm',
      expert: 'a',
      version: String(i),
      mixture: { arms: [] },
    });
    await handleEvent(RegistryEvent.create({ change: { $case: 'expertPublished', value } }), options);
  }
  assert.equal(adaptations.size, ADAPTATIONS_MAX);
  assert.deepEqual([adaptations.has('2'), adaptations.has('3')], [false, true]);
});
