import {
  ExpertGate,
  type ExpertSpec,
  ExpertVersion,
  ModelManifest,
} from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';
import { sha256Hex } from '#shared/ids.js';
import type { Expert } from '#shared/svf/model.js';
import { checkAlias, checkName } from '#shared/svf/names.js';
import { expertVersion } from '#shared/svf/version.js';
import { timestamp } from '#shared/timestamp.js';
import { type AliasMove, deleteAlias, moveAlias } from './aliases.js';
import { adaptationsUsing, checkAdaptation } from './check-adaptation.js';
import { checkExpert, checkSpec, checkVectorsSize, isAdaptation } from './check-expert.js';
import { checkManifest, mergeManifests } from './check-model.js';
import { checkGate, checkRecord } from './check-record.js';
import { withoutSigma } from './records.js';
import { type Found, findExpert, findModel, resolve } from './resolve.js';
import { blobsOf, isRemoved } from './retention.js';
import type { RegistryStore } from './store.js';
import { storeBlobs } from './store-blobs.js';
import { createTransactions, type Transactions } from './transaction.js';
import { createView, describe, type View } from './view.js';

/** What the registry is made of. */
export interface RegistryOptions {
  readonly store: RegistryStore;
  /** Largest vectors file, bytes. */
  readonly maxVectorsBytes: number;
  /** Clock for publication times. Default the system's. */
  readonly now?: () => Date;
}

/** The expert registry: what can be asked of it and done to it. Every failure is a ZmeshError. */
export interface Registry {
  readonly view: View;
  readonly store: RegistryStore;
  readonly transactions: Transactions;
  /** Publishes a manifest, or adds its σ to the one that is there. Resolves with false if it brought nothing new. */
  publishModel(model: ModelManifest | undefined): Promise<boolean>;
  /** A manifest with σ. */
  getModel(name: string): Promise<ModelManifest>;
  /** Publishes a version; the same content again gives the version that exists. */
  publishExpert(
    publication: Publication,
  ): Promise<{ readonly expert: ExpertVersion; readonly created: boolean }>;
  /** A version by `model/expert@version|alias`. */
  getExpert(name: string): ExpertVersion;
  /** A version and its vectors, whose hash was checked. */
  getExpertVectors(name: string): Promise<{ readonly expert: ExpertVersion; readonly vectors: Uint8Array }>;
  /** A version and the record of how it came to be (empty if it has none), whose hash was checked. */
  getExpertRecord(name: string): Promise<{ readonly expert: ExpertVersion; readonly record: Uint8Array }>;
  setAlias(
    move: AliasMove,
  ): Promise<{ readonly previous: string; readonly version: string; readonly revision: number }>;
  deleteAlias(
    move: Omit<AliasMove, 'version'>,
  ): Promise<{ readonly previous: string; readonly revision: number }>;
  /** Retires a version, which no alias may point to. A retired one stays as it is. */
  retireExpert(name: string): Promise<ExpertVersion>;
}

/** What is published. */
export interface Publication {
  readonly spec: ExpertSpec | undefined;
  /** The safetensors file. */
  readonly vectors: Uint8Array;
  /** Alias to point to it afterwards; empty = none. */
  readonly alias: string;
  /** How it came to be, a JSON object in UTF-8; empty = no record. Default empty. */
  readonly record?: Uint8Array | undefined;
  /** How its held-out test ended. Default: never tested. */
  readonly gate?: ExpertGate | undefined;
  /** When it was published, in a restored export. Default now. */
  readonly publishedAt?: ExpertVersion['publishedAt'];
  /** Version that an export says it has; another one is CORRUPT, and nothing is written. Default: not checked. */
  readonly expectedVersion?: string;
}

/**
 * A registry over a store. Its view is fed by `feedView`; reads are answered from it, writes go through the store and
 * resolve when the view shows them.
 */
