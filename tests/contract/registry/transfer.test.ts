import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { RegistryRecord } from '#proto/zmesh/v1/expert_registry.js';
import { sha256Hex } from '#shared/ids.js';
import { lastFirst } from '../../support/cleanup.js';
import { withNats } from '../../support/nats.js';
import { collect, published, type RegistryClient, startRegistry, toyModel } from './fixture.js';

const cleanup = lastFirst({ after });
const from = await startRegistry((await withNats(cleanup)).url);
cleanup.after(from.stop);

await from.client.publishModel({ model: toyModel() });
await from.client.publishModel({ model: toyModel({ name: 'second' }) });
const [one, two, three] = [
  await published(from.client, 1),
  await published(from.client, 2),
  await published(from.client, 3),
];
await published(from.client, 4, { model: 'second', name: 'vision' }, 'v1.0');
await from.client.setAlias({
  model: 'toy',
  expert: 'math',
  alias: 'stable',
  version: one,
  expectedVersion: '',
});
await from.client.setAlias({
  model: 'toy',
  expert: 'math',
  alias: 'gone',
  version: two,
  expectedVersion: '',
});
await from.client.deleteAlias({ model: 'toy', expert: 'math', alias: 'gone', expectedVersion: undefined });
await from.client.retireExpert({ name: `toy/math@${three}` });

async function exported(client: RegistryClient): Promise<RegistryRecord[]> {
  return (await collect(client.exportRegistry({}))).map(({ record }) => record!);
}

const hashOf = (records: readonly RegistryRecord[]): string =>
  sha256Hex(...records.map((record) => RegistryRecord.encode(record).finish()));
const requests = (records: readonly RegistryRecord[]) => records.map((record) => ({ record }));

describe('export and restore', () => {
  test('an export restored into an empty server is the same registry, record for record', async (t) => {
    const records = await exported(from.client);
    assert.deepEqual(
      records.map(({ record }) => record?.$case),
      ['model', 'model', 'expert', 'expert', 'expert', 'expert', 'alias', 'alias'],
    );
    const ending = lastFirst(t);
    const to = await startRegistry((await withNats(ending)).url);
    ending.after(to.stop);
    assert.deepEqual(await to.client.restoreRegistry(requests(records)), { created: 8n, kept: 0n });
    assert.equal(hashOf(await exported(to.client)), hashOf(records));
    assert.equal((await to.client.getExpert({ name: `toy/math@${three}` })).expert!.retired, true);
    assert.equal((await to.client.getExpert({ name: 'toy/math@stable' })).expert!.version, one);
    assert.deepEqual(await to.client.restoreRegistry(requests(records)), { created: 0n, kept: 8n });
  });

  test('an interrupted restore is completed by the next one', async (t) => {
    const records = await exported(from.client);
    const ending = lastFirst(t);
    const to = await startRegistry((await withNats(ending)).url);
    ending.after(to.stop);
    await to.client.restoreRegistry(requests(records.slice(0, 4)));
    assert.deepEqual(await to.client.restoreRegistry(requests(records)), { created: 4n, kept: 4n });
    assert.equal(hashOf(await exported(to.client)), hashOf(records));
  });

  test('what differs is refused and nothing is overwritten', async (t) => {
    const records = await exported(from.client);
    const ending = lastFirst(t);
    const to = await startRegistry((await withNats(ending)).url);
    ending.after(to.stop);
    await to.client.publishModel({ model: toyModel({ parameters: 43n }) });
    await assert.rejects(to.client.restoreRegistry(requests(records)), { reason: 'MODEL_CONFLICT' });
    assert.equal((await to.client.getModel({ name: 'toy' })).model!.parameters, 43n);

    const alias = records.find(({ record }) => record?.$case === 'alias' && record.value.model === 'toy');
    assert.ok(alias?.record?.$case === 'alias');
    const moved = {
      format: 1,
      record: { $case: 'alias' as const, value: { ...alias.record.value, version: two } },
    };
    await assert.rejects(from.client.restoreRegistry(requests([moved])), { reason: 'ALIAS_CONFLICT' });
    assert.equal((await from.client.getExpert({ name: 'toy/math@stable' })).expert!.version, one);
  });

  test('a record whose version is not that of its content is CORRUPT and not written', async (t) => {
    const records = await exported(from.client);
    const ending = lastFirst(t);
    const to = await startRegistry((await withNats(ending)).url);
    ending.after(to.stop);
    await to.client.restoreRegistry(requests(records.slice(0, 2)));
    const record = records[2]!.record;
    assert.ok(record?.$case === 'expert');
    const expert = {
      ...record.value.expert!,
      spec: { ...record.value.expert!.spec!, description: 'changed' },
    };
    const forged = { format: 1, record: { $case: 'expert' as const, value: { ...record.value, expert } } };
    await assert.rejects(to.client.restoreRegistry(requests([forged])), {
      reason: 'CORRUPT',
      code: 'DATA_LOSS',
    });
    assert.equal(to.registry.view.experts.size, 0);
  });
});
