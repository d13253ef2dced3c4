import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Normalisation } from '#proto/zmesh/v1/common.js';
import { ExpertKind } from '#proto/zmesh/v1/expert_registry.js';
import { sha256Hex } from '#shared/ids.js';
import { lastFirst } from '../../support/cleanup.js';
import { withNats } from '../../support/nats.js';
import { published, sigma, spec, startRegistry, toyModel, vectors } from './fixture.js';

const cleanup = lastFirst({ after });
const nats = await withNats(cleanup);
const { client, stop } = await startRegistry(nats.url);
cleanup.after(stop);

describe('models', () => {
  test('the same manifest again is a no-op', async () => {
    assert.deepEqual(await client.publishModel({ model: toyModel() }), { created: true });
    assert.deepEqual(await client.publishModel({ model: toyModel() }), { created: false });
    assert.deepEqual((await client.getModel({ name: 'toy' })).model, toyModel());
  });

  test('lists leave σ out', async () => {
    const { models } = await client.listRegisteredModels({});
    assert.deepEqual(
      models.map(({ name, matrices }) => [name, matrices.map(({ singularValues }) => singularValues.length)]),
      [['toy', [0, 0, 0]]],
    );
  });

  test('more σ under the same fingerprint extend the manifest and keep what was there', async () => {
    const small = toyModel({ name: 'grows' });
    small.matrices = small.matrices.map((matrix, i) => ({
      ...matrix,
      singularValues: i === 0 ? matrix.singularValues : new Uint8Array(),
    }));
    const rest = toyModel({ name: 'grows' });
    rest.matrices = rest.matrices.map((matrix, i) => ({
      ...matrix,
      singularValues: i === 0 ? new Uint8Array() : matrix.singularValues,
    }));
    assert.equal((await client.publishModel({ model: small })).created, true);
    await assert.rejects(
      client.publishExpert({ spec: spec({ model: 'grows' }), vectors: vectors(1), alias: '' }),
      {
        reason: 'UNKNOWN_MATRIX',
        message: 'model grows was not decomposed at down.weight: import it again with --adapt all',
      },
    );
    assert.equal((await client.publishModel({ model: rest })).created, true);
    assert.equal((await client.publishModel({ model: rest })).created, false);
    assert.deepEqual((await client.getModel({ name: 'grows' })).model, toyModel({ name: 'grows' }));
    await published(client, 1, { model: 'grows' });
  });

  test('σ of another machine that agree to 5e-9 are the same; others are a conflict', async () => {
    const near = toyModel();
    near.matrices[0]!.singularValues = sigma(3 * (1 + 5e-9), 2, 1);
    assert.equal((await client.publishModel({ model: near })).created, false);
    near.matrices[0]!.singularValues = sigma(3.001, 2, 1);
    await assert.rejects(client.publishModel({ model: near }), {
      reason: 'MODEL_CONFLICT',
      code: 'ALREADY_EXISTS',
    });
  });
});

describe('experts', () => {
  test('a version is told by its content: bytes, hash, size and matrices', async () => {
    const file = vectors(2);
    const { expert, created } = await client.publishExpert({ spec: spec(), vectors: file, alias: '' });
    assert.equal(created, true);
    assert.match(expert!.version, /^[0-9a-f]{64}$/);
    assert.equal(expert!.vectorsSha256, sha256Hex(file));
    assert.equal(expert!.vectorsBytes, BigInt(file.length));
    assert.deepEqual(expert!.matrices, ['down.weight', 'up.weight']);
    assert.ok(Math.abs(Number(expert!.publishedAt!.seconds) - Date.now() / 1000) < 60);
    const answer = await client.getExpertVectors({ name: `toy/math@${expert!.version}` });
    assert.deepEqual(new Uint8Array(answer.vectors), new Uint8Array(file));
    assert.deepEqual(answer.expert, expert);
  });

  test('the same content again gives the version that exists, also without the default kind', async () => {
    const first = await client.publishExpert({
      spec: spec({ name: 'same' }),
      vectors: vectors(3),
      alias: '',
    });
    const again = await client.publishExpert({
      spec: spec({ name: 'same', kind: ExpertKind.UNSPECIFIED }),
      vectors: vectors(3),
      alias: '',
    });
    assert.equal(again.created, false);
    assert.deepEqual(again.expert, first.expert);
  });

  test('anything else in spec or vectors makes another version', async () => {
    const changes = [
      {},
      { normalisation: Normalisation.TRACE },
      { label: 'sums' },
      { description: 'other' },
      { metadata: { trainer: 'by foot' } },
      { kind: ExpertKind.CLASSIFIER, label: '' },
    ];
    const versions = new Set<string>();
    for (const change of changes) versions.add(await published(client, 4, { name: 'differs', ...change }));
    versions.add(await published(client, 5, { name: 'differs' }));
    assert.equal(versions.size, changes.length + 1);
  });

  test('the version of a known expert stays what it is', async () => {
    // Computed by tests/contract/registry/version.py, an independent implementation of the canonical encoding.
    assert.equal(
      await published(client, 1, { name: 'pinned' }),
      'e13bad33805d0464dfb2a4bf4623e53d4ebb38f4b1c3d27e075714e5213c2502',
    );
  });

  test('a version is found by alias, by version and by 8 digits of it', async () => {
    const version = await published(client, 6, { name: 'found' }, 'stable');
    for (const selector of ['stable', version, version.slice(0, 8)]) {
      const { expert } = await client.getExpert({ name: `toy/found@${selector}` });
      assert.equal(expert!.version, version);
      assert.deepEqual(expert!.aliases, ['stable']);
    }
  });

  test('names with dots and dashes survive storage', async () => {
    const name = 'a..b-c_d.';
    const version = await published(client, 7, { name }, 'v1.2.');
    const { expert } = await client.getExpert({ name: `toy/${name}@v1.2.` });
    assert.equal(expert!.version, version);
  });
});

