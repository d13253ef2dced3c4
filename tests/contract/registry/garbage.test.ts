import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Collection, collectGarbage } from '#services/expert-registry/collect-garbage.js';
import type { RegistryStore } from '#services/expert-registry/store.js';
import { BLOBS_BUCKET } from '#services/expert-registry/store-jetstream.js';
import { sha256Hex } from '#shared/ids.js';
import { lastFirst } from '../../support/cleanup.js';
import { withNats } from '../../support/nats.js';
import { collect, published, startRegistry, type TestRegistry, toyModel, vectors } from './fixture.js';
import { ALL_OF_IT } from './garbage.js';
import { createFixtureLog } from './log.js';

const cleanup = lastFirst({ after });
const nats = await withNats(cleanup);
const main = await startRegistry(nats.url);
cleanup.after(main.stop);
await main.client.publishModel({ model: toyModel() });

let seeds = 1000;
/** Vectors that no other test has. */
const freshSeed = (): number => seeds++;

function run(change: Partial<Collection> = {}, { registry }: TestRegistry = main) {
  return collectGarbage(registry, { ...ALL_OF_IT(), log: createFixtureLog(), ...change });
}

const isThere = async (seed: number): Promise<boolean> => {
  const blobs = await main.registry.store.blobs();
  return blobs.some(({ sha256 }) => sha256 === sha256Hex(vectors(seed)));
};

async function publishAndRetire(seed: number, name = 'math'): Promise<string> {
  const version = await published(main.client, seed, { name });
  await main.client.retireExpert({ name: `toy/${name}@${version}` });
  return version;
}

async function faults(): Promise<bigint> {
  return (await collect(main.client.verifyRegistry({}))).at(-1)!.faults;
}

const readable = async (name: string, seed: number): Promise<void> => {
  const answer = await main.client.getExpertVectors({ name });
  assert.deepEqual(new Uint8Array(answer.vectors), new Uint8Array(vectors(seed)));
};

