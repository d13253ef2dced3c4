import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Normalisation } from '#proto/zmesh/v1/common.js';
import { ExpertKind, type ExpertSpec, type ModelManifest } from '#proto/zmesh/v1/expert_registry.js';
import type { Code, Reason, ZmeshError } from '#shared/errors.js';
import { encodeSafetensors } from '#shared/safetensors/safetensors.js';
import { lastFirst } from '../../support/cleanup.js';
import { withNats } from '../../support/nats.js';
import {
  BASIS,
  FINGERPRINT,
  onlyVectors,
  published,
  type RegistryClient,
  sigma,
  spec,
  startRegistry,
  toyModel,
  vectors,
} from './fixture.js';

const cleanup = lastFirst({ after });
const nats = await withNats(cleanup);
const { client, stop, registry } = await startRegistry(nats.url);
cleanup.after(stop);
await client.publishModel({ model: toyModel() });
const version = await published(client, 1, {}, 'stable');

interface Refusal {
  readonly title: string;
  readonly call: (client: RegistryClient) => Promise<unknown>;
  readonly reason: Reason;
  readonly code: Code;
  readonly message: string | RegExp;
  readonly field?: string;
}

const publish = (change: Partial<ExpertSpec>, file: Uint8Array = vectors(9), alias = '') =>
  client.publishExpert({ spec: spec(change), vectors: file, alias });
const model = (change: Partial<ModelManifest>) => client.publishModel({ model: toyModel(change) });
const oneMatrix = (change: object) =>
  model({ name: 'other', matrices: [{ ...toyModel().matrices[0]!, ...change }] });
const long = 'x'.repeat(65);
const f64 = encodeSafetensors([{ name: 'up.weight', dtype: 'F64', shape: [3], data: new Uint8Array(24) }]);
const invalid = { reason: 'INVALID_FIELD', code: 'INVALID_ARGUMENT' } as const;
const missing = { reason: 'MISSING_FIELD', code: 'INVALID_ARGUMENT' } as const;
const tooLarge = { reason: 'TOO_LARGE', code: 'RESOURCE_EXHAUSTED' } as const;

