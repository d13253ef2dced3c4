import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { sleep } from '#shared/deadline.js';
import type { ZmeshError } from '#shared/errors.js';
import { lastFirst } from '../../support/cleanup.js';
import { withNats } from '../../support/nats.js';
import { published, spec, startRegistry, toyModel, vectors } from './fixture.js';

const cleanup = lastFirst({ after });
const nats = await withNats(cleanup);
const { client, registry, stop } = await startRegistry(nats.url);
cleanup.after(stop);
await client.publishModel({ model: toyModel() });

/** Writes a record as another version of the registry would, and waits until this one has seen it. */
async function writeRecord(key: string, body: unknown): Promise<void> {
  const value = Buffer.from(JSON.stringify(body));
  const revision = await registry.store.append({ key, value, expectedRevision: registry.view.revision });
  while (registry.view.revision < revision) await sleep(5);
}

const refused = (record: string) => (error: ZmeshError) => {
  assert.deepEqual([error.reason, error.code], ['FORMAT_NEWER', 'UNAVAILABLE']);
  assert.equal(
    error.message,
    `record ${record} was written by a newer registry (it has format 2, this registry knows 1); ask that, or upgrade this one`,
  );
  assert.equal(error.details.retryAfterMs, 1000);
  return true;
};

describe('a registry in a rolling upgrade, beside a newer one', () => {
  test('an alias that the newer one moved is refused, not answered as it was, and not overwritten', async () => {
    const version = await published(client, 1, { name: 'moved' }, 'stable');
    const other = await published(client, 2, { name: 'other' }, 'stable');
    const key = 'alias.toy.moved.stable';
    await writeRecord(key, { format: 2, target: 'something newer' });
    await assert.rejects(client.getExpert({ name: 'toy/moved@stable' }), refused(key));
    await assert.rejects(client.getExpertVectors({ name: 'toy/moved@stable' }), refused(key));
    const move = { model: 'toy', expert: 'moved', alias: 'stable', version, expectedVersion: undefined };
    await assert.rejects(client.setAlias(move), refused(key));
    await assert.rejects(client.deleteAlias(move), refused(key));
    const publication = { spec: spec({ name: 'moved' }), vectors: vectors(1), alias: 'stable' };
    await assert.rejects(client.publishExpert(publication), refused(key));
    assert.equal((await client.getExpert({ name: 'toy/other@stable' })).expert?.version, other);
    // Written again in a format that is known here, it is read again.
    await writeRecord(key, { format: 1, version });
    assert.equal((await client.getExpert({ name: 'toy/moved@stable' })).expert?.version, version);
  });

  test('a retirement that cannot be read keeps its version from being served', async () => {
    const version = await published(client, 3, { name: 'retired' });
    const key = `retired.toy.retired.${version}`;
    await writeRecord(key, { format: 2, because: 'of something newer' });
    await assert.rejects(client.getExpert({ name: `toy/retired@${version}` }), refused(key));
  });

  test('a newer version record is not overwritten by publishing the same content here', async () => {
    const version = await published(client, 4, { name: 'first' });
    const key = `version.toy.second.${version}`;
    await writeRecord(key, { format: 2, expert: {} });
    await assert.rejects(client.getExpert({ name: `toy/second@${version}` }), refused(key));
    const stored = await registry.store.read(key);
    assert.equal(JSON.parse(Buffer.from(stored!.value!).toString()).format, 2);
  });

  test('a spec with a field that is not known here is refused: without it the version would be another one', async () => {
    const version = await published(client, 6, { name: 'spec' }, 'stable');
    const key = `version.toy.spec.${version}`;
    const stored = JSON.parse(Buffer.from((await registry.store.read(key))!.value!).toString());
    await writeRecord(key, {
      ...stored,
      expert: { ...stored.expert, spec: { ...stored.expert.spec, mood: ['new'] } },
    });
    await assert.rejects(client.getExpert({ name: 'toy/spec@stable' }), {
      reason: 'FORMAT_NEWER',
      message: /its spec has the field mood, which this registry does not know/,
    });
  });

  test('fields beside the spec that are not known here are read over', async () => {
    const version = await published(client, 5, { name: 'fields' }, 'stable');
    const key = `version.toy.fields.${version}`;
    const stored = JSON.parse(Buffer.from((await registry.store.read(key))!.value!).toString());
    stored.expert.colour = 'blue';
    await writeRecord(key, { ...stored, since: '2030' });
    const { expert } = await client.getExpert({ name: 'toy/fields@stable' });
    assert.deepEqual([expert?.version, expert?.spec?.name], [version, 'fields']);
    assert.equal(registry.view.faults.has(key), false);
  });
});
