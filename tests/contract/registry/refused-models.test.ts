import { after } from 'node:test';
import type { ModelManifest } from '#proto/zmesh/v1/expert_registry.js';
import { lastFirst } from '../../support/cleanup.js';
import { withNats } from '../../support/nats.js';
import { FINGERPRINT, sigma, startRegistry, toyModel } from './fixture.js';
import { invalid, missing, testRefusals, tooLarge } from './refusal.js';

const cleanup = lastFirst({ after });
const nats = await withNats(cleanup);
const { client, stop, registry } = await startRegistry(nats.url);
cleanup.after(stop);
await client.publishModel({ model: toyModel() });

const model = (change: Partial<ModelManifest>) => client.publishModel({ model: toyModel(change) });
const oneMatrix = (change: object) =>
  model({ name: 'other', matrices: [{ ...toyModel().matrices[0]!, ...change }] });

testRefusals(registry, 'a manifest with', [
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
]);
