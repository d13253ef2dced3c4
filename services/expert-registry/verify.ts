import { ModelManifest, type VerifyRegistryResponse } from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';
import { readVectors } from '#shared/svf/vectors.js';
import { expertVersion } from '#shared/svf/version.js';
import { isAdaptation } from './check-expert.js';
import {
  decodeRecord,
  keyOf,
  type ModelRecord,
  type StoredRecord,
  type VersionRecord,
  withoutSigma,
} from './records.js';
import type { Registry } from './registry.js';
import { isRemoved } from './retention.js';
import type { RegistryStore } from './store.js';
import type { View } from './view.js';

/**
 * Reads again and hashes again every record and blob, from the store and not from memory. One message a record, `fault`
 * empty where it is sound; a summary last. Throws only if the store is away or the signal aborts.
 */
export async function* verifyRegistry(
  { view, store }: Pick<Registry, 'view' | 'store'>,
  signal: AbortSignal,
): AsyncGenerator<VerifyRegistryResponse> {
  // Also what the store knows of and the view never saw: a record that is damaged on disk is not delivered.
  const keys = [
    ...new Set([...(await store.keys()), ...view.faults.keys(), ...recordsOf(view).map(keyOf)]),
  ].sort();
  const count = { checked: 0n, total: BigInt(keys.length), faults: 0n };
  for (const record of keys) {
    signal.throwIfAborted();
    const fault = await faultOf(store, view, record);
    count.checked += 1n;
    if (fault !== '') count.faults += 1n;
    yield { record, fault, ...count };
  }
  yield { record: '', fault: '', ...count };
}

/** Every record that the view knows: models, versions, retirements, aliases. */
export function recordsOf(view: View): StoredRecord[] {
  const records: StoredRecord[] = [...view.models.values()].map((model) => model.record);
  for (const { model, name: expert, versions, aliases } of view.experts.values()) {
    for (const [version, entry] of versions) {
      records.push({ kind: 'version', expert: entry.expert });
      if (entry.retired) records.push({ kind: 'retired', model, expert, version });
    }
    for (const [alias, { version }] of aliases)
      records.push({ kind: 'alias', model, expert, alias, version });
  }
  for (const [sha256, { object }] of view.removals) records.push({ kind: 'removed', sha256, object });
  return records;
}

/** What is wrong with a record; '' = sound. Only an unreachable store is thrown. */
async function faultOf(store: RegistryStore, view: View, key: string): Promise<string> {
  const entry = await store.read(key);
  if (!entry) return 'the record cannot be read';
  try {
    const record = decodeRecord(key, entry.value);
    switch (record.kind) {
      case 'model':
        return await faultOfModel(store, record);
      case 'version':
        return await faultOfVersion(store, view, record);
      case 'removed':
        return '';
      case 'retired':
      case 'alias': {
        const { model, expert, version } = record;
        const known = version === undefined || view.experts.get(`${model}/${expert}`)?.versions.has(version);
        return known ? '' : `it points to version ${version}, which is not there`;
      }
    }
  } catch (error) {
    if (error instanceof ZmeshError && error.reason === 'REGISTRY_UNAVAILABLE') throw error;
    return error instanceof Error ? error.message : String(error);
  }
}

async function faultOfModel(store: RegistryStore, record: ModelRecord): Promise<string> {
  const manifest = ModelManifest.decode(await store.getBlob(record.manifestSha256));
  const encoded = (model: ModelManifest): string =>
    Buffer.from(ModelManifest.encode(withoutSigma(model)).finish()).toString('hex');
  if (encoded(manifest) !== encoded(record.manifest)) return 'the manifest differs from its record';
  const decomposed = manifest.matrices
    .filter((matrix) => matrix.singularValues.length > 0)
    .map(({ name }) => name);
  return decomposed.join() === record.decomposed.join()
    ? ''
    : 'the manifest has σ of other matrices than its record';
}

async function faultOfVersion(store: RegistryStore, view: View, { expert }: VersionRecord): Promise<string> {
  const { model = '', name = '' } = expert.spec ?? {};
  const entry = view.experts.get(`${model}/${name}`)?.versions.get(expert.version);
  if (entry && isRemoved(view, entry)) return '';
  if (expert.recordSha256 !== '') {
    const { length } = await store.getBlob(expert.recordSha256);
    if (BigInt(length) !== expert.recordBytes)
      return `the record of how it came to be has ${length} bytes, not ${expert.recordBytes}`;
  }
  if (isAdaptation(expert.spec!)) {
    const version = expertVersion(expert.spec!, new Map());
    return version === expert.version ? '' : `the spec has version ${version}`;
  }
  const bytes = await store.getBlob(expert.vectorsSha256);
  if (BigInt(bytes.length) !== expert.vectorsBytes)
    return `the vectors have ${bytes.length} bytes, not ${expert.vectorsBytes}`;
  const multipliers = readVectors(bytes);
  const version = expertVersion(expert.spec!, multipliers);
  if (version !== expert.version) return `spec and vectors have version ${version}`;
  const matrices = [...multipliers.keys()].sort().join();
  return matrices === expert.matrices.join() ? '' : 'the vectors hold other matrices than the record';
}