export function createRegistry(options: RegistryOptions): Registry {
  const { store } = options;
  const view = createView();
  const transactions = createTransactions(store, view);
  const core = {
    store,
    view,
    transactions,
    now: options.now ?? (() => new Date()),
    maxBytes: options.maxVectorsBytes,
  };
  return {
    view,
    store,
    transactions,
    publishModel: (model) => publishModel(core, model),
    getModel: async (name) =>
      loadManifest(store, findModel(view, checkName(name, 'name')).record.manifestSha256),
    publishExpert: (publication) => publishExpert(core, publication),
    getExpert: (name) => describeFound(resolve(view, name)),
    async getExpertVectors(name) {
      const expert = describeFound(resolve(view, name));
      if (isAdaptation(expert.spec!)) {
        const message = `name: ${name} is an adaptation and has no vectors; its arms are in spec.mixture`;
        throw new ZmeshError('INVALID_FIELD', message, { field: 'name', value: name });
      }
      checkKept(view, expert.vectorsSha256, name);
      return { expert, vectors: await store.getBlob(expert.vectorsSha256) };
    },
    async getExpertRecord(name) {
      const expert = describeFound(resolve(view, name));
      const { recordSha256 } = expert;
      checkKept(view, recordSha256, name);
      return { expert, record: recordSha256 === '' ? new Uint8Array() : await store.getBlob(recordSha256) };
    },
    setAlias: (move) => moveAlias(transactions, move),
    deleteAlias: (move) => deleteAlias(transactions, move),
    retireExpert: (name) => retireExpert(core, name),
  };
}

interface Core {
  readonly store: RegistryStore;
  readonly view: View;
  readonly transactions: Transactions;
  readonly now: () => Date;
  readonly maxBytes: number;
}

/** Blob first, record second: what is visible is complete. */
async function publishModel(core: Core, given: ModelManifest | undefined): Promise<boolean> {
  if (!given) throw new ZmeshError('MISSING_FIELD', 'model is required', { field: 'model' });
  checkManifest(given);
  for (;;) {
    const existing = core.view.models.get(given.name)?.record;
    const manifest = existing
      ? mergeManifests(await loadManifest(core.store, existing.manifestSha256), given)
      : given;
    if (!manifest) return false;
    const bytes = ModelManifest.encode(manifest).finish();
    const manifestSha256 = sha256Hex(bytes);
    const stored = await storeBlobs(core, [[manifestSha256, bytes]]);
    const decomposed = manifest.matrices
      .filter((matrix) => matrix.singularValues.length > 0)
      .map(({ name }) => name);
    const { result: written } = await core.transactions.run((view) => {
      // Another replica may have written this model since it was merged: merge again.
      if (view.models.get(given.name)?.record !== existing || !stored.stand(view)) return { result: false };
      const write = { kind: 'model' as const, manifest: withoutSigma(manifest), decomposed, manifestSha256 };
      return { write, result: true };
    });
    if (written) return true;
  }
}

async function loadManifest(store: RegistryStore, sha256: string): Promise<ModelManifest> {
  return ModelManifest.decode(await store.getBlob(sha256));
}

/** Vectors and record, then the version, then the alias: each step may be repeated, and what is visible is complete. */
async function publishExpert(core: Core, publication: Publication) {
  const { alias, record = new Uint8Array() } = publication;
  if (alias !== '') checkAlias(alias, 'alias');
  checkRecord(record);
  const { spec, vectors, multipliers, version } = checkPublication(core, publication);
  const known = core.view.experts.get(`${spec.model}/${spec.name}`)?.versions.get(version);
  if (known?.retired && alias !== '') throw retired(spec, version);
  const gate = known?.expert.gate ?? publication.gate ?? ExpertGate.UNSPECIFIED;
  if (alias !== '') checkGate(`${spec.model}/${spec.name}@${version}`, gate);

  const vectorsSha256 = vectors.length > 0 ? sha256Hex(vectors) : '';
  const recordSha256 = record.length > 0 ? sha256Hex(record) : '';
  const blobs: [string, Uint8Array][] = [
    [vectorsSha256, vectors],
    [recordSha256, record],
  ];
  // Published again, the same file also heals a blob that was damaged on disk.
  if (known && !isRemoved(core.view, known)) {
    const same = new Set(blobsOf(known.expert));
    await storeBlobs(
      core,
      blobs.filter(([sha256]) => same.has(sha256)),
    );
  }
  let created = false;
  if (!known) {
    const expert = ExpertVersion.create({
      spec,
      version,
      vectorsSha256,
      vectorsBytes: BigInt(vectors.length),
      matrices: [...multipliers.keys()].sort(),
      publishedAt: publication.publishedAt ?? timestamp(core.now()),
      gate,
      recordSha256,
      recordBytes: BigInt(record.length),
    });
    const restored = publication.expectedVersion !== undefined;
    created = await writeVersion(core, { expert, blobs, restored });
  }
  if (alias !== '')
    await moveAlias(core.transactions, { model: spec.model, expert: spec.name, alias, version });
  const entry = findExpert(core.view, spec.model, spec.name);
  return { expert: describe(entry, entry.versions.get(version)!), created };
}