describe('garbage collection', () => {
  test('a version retired long ago loses its vectors and keeps its record, for every replica', async () => {
    const seed = freshSeed();
    const version = await publishAndRetire(seed);
    const { blobs, bytes } = await run();
    assert.deepEqual([blobs, bytes], [1, vectors(seed).length]);
    assert.equal(await isThere(seed), false);
    const name = `toy/math@${version}`;
    const other = await startRegistry(nats.url);
    for (const { client } of [main, other]) {
      assert.equal((await client.getExpert({ name })).expert!.retired, true);
      await assert.rejects(client.getExpertVectors({ name }), {
        reason: 'EXPERT_RETIRED',
        message: /was retired, and what it held was removed since/,
      });
    }
    await other.stop();
    assert.equal(await faults(), 0n);
    const exported = await collect(main.client.exportRegistry({}));
    assert.ok(!JSON.stringify(exported, (_, v) => (typeof v === 'bigint' ? `${v}` : v)).includes(version));
    assert.deepEqual((await run()).blobs, 0, 'a second run finds nothing');
  });

  test('keeps what is not retired, was retired lately, is under an alias, or is used by another version', async () => {
    const [active, lately, aliased, shared] = [freshSeed(), freshSeed(), freshSeed(), freshSeed()];
    await published(main.client, active);
    await published(main.client, aliased, {}, 'kept');
    await publishAndRetire(shared);
    const user = await published(main.client, shared, { name: 'other' });
    const before = new Date();
    await new Promise((go) => setTimeout(go, 20));
    await publishAndRetire(lately);
    assert.equal((await run({ retiredBefore: before })).blobs, 0);
    for (const seed of [active, lately, aliased, shared]) assert.equal(await isThere(seed), true);
    await readable(`toy/other@${user}`, shared);
    await readable('toy/math@kept', aliased);
    await main.client.getModel({ name: 'toy' });
    assert.equal((await run({ retiredBefore: undefined })).blobs, 0, 'without a limit retired versions stay');
    assert.equal((await run()).blobs, 1, 'now the one that was retired lately goes');
  });

  test('a dry run says what would go and removes nothing', async () => {
    const seed = freshSeed();
    const version = await publishAndRetire(seed);
    const { revision } = main.registry.view;
    assert.equal((await run({ dryRun: true })).blobs, 1);
    assert.equal(main.registry.view.revision, revision);
    await readable(`toy/math@${version}`, seed);
    assert.equal((await run()).blobs, 1);
  });

  test('the same vectors can be published again after they were removed', async () => {
    const seed = freshSeed();
    await publishAndRetire(seed);
    await run();
    const again = await published(main.client, seed, { name: 'again' });
    await readable(`toy/again@${again}`, seed);
    assert.equal((await run()).blobs, 0);
    await readable(`toy/again@${again}`, seed);
    assert.equal(await faults(), 0n);
  });

  test('a publish of the same vectors while they are being removed loses nothing, whoever is late', async () => {
    for (const late of ['removal', 'version'] as const) {
      const seed = freshSeed();
      await publishAndRetire(seed);
      const gate = heldAt(late);
      const slow = await startRegistry(nats.url, { wrap: gate.wrap });
      const name = `late-${late}`;
      let version: string;
      if (late === 'removal') {
        // The collection has given the blob up and stands still; the publish comes; then the removal goes on.
        const removing = run({}, slow);
        await gate.reached;
        version = await published(main.client, seed, { name });
        gate.open();
        await removing;
      } else {
        // The publish found the blob sound and stands still before its record; the blob is removed; then it goes on.
        const publishing = published(slow.client, seed, { name });
        await gate.reached;
        assert.equal((await run()).blobs, 1);
        assert.equal(await isThere(seed), false);
        gate.open();
        version = await publishing;
      }
      await main.registry.view.reached(slow.registry.view.revision, 5000);
      await readable(`toy/${name}@${version}`, seed);
      await slow.stop();
      assert.equal(await faults(), 0n);
    }
  });

  test('blobs of publishes that were never finished go when they are old, not before', async () => {
    const seed = freshSeed();
    const bytes = vectors(seed);
    await main.registry.store.putBlob(sha256Hex(bytes), bytes);
    assert.equal((await run({ orphansBefore: undefined })).blobs, 0);
    assert.equal((await run({ orphansBefore: new Date(Date.now() - 60_000) })).blobs, 0);
    assert.equal((await run()).blobs, 1);
    assert.equal(await isThere(seed), false);
  });

  test('parts of uploads that were never finished go, those of finished ones stay', async () => {
    const seed = freshSeed();
    const version = await published(main.client, seed, { name: 'finished' });
    await leaveParts('dead-1');
    assert.equal((await run({ uploadsBefore: new Date(Date.now() - 60_000) })).uploads, 0);
    assert.equal((await run({ dryRun: true })).uploads, 1);
    assert.equal((await run()).uploads, 1);
    assert.equal((await run()).uploads, 0);
    await readable(`toy/finished@${version}`, seed);
  });

  for (const step of ['removed', 'removal', 'upload'])
    for (const moment of ['before', 'after'])
      test(`killed with -9 ${moment} the step "${step}" loses nothing that is needed, and the next run goes on`, async () => {
        const [gone, kept] = [freshSeed(), freshSeed()];
        const version = await published(main.client, kept, { name: 'kept' }, 'stable');
        await publishAndRetire(gone);
        await leaveParts(`dead-${step}-${moment}`);
        const child = fork(fileURLToPath(new URL('./garbage-child.js', import.meta.url)), [
          nats.url,
          moment,
          step,
        ]);
        const [, signal] = await once(child, 'exit');
        assert.equal(signal, 'SIGKILL');
        assert.equal(await faults(), 0n);
        await readable(`toy/kept@${version}`, kept);
        await run();
        assert.equal(await isThere(gone), false);
        assert.equal((await main.registry.store.abandonedUploads(new Date(Date.now() + 1000))).length, 0);
        await readable('toy/kept@stable', kept);
        assert.equal(await faults(), 0n);
      });
});

/** Parts of an object without an entry, as a killed upload leaves them. */
async function leaveParts(object: string): Promise<void> {
  for (let part = 0; part < 3; part += 1)
    await main.connection.js.publish(`$O.${BLOBS_BUCKET}.C.${object}`, new Uint8Array(100));
}

/** Holds a store at its first removal, or at the first record of a version, until `open`. */
function heldAt(step: 'removal' | 'version') {
  let open = (): void => {};
  let arrive = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const reached = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  const hold = async (): Promise<void> => {
    arrive();
    await opened;
  };
  const wrap = (store: RegistryStore): RegistryStore => ({
    ...store,
    get connected() {
      return store.connected;
    },
    async append(write) {
      if (step === 'version' && write.key.startsWith('version.')) await hold();
      return store.append(write);
    },
    async removeBlob(blob) {
      if (step === 'removal') await hold();
      await store.removeBlob(blob);
    },
  });
  return { reached, wrap, open: () => open() };
}
