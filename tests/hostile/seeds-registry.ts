import { EMBEDDED_MODEL } from '#deploy/local/embedded-model.js';
import {
  DeleteAliasRequest,
  type ExpertGate,
  ExpertKind,
  ExpertVersion,
  GetExpertRecordRequest,
  GetExpertRequest,
  GetExpertVectorsRequest,
  GetModelRequest,
  ListExpertsRequest,
  type ModelManifest,
  PublishExpertRequest,
  PublishModelRequest,
  RestoreRegistryRequest,
  RetireExpertRequest,
  SetAliasRequest,
  WatchExpertsRequest,
} from '#proto/zmesh/v1/expert_registry.js';
import { type Facts, specOf } from './facts.js';
import type { Random } from './random.js';
import type { Seed } from './seeds.js';

const victim = (random: Random): string => random.pick(['victim-0', 'victim-1']);
const ALIAS = 'edge';

const toyManifest = (random: Random): ModelManifest => {
  const fingerprint = random.below(3).toString().repeat(64);
  const sigma = Buffer.alloc(16);
  sigma.writeDoubleLE(2, 0);
  sigma.writeDoubleLE(1, 8);
  const matrix = { name: 'toy.weight', rows: 2, columns: 3, singularValues: sigma };
  return {
    name: `toy-${random.below(4)}`,
    fingerprint,
    basisId: `${fingerprint}:svd1`,
    architecture: 'llama',
    parameters: 6n,
    matrices: [matrix, { ...matrix, name: 'toy.other', singularValues: new Uint8Array(0) }],
  };
};

const publication = ({ basisId, vectors, versions }: Facts, random: Random) => {
  const alias = random.chance(0.5) ? ALIAS : '';
  if (random.chance(0.3)) {
    const arms = [{ expert: `math@${versions.get('math')}`, alpha: random.below(3), alphaPerMatrix: {} }];
    const kind: ExpertKind = ExpertKind.ADAPTATION;
    const spec = { ...specOf('victim-mixture', basisId), kind, label: '', mixture: { arms } };
    return { spec, vectors: new Uint8Array(0), alias };
  }
  const record = random.chance(0.5) ? Buffer.from('{"by": "test"}') : new Uint8Array(0);
  return {
    spec: { ...specOf(victim(random), basisId), metadata: { by: 'test' } },
    vectors,
    alias,
    record,
    gate: random.below(3) as ExpertGate,
  };
};

const readName = ({ versions }: Facts, random: Random): string => {
  const name = random.pick(['math', 'victim-0', 'victim-retired']);
  return `${EMBEDDED_MODEL}/${name}@${name === 'math' && random.chance(0.5) ? 'stable' : versions.get(name)}`;
};

const restored = (facts: Facts, random: Random): Uint8Array[] => {
  const { versions, basisId, vectors } = facts;
  const name = victim(random);
  const version = versions.get(name)!;
  const expert = ExpertVersion.fromPartial({ spec: specOf(name, basisId), version });
  const records = [
    { $case: 'model' as const, value: random.chance(0.2) ? facts.manifest : toyManifest(random) },
    { $case: 'expert' as const, value: { expert, vectors } },
    { $case: 'alias' as const, value: { model: EMBEDDED_MODEL, expert: name, alias: 'restored', version } },
  ];
  const chosen = records.filter(() => random.chance(0.6));
  return chosen.map((record) => RestoreRegistryRequest.encode({ record: { format: 1, record } }).finish());
};

/** Valid requests for the registry's RPCs. Those that change something touch victims and toys alone. */
export const registrySeeds: Readonly<Record<string, Seed>> = {
  PublishModel: (facts, random) =>
    PublishModelRequest.encode({ model: random.chance(0.1) ? facts.manifest : toyManifest(random) }).finish(),
  GetModel: (_, random) =>
    GetModelRequest.encode({ name: random.pick([EMBEDDED_MODEL, 'tiny', 'toy-0']) }).finish(),
  ListRegisteredModels: () => new Uint8Array(0),
  PublishExpert: (facts, random) => PublishExpertRequest.encode(publication(facts, random)).finish(),
  GetExpert: (facts, random) => GetExpertRequest.encode({ name: readName(facts, random) }).finish(),
  GetExpertVectors: (facts, random) =>
    GetExpertVectorsRequest.encode({ name: readName(facts, random) }).finish(),
  GetExpertRecord: (facts, random) =>
    GetExpertRecordRequest.encode({ name: readName(facts, random) }).finish(),
  ListExperts: (_, random) =>
    ListExpertsRequest.encode({
      model: EMBEDDED_MODEL,
      name: random.pick(['', 'math']),
      includeRetired: random.chance(0.5),
      pageSize: 1 + random.below(5),
      pageToken: '',
    }).finish(),
  WatchExperts: (_, random) =>
    WatchExpertsRequest.encode({
      model: random.pick(['', EMBEDDED_MODEL]),
      afterRevision: random.pick([0n, 1n, 5n]),
    }).finish(),
  SetAlias: ({ versions }, random) => {
    const expert = victim(random);
    return SetAliasRequest.encode({
      model: EMBEDDED_MODEL,
      expert,
      alias: ALIAS,
      version: versions.get(expert)!,
      expectedVersion: random.pick([undefined, '', versions.get(expert)]),
    }).finish();
  },
  DeleteAlias: (_, random) =>
    DeleteAliasRequest.encode({
      model: EMBEDDED_MODEL,
      expert: victim(random),
      alias: ALIAS,
      expectedVersion: undefined,
    }).finish(),
  RetireExpert: ({ versions }) =>
    RetireExpertRequest.encode({
      name: `${EMBEDDED_MODEL}/victim-retired@${versions.get('victim-retired')}`,
    }).finish(),
  VerifyRegistry: () => new Uint8Array(0),
  ExportRegistry: () => new Uint8Array(0),
  RestoreRegistry: restored,
};

/** RPCs that change the registry. */
export const CHANGES: ReadonlySet<string> = new Set([
  'PublishModel',
  'PublishExpert',
  'SetAlias',
  'DeleteAlias',
  'RetireExpert',
  'RestoreRegistry',
]);

/** Words for them: nothing that is routed, so that what the mesh answers stays the same all along. */
export function changingWords({ versions, basisId }: Facts): readonly string[] {
  const victims = ['victim-0', 'victim-1', 'victim-retired'].flatMap((name) => [name, versions.get(name)!]);
  // By their full names they can be retired: victim-0 stays, so that there is something to change to the end.
  const full = ['victim-1', 'victim-retired'].map(
    (name) => `${EMBEDDED_MODEL}/${name}@${versions.get(name)}`,
  );
  return [
    ...victims,
    ...full,
    basisId,
    `${'0'.repeat(64)}:svd1`,
    'toy-0',
    'toy-9',
    'toy.weight',
    ALIAS,
    'llama',
    'by',
  ];
}