const refusals: readonly Refusal[] = [
  // Experts: what they say of themselves.
  {
    title: 'no spec',
    call: () => client.publishExpert({ spec: undefined, vectors: vectors(), alias: '' }),
    ...missing,
    message: 'spec is required',
    field: 'spec',
  },
  {
    title: 'no vectors',
    call: () => publish({}, new Uint8Array()),
    ...missing,
    message: 'vectors is required',
    field: 'vectors',
  },
  {
    title: 'a name with capitals',
    call: () => publish({ name: 'Math' }),
    ...invalid,
    message: /^spec\.name: "Math" is not a name/,
    field: 'spec.name',
  },
  {
    title: 'a name of 65',
    call: () => publish({ name: long }),
    ...invalid,
    message: /^spec\.name: "x{65}" is not a name/,
    field: 'spec.name',
  },
  {
    title: 'the reserved name base',
    call: () => publish({ name: 'base' }),
    ...invalid,
    message: `spec.name: "base" is the unadapted model's own name`,
    field: 'spec.name',
  },
  {
    title: 'the reserved label other',
    call: () => publish({ label: 'other' }),
    ...invalid,
    message: 'spec.label: "other" means none of the published labels',
    field: 'spec.label',
  },
  {
    title: 'a label with a blank',
    call: () => publish({ label: 'two words' }),
    ...invalid,
    message: /^spec\.label: "two words" is not a label/,
    field: 'spec.label',
  },
  {
    title: 'a label on a classifier',
    call: () => publish({ kind: ExpertKind.CLASSIFIER }),
    ...invalid,
    message: 'spec.label: a classification expert has no label, "math" was given',
    field: 'spec.label',
  },
  {
    title: 'no normalisation',
    call: () => publish({ normalisation: Normalisation.UNSPECIFIED }),
    ...invalid,
    message: 'spec.normalisation must be NORMALISATION_NONE or NORMALISATION_TRACE',
    field: 'spec.normalisation',
  },
  {
    title: 'an unknown kind',
    call: () => publish({ kind: 9 as ExpertKind }),
    ...invalid,
    message: 'spec.kind 9 is not known',
    field: 'spec.kind',
  },
  {
    title: 'a long description',
    call: () => publish({ description: 'ü'.repeat(257) }),
    ...tooLarge,
    message: 'spec.description has 514 bytes, the limit is 512',
    field: 'spec.description',
  },
  {
    title: 'much metadata',
    call: () =>
      publish({ metadata: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, ''])) }),
    ...tooLarge,
    message: 'spec.metadata has 65 entries, the limit is 64',
    field: 'spec.metadata',
  },
  {
    title: 'large metadata',
    call: () => publish({ metadata: { a: 'x'.repeat(16384) } }),
    ...tooLarge,
    message: 'spec.metadata has 16385 bytes, the limit is 16384',
    field: 'spec.metadata',
  },
  {
    title: 'an alias like a version',
    call: () => publish({}, vectors(9), 'deadbeef'),
    ...invalid,
    message: 'alias: "deadbeef" looks like a version, not an alias',
    field: 'alias',
  },
  // Experts: whom they belong to.
  {
    title: 'an unknown model',
    call: () => publish({ model: 'nobody' }),
    reason: 'UNKNOWN_MODEL',
    code: 'NOT_FOUND',
    message: 'no model nobody is registered',
  },
  {
    title: 'a foreign fingerprint',
    call: () => publish({ basisId: `${'cd'.repeat(32)}:f64-1` }),
    reason: 'BASIS_MISMATCH',
    code: 'FAILED_PRECONDITION',
    message: `spec.basis_id is ${'cd'.repeat(32)}:f64-1, model toy has ${BASIS}`,
    field: 'spec.basis_id',
  },
  {
    title: 'no basis',
    call: () => publish({ basisId: '' }),
    reason: 'BASIS_MISMATCH',
    code: 'FAILED_PRECONDITION',
    message: `spec.basis_id is (empty), model toy has ${BASIS}`,
    field: 'spec.basis_id',
  },
  // Experts: their vectors.
  {
    title: 'an oversize payload',
    call: () => publish({}, new Uint8Array(64 * 1024 + 1)),
    ...tooLarge,
    message: 'vectors has 65537 bytes, the limit is 65536',
    field: 'vectors',
  },
  {
    title: 'no safetensors',
    call: () => publish({}, new Uint8Array(100)),
    reason: 'BAD_SAFETENSORS',
    code: 'INVALID_ARGUMENT',
    message: /not a sound safetensors file/,
  },
  {
    title: 'a cut file',
    call: () => publish({}, vectors().subarray(0, -1)),
    reason: 'BAD_SAFETENSORS',
    code: 'INVALID_ARGUMENT',
    message: /not a sound safetensors file/,
  },
  {
    title: 'f64 vectors',
    call: () => publish({}, f64),
    reason: 'BAD_SAFETENSORS',
    code: 'INVALID_ARGUMENT',
    message: 'up.weight is F64 [3]; multipliers are one F32 vector a matrix',
  },
  {
    title: 'NaN',
    call: () => publish({}, onlyVectors({ 'up.weight': [1, Number.NaN, 1] })),
    reason: 'BAD_MULTIPLIER',
    code: 'INVALID_ARGUMENT',
    message: 'multiplier 1 of up.weight is NaN; it must be finite and >= 0',
  },
  {
    title: 'infinite multipliers',
    call: () => publish({}, onlyVectors({ 'up.weight': [Number.POSITIVE_INFINITY, 1, 1] })),
    reason: 'BAD_MULTIPLIER',
    code: 'INVALID_ARGUMENT',
    message: 'multiplier 0 of up.weight is Infinity; it must be finite and >= 0',
  },
  {
    title: 'negative multipliers',
    call: () => publish({}, onlyVectors({ 'up.weight': [1, 1, -0.5] })),
    reason: 'BAD_MULTIPLIER',
    code: 'INVALID_ARGUMENT',
    message: 'multiplier 2 of up.weight is -0.5; it must be finite and >= 0',
  },
  {
    title: 'a wrong shape',
    call: () => publish({}, onlyVectors({ 'up.weight': [1, 1] })),
    reason: 'WRONG_SHAPE',
    code: 'INVALID_ARGUMENT',
    message: 'up.weight has 2 multipliers, its rank is 3',
  },
  {
    title: 'an unknown matrix',
    call: () => publish({}, onlyVectors({ 'nose.weight': [1] })),
    reason: 'UNKNOWN_MATRIX',
    code: 'INVALID_ARGUMENT',
    message: 'the model has no adapted matrix nose.weight',
  },
  {
    title: 'a matrix that was not decomposed',
    call: () => publish({}, onlyVectors({ 'lm_head.weight': [1, 1, 1, 1] })),
    reason: 'UNKNOWN_MATRIX',
    code: 'INVALID_ARGUMENT',
    message: 'model toy was not decomposed at lm_head.weight: import it again with --adapt all',
  },
  // Models.
  {
    title: 'no model',
    call: () => client.publishModel({ model: undefined }),
    ...missing,
    message: 'model is required',
    field: 'model',
  },
  {
    title: 'a bad model name',
    call: () => model({ name: '-x' }),
    ...invalid,
    message: /^model\.name: "-x" is not a name/,
    field: 'model.name',
  },
  {
    title: 'a short fingerprint',
    call: () => model({ name: 'other', fingerprint: 'abc' }),
    ...invalid,
    message: 'model.fingerprint: "abc" must be 64 hex digits',
    field: 'model.fingerprint',
  },
  {
    title: "another's basis",
    call: () => model({ name: 'other', basisId: `${'cd'.repeat(32)}:f64-1` }),
    ...invalid,
    message: /must be <fingerprint>:<decomposition version>$/,
    field: 'model.basis_id',
  },
  {
    title: 'an unknown architecture',
    call: () => model({ name: 'other', architecture: 'gpt2' }),
    ...invalid,
    message: 'model.architecture: "gpt2" must be one of llama, mistral, qwen2, qwen3',
    field: 'model.architecture',
  },
  {
    title: 'no matrices',
    call: () => model({ name: 'other', matrices: [] }),
    ...missing,
    message: 'model.matrices is required',
    field: 'model.matrices',
  },
  {
    title: 'a matrix twice',
    call: () => model({ name: 'other', matrices: [...toyModel().matrices, toyModel().matrices[0]!] }),
    ...invalid,
    message: 'model.matrices.name: "up.weight" is there twice',
    field: 'model.matrices.name',
  },
  {
    title: 'an empty matrix',
    call: () => oneMatrix({ rows: 0 }),
    ...invalid,
    message: 'model.matrices: "0×3" up.weight must not be empty',
    field: 'model.matrices',
  },
  {
    title: 'too few σ',
    call: () => oneMatrix({ singularValues: sigma(1, 1) }),
    reason: 'WRONG_SHAPE',
    code: 'INVALID_ARGUMENT',
    message: 'up.weight is 4×3 and has 16 bytes of σ, not 24',
  },
  {
    title: 'rising σ',
    call: () => oneMatrix({ singularValues: sigma(1, 2, 1) }),
    ...invalid,
    message: /"2" of up\.weight must be finite, >= 0 and falling$/,
  },
  {
    title: 'NaN among σ',
    call: () => oneMatrix({ singularValues: sigma(1, Number.NaN, 1) }),
    ...invalid,
    message: /"NaN" of up\.weight/,
  },
  {
    title: 'too many matrices',
    call: () =>
      model({
        name: 'other',
        matrices: Array.from({ length: 4097 }, (_, i) => ({ ...toyModel().matrices[0]!, name: `m${i}` })),
      }),
    ...tooLarge,
    message: 'model.matrices has 4097 entries, the limit is 4096',
    field: 'model.matrices',
  },
  {
    title: 'another fingerprint under a taken name',
    call: () => model({ fingerprint: 'cd'.repeat(32), basisId: `${'cd'.repeat(32)}:f64-1` }),
    reason: 'MODEL_CONFLICT',
    code: 'ALREADY_EXISTS',
    message: `model toy has fingerprint ${FINGERPRINT}, not ${'cd'.repeat(32)}`,
  },
  {
    title: 'other shapes under a taken name',
    call: () =>
      model({
        matrices: toyModel().matrices.map((matrix) => ({
          ...matrix,
          rows: 8,
          columns: 8,
          singularValues: new Uint8Array(),
        })),
      }),
    reason: 'MODEL_CONFLICT',
    code: 'ALREADY_EXISTS',
    message: 'model toy has up.weight of 4×3, not 8×8',
  },
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
    message: 'toy has no expert chess',
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
];

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

