import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExpertPublished, RegistryEvent } from '#proto/zmesh/v1/events.js';
import type { WatchExpertsResponse } from '#proto/zmesh/v1/expert_registry.js';
import { followRegistry } from '#shared/catalog/follow.js';
import { createCatalogView } from '#shared/catalog/view.js';
import { ZmeshError } from '#shared/errors.js';
import { createLog } from '#shared/log.js';

const log = createLog('test', { ZMESH_LOG_LEVEL: 'silent' });

const published = (expert: string, version: string): RegistryEvent =>
  RegistryEvent.create({
    change: {
      $case: 'expertPublished',
      value: ExpertPublished.create({ model: 'm', expert, version, label: expert }),
    },
  });
const aliased = (expert: string, alias: string, version: string): RegistryEvent =>
  RegistryEvent.create({ change: { $case: 'aliasMoved', value: { model: 'm', expert, alias, version } } });
const retired = (expert: string, version: string): RegistryEvent =>
  RegistryEvent.create({ change: { $case: 'expertRetired', value: { model: 'm', expert, version } } });

test('a view follows publishes, aliases that move and vanish, and retirements, in whatever order versions come', () => {
  const view = createCatalogView();
  view.apply(aliased('math', 'stable', 'v1'));
  assert.deepEqual(view.under('m', 'stable'), []);
  for (const event of [
    published('math', 'v1'),
    published('math', 'v2'),
    published('code', 'v3'),
    published('math', 'v1'),
  ])
    view.apply(event);
  view.apply(aliased('code', 'stable', 'v3'));
  const under = () => view.under('m', 'stable').map(({ expert, version }) => `${expert}@${version}`);
  assert.deepEqual(under(), ['code@v3', 'math@v1']);
  assert.deepEqual(
    view.versions('m', 'math').map(({ version }) => version),
    ['v1', 'v2'],
  );
  view.apply(aliased('math', 'stable', 'v2'));
  assert.deepEqual(under(), ['code@v3', 'math@v2']);
  view.apply(aliased('math', 'stable', ''));
  assert.deepEqual(under(), ['code@v3']);
  view.apply(retired('math', 'v1'));
  assert.deepEqual(
    view.versions('m', 'math').map(({ retired }) => retired),
    [true, false],
  );
  assert.deepEqual(view.versions('other', 'math'), []);
});

/** A watch that a test speaks through. */
function scriptedWatch() {
  const calls: {
    readonly after: bigint;
    say(message: Partial<WatchExpertsResponse>): void;
    end(error?: Error): void;
  }[] = [];
  const watch = ({ afterRevision }: { afterRevision: bigint }, { signal }: { signal?: AbortSignal }) => {
    const queue: (WatchExpertsResponse | Error | 'end')[] = [];
    let wake = (): void => {};
    const push = (item: (typeof queue)[number]): void => {
      queue.push(item);
      wake();
    };
    signal?.addEventListener('abort', () => push(signal.reason as Error));
    calls.push({
      after: afterRevision,
      say: (message) => push({ revision: 0n, event: undefined, current: true, ...message }),
      end: (error) => push(error ?? 'end'),
    });
    return (async function* () {
      for (;;) {
        const item = queue.shift();
        if (item === 'end') return;
        if (item instanceof Error) throw item;
        if (item) yield item;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    })();
  };
  const call = async (index: number) => {
    while (!calls[index]) await new Promise((resolve) => setTimeout(resolve, 1));
    return calls[index];
  };
  return { watch, call };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 5));

test('the view is of age 0 while the registry speaks, ages in silence and while it is away', async (t) => {
  const { watch, call } = scriptedWatch();
  let nowMs = 1000;
  const catalog = followRegistry({ watch, log, now: () => nowMs, retryMs: [1, 1] });
  t.after(() => catalog.stop());
  nowMs += 2000;
  assert.equal(catalog.view(), undefined);
  assert.equal(catalog.ageS(), 2, 'before the first view it ages from the start');
  const first = await call(0);
  first.say({ revision: 7n });
  await catalog.first;
  assert.equal(catalog.ageS(), 0);
  nowMs += 14_999;
  assert.equal(catalog.ageS(), 0);
  nowMs += 1;
  assert.equal(catalog.ageS(), 15);
  first.say({ revision: 7n });
  await settle();
  assert.equal(catalog.ageS(), 0);
  first.end(new ZmeshError('REGISTRY_UNAVAILABLE', 'gone'));
  const second = await call(1);
  nowMs += 3000;
  assert.equal(catalog.ageS(), 3);
  assert.equal(second.after, 7n);
  second.say({ revision: 7n });
  await settle();
  assert.equal(catalog.ageS(), 0);
});

test('a broken first state is begun anew; only a complete one is shown', async (t) => {
  const { watch, call } = scriptedWatch();
  const catalog = followRegistry({ watch, log, retryMs: [1, 1] });
  t.after(() => catalog.stop());
  const first = await call(0);
  first.say({ revision: 1n, event: published('math', 'v1'), current: false });
  await settle();
  assert.equal(catalog.view(), undefined);
  first.end();
  const second = await call(1);
  assert.equal(second.after, 0n);
  second.say({ revision: 2n, event: published('code', 'v2'), current: false });
  second.say({ revision: 2n });
  await catalog.first;
  assert.deepEqual(catalog.view()?.versions('m', 'math'), []);
  assert.equal(catalog.view()?.versions('m', 'code').length, 1);
});

test('a revision that is gone makes a new view, and the old one serves until that is complete', async (t) => {
  const { watch, call } = scriptedWatch();
  const catalog = followRegistry({ watch, log, retryMs: [1, 1] });
  t.after(() => catalog.stop());
  const first = await call(0);
  first.say({ revision: 5n, event: published('old', 'v1'), current: true });
  await catalog.first;
  first.end();
  const second = await call(1);
  assert.equal(second.after, 5n);
  second.end(new ZmeshError('REVISION_UNAVAILABLE', 'no longer kept'));
  const third = await call(2);
  assert.equal(third.after, 0n);
  third.say({ revision: 9n, event: published('new', 'v2'), current: false });
  await settle();
  assert.equal(catalog.view()?.versions('m', 'old').length, 1);
  assert.equal(catalog.view()?.versions('m', 'new').length, 0);
  third.say({ revision: 9n });
  await settle();
  assert.equal(catalog.view()?.versions('m', 'old').length, 0);
  assert.equal(catalog.view()?.versions('m', 'new').length, 1);
});
