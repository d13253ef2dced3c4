import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type MixtureArm, Normalisation } from '#proto/zmesh/v1/common.js';
import { ExpertGate, ExpertKind, type ExpertSpec } from '#proto/zmesh/v1/expert_registry.js';
import { sha256Hex } from '#shared/ids.js';
import { projectRoot } from '#shared/paths.js';
import { lastFirst } from '../../support/cleanup.js';
import { withNats } from '../../support/nats.js';
import {
  collect,
  published,
  type RegistryClient,
  spec,
  startRegistry,
  toyModel,
  vectors,
} from './fixture.js';

const cleanup = lastFirst({ after });
const nats = await withNats(cleanup);
const { client, stop } = await startRegistry(nats.url);
cleanup.after(stop);
await client.publishModel({ model: toyModel() });
const math = await published(client, 1);
await published(client, 2, { name: 'code', label: 'code' });

const arm = (expert: string, alpha: number, alphaPerMatrix: Record<string, number> = {}): MixtureArm => ({
  expert,
  alpha,
  alphaPerMatrix,
});

const adaptation = (arms: MixtureArm[], change: Partial<ExpertSpec> = {}): ExpertSpec =>
  spec({
    name: 'sums-and-code',
    kind: ExpertKind.ADAPTATION,
    label: '',
    mixture: { arms },
    metadata: {},
    ...change,
  });

const publish = (given: ExpertSpec, alias = '') =>
  client.publishExpert({ spec: given, vectors: new Uint8Array(), alias });

const utf8 = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value), 'utf8');

describe('adaptations', () => {
  test('an adaptation is a version beside experts: arms, alias, and a hash that a second implementation finds too', async () => {
    const arms = [arm(`math@${math}`, 0.75, { 'up.weight': 0.5, 'down.weight': 0 }), arm('base', 0.25)];
    const { expert, created } = await publish(adaptation(arms), 'stable');
    assert.equal(created, true);
    assert.deepEqual(expert?.spec?.mixture?.arms, arms);
    assert.deepEqual([expert?.vectorsSha256, expert?.vectorsBytes, expert?.matrices], ['', 0n, []]);
    assert.deepEqual(expert?.aliases, ['stable']);
    const script = join(projectRoot, 'tests/contract/registry/adaptation-version.py');
    const expected = execFileSync('python3', [script, math], { encoding: 'utf8' }).trim();
    assert.equal(expert?.version, expected);
    const again = await publish(adaptation(arms));
    assert.equal(again.created, false);
  });

  test('one that names the base has no arms and no normalisation', async () => {
    const given = adaptation([], { name: 'nothing-helps', normalisation: Normalisation.UNSPECIFIED });
    const { expert } = await publish(given, 'stable');
    assert.deepEqual(expert?.spec?.mixture?.arms, []);
  });

  const refusals: readonly [string, () => ExpertSpec, string, RegExp][] = [
    ['no mixture', () => adaptation([], { mixture: undefined }), 'MISSING_FIELD', /spec.mixture is required/],
    [
      'a name that is no exact version',
      () => adaptation([arm('math@stable', 1)]),
      'INVALID_FIELD',
      /no exact version/,
    ],
    [
      'an unknown expert',
      () => adaptation([arm(`nobody@${math}`, 1)]),
      'UNKNOWN_EXPERT',
      /has no expert or adaptation nobody/,
    ],
    [
      'another expert\u2019s version',
      () => adaptation([arm(`code@${math}`, 1)]),
      'UNKNOWN_VERSION',
      /has no version/,
    ],
    [
      'α all zero',
      () => adaptation([arm(`math@${math}`, 0)]),
      'BAD_MIXTURE',
      /every α of the mixture is zero/,
    ],
    ['a negative α', () => adaptation([arm(`math@${math}`, -1)]), 'BAD_MIXTURE', /finite and >= 0/],
    [
      'an unknown matrix',
      () => adaptation([arm(`math@${math}`, 1, { 'no.weight': 1 })]),
      'UNKNOWN_MATRIX',
      /no.weight/,
    ],
    [
      'another normalisation than its experts',
      () => adaptation([arm(`math@${math}`, 1)], { normalisation: Normalisation.TRACE }),
      'MIXED_NORMALISATION',
      /another normalisation/,
    ],
    [
      'a label',
      () => adaptation([arm('base', 1)], { label: 'x' }),
      'INVALID_FIELD',
      /an adaptation has no label/,
    ],
    [
      'an expert\u2019s name',
      () => adaptation([arm('base', 1)], { name: 'math' }),
      'INVALID_FIELD',
      /is an expert already/,
    ],
    ['another basis', () => adaptation([arm('base', 1)], { basisId: 'x' }), 'BASIS_MISMATCH', /basis_id/],
    [
      'a mixture of an expert',
      () => spec({ mixture: { arms: [] } }),
      'INVALID_FIELD',
      /a task expert has no mixture/,
    ],
  ];
  for (const [what, given, reason, text] of refusals)
    test(`${what} is refused`, () => assert.rejects(publish(given()), { reason, message: text }));

  test('vectors are refused, and asking for them too', async () => {
    const given = adaptation([arm('base', 1)], { name: 'no-vectors' });
    await assert.rejects(client.publishExpert({ spec: given, vectors: vectors(1), alias: '' }), {
      reason: 'INVALID_FIELD',
      message: /an adaptation has no vectors/,
    });
    const { expert } = await publish(given);
    await assert.rejects(client.getExpertVectors({ name: `toy/no-vectors@${expert?.version}` }), {
      reason: 'INVALID_FIELD',
    });
  });

  test('an expert that an adaptation uses is retired only after it', async () => {
    const used = await published(client, 7, { name: 'used', label: 'used' });
    const { expert } = await publish(adaptation([arm(`used@${used}`, 1)], { name: 'user' }));
    const user = `toy/user@${expert?.version}`;
    await assert.rejects(client.retireExpert({ name: `toy/used@${used}` }), {
      reason: 'EXPERT_IN_USE',
      message: new RegExp(`an adaptation uses it, retire it first: ${user}`),
    });
    await client.retireExpert({ name: user });
    assert.equal((await client.retireExpert({ name: `toy/used@${used}` })).expert?.retired, true);
    await assert.rejects(publish(adaptation([arm(`used@${used}`, 0.5)], { name: 'late' })), {
      reason: 'EXPERT_RETIRED',
    });
  });
});

