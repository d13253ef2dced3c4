import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { lastFirst } from '../../support/cleanup.js';
import { withNats } from '../../support/nats.js';
import { published, startRegistry, toyModel } from './fixture.js';
import { invalid, missing, testRefusals } from './refusal.js';

const cleanup = lastFirst({ after });
const nats = await withNats(cleanup);
const { client, stop, registry } = await startRegistry(nats.url);
cleanup.after(stop);
await client.publishModel({ model: toyModel() });
const version = await published(client, 1, {}, 'stable');

function list(change: { pageSize?: number; pageToken?: string }) {
  return client.listExperts({
    model: '',
    name: '',
    includeRetired: false,
    pageSize: 0,
    pageToken: '',
    ...change,
  });
}

async function firstOf(afterRevision: bigint): Promise<unknown> {
  for await (const message of client.watchExperts({ model: '', afterRevision })) return message;
  return undefined;
}

testRefusals(registry, 'requests about', [
  // Names.
  {
    title: 'a model that is not there',
    call: () => client.getModel({ name: 'nobody' }),
    reason: 'UNKNOWN_MODEL',
    code: 'NOT_FOUND',
    message: 'no model nobody is registered',
  },
  {
    title: 'a name without a model',
    call: () => client.getExpert({ name: 'math@stable' }),
    ...invalid,
    message: /^name: "math@stable" must be whole/,
    field: 'name',
  },
  {
    title: 'a name without a version',
    call: () => client.getExpert({ name: 'toy/math' }),
    ...invalid,
    message: /must be whole, model\/expert@version or model\/expert@alias$/,
    field: 'name',
  },
  {
    title: 'a name with two slashes',
    call: () => client.getExpert({ name: 'a/b/c@d' }),
    ...invalid,
    message: /is not a name/,
    field: 'name',
  },
  {
    title: 'an unknown expert',
    call: () => client.getExpert({ name: 'toy/chess@stable' }),
    reason: 'UNKNOWN_EXPERT',
    code: 'NOT_FOUND',
    message: 'toy has no expert or adaptation chess',
  },
  {
    title: 'an unknown alias',
    call: () => client.getExpert({ name: 'toy/math@canary' }),
    reason: 'UNKNOWN_ALIAS',
    code: 'NOT_FOUND',
    message: 'toy/math has no alias canary',
  },
  {
    title: 'an unknown version',
    call: () => client.getExpertVectors({ name: `toy/math@${'0'.repeat(64)}` }),
    reason: 'UNKNOWN_VERSION',
    code: 'NOT_FOUND',
    message: `toy/math has no version ${'0'.repeat(64)}`,
  },
  {
    title: 'retiring by alias',
    call: () => client.retireExpert({ name: 'toy/math@stable' }),
    ...invalid,
    message: 'name: "toy/math@stable" names an alias; a version is retired by its hash',
    field: 'name',
  },
  {
    title: 'an alias to seven digits',
    call: () =>
      client.setAlias({
        model: 'toy',
        expert: 'math',
        alias: 'a',
        version: version.slice(0, 7),
        expectedVersion: undefined,
      }),
    ...invalid,
    message: /is not a version \(64 hex digits, or the first 8 or more\)$/,
    field: 'version',
  },
  {
    title: 'an expectation that is no version',
    call: () =>
      client.setAlias({ model: 'toy', expert: 'math', alias: 'a', version, expectedVersion: 'stable' }),
    ...invalid,
    message: /^expected_version: "stable" is not a version/,
    field: 'expected_version',
  },
  {
    title: 'deleting an alias that is not there',
    call: () => client.deleteAlias({ model: 'toy', expert: 'math', alias: 'a', expectedVersion: undefined }),
    reason: 'UNKNOWN_ALIAS',
    code: 'NOT_FOUND',
    message: 'toy/math has no alias a',
  },
  // Lists and watches.
  {
    title: 'a page of 1001',
    call: () => list({ pageSize: 1001 }),
    ...invalid,
    message: 'page_size is 1001, the limit is 1000',
    field: 'page_size',
  },
  {
    title: 'a made-up page token',
    call: () => list({ pageToken: 'abc' }),
    reason: 'BAD_PAGE_TOKEN',
    code: 'INVALID_ARGUMENT',
    message: 'page_token is none of this listing',
    field: 'page_token',
  },
  {
    title: 'a watch from a revision to come',
    call: () => firstOf(10_000n),
    reason: 'REVISION_UNAVAILABLE',
    code: 'OUT_OF_RANGE',
    message: /^revision 10000 is not reached yet, the last one is \d+: watch from 0$/,
    field: 'after_revision',
  },
  {
    title: 'a watch from beyond all numbers',
    call: () => firstOf(2n ** 63n),
    reason: 'REVISION_UNAVAILABLE',
    code: 'OUT_OF_RANGE',
    message: /^after_revision is 9223372036854775808/,
    field: 'after_revision',
  },
  // Exports.
  {
    title: 'an export of another format',
    call: () =>
      client.restoreRegistry([{ record: { format: 2, record: { $case: 'model', value: toyModel() } } }]),
    ...invalid,
    message: 'record.format is 2, this registry reads 1',
    field: 'record.format',
  },
  {
    title: 'an empty record',
    call: () => client.restoreRegistry([{ record: undefined }]),
    ...missing,
    message: 'record is required',
    field: 'record',
  },
]);

test('a page token of a listing with other filters is refused', async () => {
  await published(client, 2);
  const { nextPageToken } = await list({ pageSize: 1 });
  assert.notEqual(nextPageToken, '');
  const request = { model: 'toy', name: '', includeRetired: false, pageSize: 1, pageToken: nextPageToken };
  await assert.rejects(client.listExperts(request), { reason: 'BAD_PAGE_TOKEN' });
});
