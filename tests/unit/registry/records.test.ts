import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ExpertVersion, ModelManifest } from '#proto/zmesh/v1/expert_registry.js';
import {
  decodeRecord,
  encodeRecord,
  keyOf,
  type StoredRecord,
  withoutSigma,
} from '#services/expert-registry/records.js';
import { FINGERPRINT, spec, toyModel } from '../../contract/registry/fixture.js';

const version = ExpertVersion.create({
  spec: spec({ name: 'a.b' }),
  version: 'cd'.repeat(32),
  vectorsSha256: 'ef'.repeat(32),
  vectorsBytes: 12n,
  matrices: ['down.weight', 'up.weight'],
  publishedAt: { seconds: 1_700_000_000n, nanos: 5_000_000 },
});

const records: readonly (readonly [string, StoredRecord])[] = [
  [
    'model.toy',
    {
      kind: 'model',
      manifest: withoutSigma(toyModel()),
      decomposed: ['up.weight'],
      manifestSha256: FINGERPRINT,
    },
  ],
  [`version.toy.a=b.${'cd'.repeat(32)}`, { kind: 'version', expert: version }],
  [
    'alias.to=y.a=b.v1=2',
    { kind: 'alias', model: 'to.y', expert: 'a.b', alias: 'v1.2', version: 'cd'.repeat(32) },
  ],
  ['alias.toy.math.gone', { kind: 'alias', model: 'toy', expert: 'math', alias: 'gone', version: undefined }],
  [
    `retired.toy.math.${'cd'.repeat(32)}`,
    { kind: 'retired', model: 'toy', expert: 'math', version: 'cd'.repeat(32) },
  ],
];

describe('records', () => {
  for (const [key, record] of records) {
    test(`${key} is read as it was written`, () => {
      assert.equal(keyOf(record), key);
      assert.match(key, /^[-/=.\w]+$/, 'a valid KV key');
      assert.deepEqual(decodeRecord(key, encodeRecord(record)), record);
    });
  }

  test('a version is JSON that people can read', () => {
    const json = JSON.parse(Buffer.from(encodeRecord({ kind: 'version', expert: version })!).toString()) as {
      format: number;
      expert: { spec: { name: string } };
    };
    assert.equal(json.format, 1);
    assert.equal(json.expert.spec.name, 'a.b');
  });

  test('the manifest without σ keeps everything else', () => {
    const plain = withoutSigma(toyModel());
    assert.ok(plain.matrices.every((matrix) => matrix.singularValues.length === 0));
    assert.deepEqual(
      ModelManifest.toJSON({ ...plain, matrices: [] }),
      ModelManifest.toJSON({ ...toyModel(), matrices: [] }),
    );
  });
});

describe('records that make no sense are told', () => {
  const value = (body: unknown): Uint8Array => Buffer.from(JSON.stringify(body));
  const faults: readonly (readonly [string, string, Uint8Array | undefined, RegExp])[] = [
    ['a key of another kind', 'lease.a.b.c', value({ format: 1 }), /not a key of the registry/],
    [
      'a key of too few parts',
      'alias.toy.math',
      value({ format: 1, version: 'x' }),
      /not a key of the registry/,
    ],
    [
      'a key of too many parts',
      'alias.toy.math.stable.x',
      value({ format: 1, version: 'x' }),
      /not a key of the registry/,
    ],
    ['no JSON', 'model.toy', Buffer.from('{'), /JSON/],
    ['another format', 'model.toy', value({ format: 2 }), /it has format 2, this registry knows 1/],
    [
      'a deleted version',
      `version.toy.math.${'cd'.repeat(32)}`,
      undefined,
      /it was deleted, which the registry never does/,
    ],
    [
      "another model's manifest",
      'model.toy',
      value({ format: 1, manifest: { name: 'else' } }),
      /it holds the model "else"/,
    ],
    [
      "another version's content",
      `version.toy.math.${'00'.repeat(32)}`,
      value({ format: 1, expert: ExpertVersion.toJSON(version) }),
      /it holds toy\/a\.b@cdcd/,
    ],
    ['an alias without version', 'alias.toy.math.stable', value({ format: 1 }), /`version` is not a string/],
  ];
  for (const [title, key, bytes, message] of faults) {
    test(title, () => {
      assert.throws(() => decodeRecord(key, bytes), message);
    });
  }
});