describe('the registry refuses', () => {
  for (const { title, call, reason, code, message, field } of refusals) {
    test(`${title}: ${reason}`, async () => {
      const before = registry.view.revision;
      await assert.rejects(call(client), (error: ZmeshError) => {
        assert.deepEqual([error.reason, error.code], [reason, code], error.message);
        if (typeof message === 'string') assert.equal(error.message, message);
        else assert.match(error.message, message);
        if (field !== undefined) assert.equal(error.details.field, field);
        return true;
      });
      assert.equal(registry.view.revision, before, 'a refusal writes nothing');
    });
  }

  test('a page token of a listing with other filters: BAD_PAGE_TOKEN', async () => {
    await published(client, 2);
    const { nextPageToken } = await list({ pageSize: 1 });
    assert.notEqual(nextPageToken, '');
    await assert.rejects(
      client.listExperts({
        model: 'toy',
        name: '',
        includeRetired: false,
        pageSize: 1,
        pageToken: nextPageToken,
      }),
      { reason: 'BAD_PAGE_TOKEN' },
    );
  });

  test('an oversize payload tells limit and value in the details', async () => {
    await assert.rejects(publish({}, new Uint8Array(70_000)), (error: ZmeshError) => {
      assert.deepEqual([error.details.limit, error.details.value], ['65536', '70000']);
      return true;
    });
  });
});