describe('lists', () => {
  test('pages hold every version once, newest first within an expert, while others publish', async () => {
    await client.publishModel({ model: toyModel({ name: 'paged' }) });
    const versions = { a: [] as string[], b: [] as string[] };
    for (let i = 0; i < 5; i += 1) {
      versions.a.unshift(await published(client, i, { model: 'paged', name: 'a' }));
      versions.b.unshift(await published(client, i, { model: 'paged', name: 'b' }));
    }
    const seen: string[] = [];
    let pageToken = '';
    do {
      const page = await client.listExperts({
        model: 'paged',
        name: '',
        includeRetired: false,
        pageSize: 3,
        pageToken,
      });
      assert.ok(page.experts.length <= 3);
      seen.push(...page.experts.map((expert) => expert.version));
      pageToken = page.nextPageToken;
      await published(client, 100 + seen.length, { model: 'paged', name: 'a' });
    } while (pageToken !== '');
    assert.deepEqual(seen, [...versions.a, ...versions.b]);
  });

  test('retired versions are listed only when asked for', async () => {
    await client.publishModel({ model: toyModel({ name: 'retiring' }) });
    const version = await published(client, 1, { model: 'retiring' });
    const kept = await published(client, 2, { model: 'retiring' });
    const { expert } = await client.retireExpert({ name: `retiring/math@${version}` });
    assert.equal(expert!.retired, true);
    const list = async (includeRetired: boolean) =>
      (
        await client.listExperts({
          model: 'retiring',
          name: 'math',
          includeRetired,
          pageSize: 0,
          pageToken: '',
        })
      ).experts.map((item) => [item.version, item.retired]);
    assert.deepEqual(await list(false), [[kept, false]]);
    assert.deepEqual(await list(true), [
      [kept, false],
      [version, true],
    ]);
    assert.equal((await client.getExpertVectors({ name: `retiring/math@${version}` })).expert!.retired, true);
  });
});

describe('aliases', () => {
  test('an alias moves by compare-and-set and tells what it pointed to', async () => {
    const name = 'moving';
    const one = await published(client, 1, { name });
    const two = await published(client, 2, { name });
    const move = (version: string, expectedVersion: string | undefined) =>
      client.setAlias({ model: 'toy', expert: name, alias: 'stable', version, expectedVersion });
    const created = await move(one, '');
    assert.equal(created.previousVersion, '');
    await assert.rejects(move(two, ''), {
      reason: 'ALIAS_CONFLICT',
      code: 'ABORTED',
      message: `alias stable of toy/moving points to ${one}, not to nothing`,
    });
    const moved = await move(two.slice(0, 12), one);
    assert.deepEqual([moved.previousVersion, moved.version], [one, two]);
    assert.ok(moved.revision > created.revision);
    await assert.rejects(move(one, one), { reason: 'ALIAS_CONFLICT' });
    assert.deepEqual(await move(two, undefined), {
      previousVersion: two,
      version: two,
      revision: moved.revision,
    });
    assert.equal((await move(one, undefined)).previousVersion, two);
    await assert.rejects(
      client.deleteAlias({ model: 'toy', expert: name, alias: 'stable', expectedVersion: two }),
      { reason: 'ALIAS_CONFLICT' },
    );
    const deleted = await client.deleteAlias({
      model: 'toy',
      expert: name,
      alias: 'stable',
      expectedVersion: one,
    });
    assert.equal(deleted.previousVersion, one);
    await assert.rejects(client.getExpert({ name: `toy/${name}@stable` }), { reason: 'UNKNOWN_ALIAS' });
    assert.equal((await move(two, '')).previousVersion, '');
  });

  test('a version under an alias cannot be retired, a retired one gets no alias', async () => {
    const name = 'used';
    const version = await published(client, 1, { name }, 'stable');
    await assert.rejects(client.retireExpert({ name: `toy/used@${version}` }), {
      reason: 'EXPERT_IN_USE',
      code: 'FAILED_PRECONDITION',
      message: `toy/used@${version} cannot be retired: stable still points to it`,
    });
    await client.deleteAlias({
      model: 'toy',
      expert: name,
      alias: 'stable',
      expectedVersion: undefined,
    });
    await client.retireExpert({ name: `toy/used@${version}` });
    assert.equal((await client.retireExpert({ name: `toy/used@${version}` })).expert!.retired, true);
    const again = { model: 'toy', expert: name, alias: 'stable', version, expectedVersion: undefined };
    await assert.rejects(client.setAlias(again), { reason: 'EXPERT_RETIRED' });
    await assert.rejects(published(client, 1, { name }, 'stable'), { reason: 'EXPERT_RETIRED' });
  });
});
