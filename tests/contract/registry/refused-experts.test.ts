import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Normalisation } from '#proto/zmesh/v1/common.js';
import { ExpertKind, type ExpertSpec } from '#proto/zmesh/v1/expert_registry.js';
import type { ZmeshError } from '#shared/errors.js';
import { encodeSafetensors } from '#shared/safetensors/safetensors.js';
import { lastFirst } from '../../support/cleanup.js';
import { withNats } from '../../support/nats.js';
import { BASIS, onlyVectors, spec, startRegistry, toyModel, vectors } from './fixture.js';
import { invalid, missing, testRefusals, tooLarge } from './refusal.js';

const cleanup = lastFirst({ after });
const nats = await withNats(cleanup);
const { client, stop, registry } = await startRegistry(nats.url);
cleanup.after(stop);
await client.publishModel({ model: toyModel() });

const publish = (change: Partial<ExpertSpec>, file: Uint8Array = vectors(9), alias = '') =>
  client.publishExpert({ spec: spec(change), vectors: file, alias });
const long = 'x'.repeat(65);
const f64 = encodeSafetensors([{ name: 'up.weight', dtype: 'F64', shape: [3], data: new Uint8Array(24) }]);

testRefusals(registry, 'an expert with', [
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
    message: 'spec.kind: 9 is not known',
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
]);

test('an oversize payload tells limit and value in the details', async () => {
  await assert.rejects(publish({}, new Uint8Array(70_000)), (error: ZmeshError) => {
    assert.deepEqual([error.details.limit, error.details.value], ['65536', '70000']);
    return true;
  });
});