/** Checks spec and content together. */
function checkPublication(core: Core, publication: Publication) {
  const { vectors, expectedVersion } = publication;
  const spec = checkSpec(publication.spec);
  let multipliers: Expert['multipliers'] = new Map();
  const restored = expectedVersion !== undefined;
  if (isAdaptation(spec)) {
    if (vectors.length > 0) {
      const details = { field: 'vectors', value: vectors.length, limit: 0 };
      throw new ZmeshError('INVALID_FIELD', 'vectors: an adaptation has no vectors', details);
    }
    checkAdaptation(core.view, spec, { restored });
  } else {
    checkVectorsSize(vectors, core.maxBytes);
    multipliers = checkExpert(findModel(core.view, spec.model).record, spec, vectors);
  }
  const version = expertVersion(spec, multipliers);
  if (expectedVersion !== undefined && expectedVersion !== version) {
    const message = `${spec.model}/${spec.name}: spec and vectors have version ${version}, not ${expectedVersion}`;
    throw new ZmeshError('CORRUPT', message, { value: version, limit: expectedVersion });
  }
  return { spec, vectors, multipliers, version };
}

/** What a version is written from. */
interface NewVersion {
  readonly expert: ExpertVersion;
  readonly blobs: readonly (readonly [sha256: string, bytes: Uint8Array])[];
  /** True if it comes from an export. */
  readonly restored: boolean;
}

/** False if another replica wrote it first. */
async function writeVersion(core: Core, { expert, blobs, restored }: NewVersion): Promise<boolean> {
  const { spec, version } = expert;
  const stored = await storeBlobs(core, blobs);
  const { result } = await core.transactions.run((view) => {
    const entry = view.experts.get(`${spec!.model}/${spec!.name}`);
    if (entry?.versions.has(version)) return { result: false };
    if (!stored.stand(view)) return { result: undefined };
    const [other] = entry?.versions.values() ?? [];
    if (other && isAdaptation(other.expert.spec!) !== isAdaptation(spec!)) {
      const message = `spec.name: ${spec!.model}/${spec!.name} is ${isAdaptation(spec!) ? 'an expert' : 'an adaptation'} already`;
      throw new ZmeshError('INVALID_FIELD', message, { field: 'spec.name', value: spec!.name });
    }
    // An arm may have been retired since the adaptation was checked.
    if (isAdaptation(spec!)) checkAdaptation(view, spec!, { restored });
    // The model may have been published anew with more σ meanwhile, never with fewer.
    return { write: { kind: 'version' as const, expert }, result: true };
  });
  return result ?? writeVersion(core, { expert, blobs, restored });
}

async function retireExpert(core: Core, name: string): Promise<ExpertVersion> {
  await core.transactions.run((view) => {
    const { expert, version, byAlias } = resolve(view, name);
    if (byAlias) {
      const message = `name: "${name}" names an alias; a version is retired by its hash`;
      throw new ZmeshError('INVALID_FIELD', message, { field: 'name', value: name });
    }
    if (version.retired) return { result: undefined };
    const { aliases } = describe(expert, version);
    if (aliases.length > 0) {
      const names = { model: expert.model, expert: expert.name, aliases: aliases.join(',') };
      const message = `${name} cannot be retired: ${aliases.join(', ')} still ${aliases.length > 1 ? 'point' : 'points'} to it`;
      throw new ZmeshError('EXPERT_IN_USE', message, { names });
    }
    const users = adaptationsUsing(view, expert.model, expert.name, version.expert.version);
    if (users.length > 0) {
      const message = `${name} cannot be retired: ${users.length > 1 ? `${users.length} adaptations use it, retire them first` : 'an adaptation uses it, retire it first'}: ${users.slice(0, 5).join(', ')}`;
      const names = { model: expert.model, expert: expert.name, adaptation: users[0]! };
      throw new ZmeshError('EXPERT_IN_USE', message, { names, value: users.length, limit: 0 });
    }
    const write = {
      kind: 'retired' as const,
      model: expert.model,
      expert: expert.name,
      version: version.expert.version,
    };
    return { write, result: undefined };
  });
  return describeFound(resolve(core.view, name));
}

function retired(spec: ExpertSpec, version: string): ZmeshError {
  const message = `${spec.model}/${spec.name}@${version} was retired; no alias can point to it`;
  return new ZmeshError('EXPERT_RETIRED', message, {
    names: { model: spec.model, expert: spec.name, version },
  });
}

function checkKept(view: View, sha256: string, name: string): void {
  if (!view.removals.has(sha256)) return;
  const message = `${name} was retired, and what it held was removed since`;
  throw new ZmeshError('EXPERT_RETIRED', message, { names: { expert: name } });
}

const describeFound = (found: Found): ExpertVersion => describe(found.expert, found.version);
