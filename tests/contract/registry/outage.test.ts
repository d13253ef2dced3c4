import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { sleep } from '#shared/deadline.js';
import type { ZmeshError } from '#shared/errors.js';
import { consumeExpertEvents } from '#shared/events/expert-events.js';
import { lastFirst } from '../../support/cleanup.js';
import { withNats } from '../../support/nats.js';
import { collect, published, spec, startRegistry, toyModel, vectors } from './fixture.js';

const cleanup = lastFirst({ after });
const nats = await withNats(cleanup);
const { client, stop, registry, connection } = await startRegistry(nats.url);
cleanup.after(stop);
await client.publishModel({ model: toyModel() });

/** Asks again until the store is back. */
async function eventually<T>(work: () => Promise<T>): Promise<T> {
  for (let i = 0; ; i += 1) {
    try {
      return await work();
    } catch (error) {
      if (i > 100 || (error as ZmeshError).reason !== 'REGISTRY_UNAVAILABLE') throw error;
      await sleep(100);
    }
  }
}

describe('a registry whose nats-server is killed with -9', () => {
  test('refuses writes and vectors within seconds, goes on reading, and heals', async () => {
    const version = await published(client, 1, {}, 'stable');
    await nats.kill();
    const started = Date.now();
    const refused = { reason: 'REGISTRY_UNAVAILABLE', code: 'UNAVAILABLE' };
    await assert.rejects(client.publishExpert({ spec: spec(), vectors: vectors(2), alias: '' }), refused);
    await assert.rejects(
      client.setAlias({ model: 'toy', expert: 'math', alias: 'x', version, expectedVersion: '' }),
      refused,
    );
    await assert.rejects(client.getExpertVectors({ name: 'toy/math@stable' }), refused);
    await assert.rejects(client.getModel({ name: 'toy' }), refused);
    await assert.rejects(collect(client.verifyRegistry({})), refused);
    assert.ok(Date.now() - started < 5000, `took ${Date.now() - started} ms`);
    assert.equal((await client.getExpert({ name: 'toy/math@stable' })).expert!.version, version);
    assert.equal(
      (
        await client.listExperts({
          model: 'toy',
          name: '',
          includeRetired: false,
          pageSize: 0,
          pageToken: '',
        })
      ).experts.length,
      1,
    );

    await nats.restart();
    const second = await eventually(() => published(client, 2, {}, 'stable'));
    assert.equal((await client.getExpert({ name: 'toy/math@stable' })).expert!.version, second);
    assert.deepEqual(
      new Uint8Array((await client.getExpertVectors({ name: 'toy/math@stable' })).vectors),
      new Uint8Array(vectors(2)),
    );
  });

  test('loses no acknowledged publish and no event, killed five times under fire', async () => {
    const acknowledged: string[] = [];
    const stopping = new AbortController();
    const publishing = (async () => {
      for (let seed = 100; !stopping.signal.aborted; seed += 1) {
        await client
          .publishExpert({ spec: spec({ name: 'fire' }), vectors: vectors(seed), alias: 'stable' })
          .then(
            ({ expert }) => acknowledged.push(expert!.version),
            (error: ZmeshError) => {
              assert.equal(error.reason, 'REGISTRY_UNAVAILABLE', error.message);
              return sleep(20);
            },
          );
      }
    })();
    for (let i = 0; i < 5; i += 1) {
      const target = acknowledged.length + 8;
      while (acknowledged.length < target) await sleep(10);
      await nats.kill();
      await nats.restart();
    }
    const target = acknowledged.length + 5;
    while (acknowledged.length < target) await sleep(10);
    stopping.abort();
    await publishing;

    const other = await startRegistry(nats.url);
    cleanup.after(other.stop);
    for (const version of acknowledged) {
      const { expert } = await other.client.getExpertVectors({ name: `toy/fire@${version}` });
      assert.equal(expert!.version, version);
    }
    const summary = (await collect(other.client.verifyRegistry({}))).at(-1)!;
    assert.equal(summary.faults, 0n);

    await eventually(() => published(client, 1, { name: 'end' }));
    const seen = new Map<string, number>();
    const ended = new AbortController();
    await consumeExpertEvents(connection, {
      after: 0,
      signal: ended.signal,
      onEvent(event) {
        if (event.change?.$case !== 'expertPublished') return;
        const { version, expert } = event.change.value;
        seen.set(version, (seen.get(version) ?? 0) + 1);
        if (expert === 'end') ended.abort();
      },
    });
    for (const version of acknowledged) assert.equal(seen.get(version), 1, version);
    assert.ok([...seen.values()].every((times) => times === 1));
    assert.equal(registry.view.revision, other.registry.view.revision);
  });
});