describe('records and gates', () => {
  test('the record of how a version came to be is kept byte for byte; the first one counts', async () => {
    const record = utf8({ run: 'r1', curve: [1, 2] });
    const given = { spec: spec({ name: 'told' }), vectors: vectors(8), alias: '', record };
    const { expert } = await client.publishExpert(given);
    assert.equal(expert?.recordSha256, sha256Hex(record));
    assert.equal(expert?.recordBytes, BigInt(record.length));
    await client.publishExpert({ ...given, record: utf8({ run: 'r2' }) });
    const answer = await client.getExpertRecord({ name: `toy/told@${expert?.version}` });
    assert.deepEqual(Buffer.from(answer.record), Buffer.from(record));
    const none = await client.getExpertRecord({ name: `toy/math@${math}` });
    assert.equal(none.record.length, 0);
  });

  test('a record that is no JSON object is refused', async () => {
    for (const record of [Buffer.from('{'), utf8([1]), Buffer.from([0x22, 0xff, 0x22])]) {
      const given = { spec: spec({ name: 'untold' }), vectors: vectors(9), alias: '', record };
      await assert.rejects(client.publishExpert(given), { reason: 'INVALID_FIELD', message: /^record: / });
    }
  });

  test('no alias points to a version that failed its held-out test', async () => {
    const given = { spec: spec({ name: 'worse' }), vectors: vectors(10), gate: ExpertGate.FAILED };
    await assert.rejects(client.publishExpert({ ...given, alias: 'stable' }), { reason: 'GATE_FAILED' });
    const { expert } = await client.publishExpert({ ...given, alias: '' });
    assert.equal(expert?.gate, ExpertGate.FAILED);
    const move = { model: 'toy', expert: 'worse', alias: 'stable', version: expert!.version };
    await assert.rejects(client.setAlias(move), { reason: 'GATE_FAILED', code: 'FAILED_PRECONDITION' });
    await assert.rejects(client.publishExpert({ ...given, gate: ExpertGate.PASSED, alias: 'stable' }), {
      reason: 'GATE_FAILED',
    });
  });

  test('categories belong to a classification expert, in one order, and are part of its version', async () => {
    const judge = { name: 'judge', kind: ExpertKind.CLASSIFIER, label: '' };
    const plain = await published(client, 11, judge);
    const known = await published(client, 11, { ...judge, categories: ['other', 'math', 'code'] });
    const turned = await published(client, 11, { ...judge, categories: ['code', 'math', 'other'] });
    assert.notEqual(plain, known);
    assert.equal(known, turned);
    await assert.rejects(published(client, 11, { categories: ['math'] }), { reason: 'INVALID_FIELD' });
    await assert.rejects(published(client, 11, { ...judge, categories: ['math', 'math'] }), {
      reason: 'INVALID_FIELD',
      message: /stands twice/,
    });
  });
});

test('verify finds all of it sound, and an export restores adaptations, records and gates', async (t) => {
  const all = await collect(client.verifyRegistry({}));
  assert.deepEqual(
    all.filter(({ fault }) => fault !== ''),
    [],
  );
  const records = await collect(client.exportRegistry({}));
  const restored = lastFirst(t);
  const other = await withNats(restored);
  const second = await startRegistry(other.url);
  restored.after(second.stop);
  await second.client.restoreRegistry(records);
  const list = async (of: RegistryClient) => {
    const { experts } = await of.listExperts({
      model: '',
      name: '',
      includeRetired: true,
      pageSize: 1000,
      pageToken: '',
    });
    return new Map(experts.map((expert) => [expert.version, expert]));
  };
  assert.deepEqual(await list(second.client), await list(client));
  const told = [...(await list(client)).values()].find((expert) => expert.spec?.name === 'told');
  const { record } = await second.client.getExpertRecord({ name: `toy/told@${told?.version}` });
  assert.equal(sha256Hex(record), told?.recordSha256);
});
