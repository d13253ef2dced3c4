import type { RegistryEvent } from '#proto/zmesh/v1/events.js';
import type { ExpertVersion } from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';
import { changeOf } from './change.js';
import { decodeRecord, type ModelRecord, NewerFormat, type StoredRecord } from './records.js';
import type { StoredEntry } from './store.js';

/** A version as the view holds it. */
export interface VersionEntry {
  /** Without `retired` and `aliases`; see `describe`. */
  readonly expert: ExpertVersion;
  readonly revision: number;
  /** When and at which revision it was retired. */
  retired?: { readonly revision: number; readonly time: Date };
}

/** An alias as the view holds it. */
export interface AliasEntry {
  readonly version: string;
  readonly revision: number;
  readonly time: Date;
}

/** All that is known of one expert. */
export interface ExpertEntry {
  readonly model: string;
  readonly name: string;
  readonly versions: Map<string, VersionEntry>;
  readonly aliases: Map<string, AliasEntry>;
}

/** A model as the view holds it. */
export interface ModelEntry {
  readonly record: ModelRecord;
  readonly revision: number;
  readonly time: Date;
}

/** The last object of a blob that was given up for removal. */
export interface RemovalEntry {
  readonly object: string;
  readonly revision: number;
}

/** A change and what its event needs beside it. */
export interface LoggedChange {
  readonly revision: number;
  readonly event: RegistryEvent;
  /** Trace headers of the request that made it. */
  readonly trace: ReadonlyMap<string, string>;
}

/** The registry's state in memory, fed by the store's log. Reads are answered from it, so they go on while the store is away. */
export interface View {
  readonly models: ReadonlyMap<string, ModelEntry>;
  /** By `model/expert`. */
  readonly experts: ReadonlyMap<string, ExpertEntry>;
  /** Blobs that are being removed or are gone, by SHA-256; one that a later version uses is not among them. */
  readonly removals: ReadonlyMap<string, RemovalEntry>;
  /** Changes, oldest first; at most LOG_MAX of them. */
  readonly log: readonly LoggedChange[];
  /** Records that make no sense, by key. */
  readonly faults: ReadonlyMap<string, string>;
  /** Those of them that a newer registry wrote. */
  readonly newer: ReadonlySet<string>;
  /** Revision of the last entry seen. */
  readonly revision: number;
  /** Changes up to this revision have left the log. */
  readonly forgotten: number;
  apply(entry: StoredEntry): void;
  /** Resolves when the view has seen `revision`. Rejects REGISTRY_UNAVAILABLE after `timeoutMs`. */
  reached(revision: number, timeoutMs: number): Promise<void>;
  /** Calls `listener` after every entry; returns what stops it. */
  subscribe(listener: () => void): () => void;
}

/** Changes kept for watchers that resume; older revisions are answered with REVISION_UNAVAILABLE. */
export const LOG_MAX = 100_000;

/** An empty view. */
export function createView(logMax = LOG_MAX): View {
  const models = new Map<string, ModelEntry>();
  const experts = new Map<string, ExpertEntry>();
  const removals = new Map<string, RemovalEntry>();
  const log: LoggedChange[] = [];
  const faults = new Map<string, string>();
  const newer = new Set<string>();
  const listeners = new Set<() => void>();
  let revision = 0;
  let forgotten = 0;
  const view: View = {
    models,
    experts,
    removals,
    log,
    faults,
    newer,
    get revision() {
      return revision;
    },
    get forgotten() {
      return forgotten;
    },
    apply(entry) {
      if (entry.revision <= revision) return;
      revision = entry.revision;
      const record = decode(entry, { faults, newer });
      if (record) {
        applyRecord({ models, experts, removals }, record, entry);
        if (record.kind !== 'removed')
          log.push({ revision, event: changeOf(record, entry), trace: entry.trace });
        if (log.length > logMax) forgotten = log.splice(0, Math.ceil(logMax / 10)).at(-1)!.revision;
      }
      for (const listener of [...listeners]) listener();
    },
    reached: (wanted, timeoutMs) => reached(view, wanted, timeoutMs),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  return view;
}

function decode(
  entry: StoredEntry,
  { faults, newer }: { readonly faults: Map<string, string>; readonly newer: Set<string> },
): StoredRecord | undefined {
  newer.delete(entry.key);
  try {
    const record = decodeRecord(entry.key, entry.value);
    faults.delete(entry.key);
    return record;
  } catch (error) {
    faults.set(entry.key, error instanceof Error ? error.message : String(error));
    if (error instanceof NewerFormat) newer.add(entry.key);
    return undefined;
  }
}

function applyRecord(
  state: {
    readonly models: Map<string, ModelEntry>;
    readonly experts: Map<string, ExpertEntry>;
    readonly removals: Map<string, RemovalEntry>;
  },
  record: StoredRecord,
  { revision, time }: StoredEntry,
): void {
  switch (record.kind) {
    case 'model':
      state.models.set(record.manifest.name, { record, revision, time });
      state.removals.delete(record.manifestSha256);
      return;
    case 'version': {
      const { model, name } = record.expert.spec!;
      const { versions } = expertIn(state.experts, model, name);
      // A second record of a version cannot differ; the first one's place in the order counts.
      if (!versions.has(record.expert.version))
        versions.set(record.expert.version, { expert: record.expert, revision });
      state.removals.delete(record.expert.vectorsSha256);
      state.removals.delete(record.expert.recordSha256);
      return;
    }
    case 'alias': {
      const { aliases } = expertIn(state.experts, record.model, record.expert);
      if (record.version === undefined) aliases.delete(record.alias);
      else aliases.set(record.alias, { version: record.version, revision, time });
      return;
    }
    case 'retired': {
      const version = expertIn(state.experts, record.model, record.expert).versions.get(record.version);
      if (version && !version.retired) version.retired = { revision, time };
      return;
    }
    case 'removed':
      state.removals.set(record.sha256, { object: record.object, revision });
  }
}

function expertIn(experts: Map<string, ExpertEntry>, model: string, name: string): ExpertEntry {
  const key = `${model}/${name}`;
  let entry = experts.get(key);
  if (!entry) {
    entry = { model, name, versions: new Map(), aliases: new Map() };
    experts.set(key, entry);
  }
  return entry;
}

function reached(view: View, wanted: number, timeoutMs: number): Promise<void> {
  if (view.revision >= wanted) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const stop = view.subscribe(() => {
      if (view.revision < wanted) return;
      clearTimeout(timer);
      stop();
      resolve();
    });
    const timer = setTimeout(() => {
      stop();
      const message = `the registry's view is at revision ${view.revision} and did not reach ${wanted} within ${timeoutMs} ms`;
      reject(new ZmeshError('REGISTRY_UNAVAILABLE', message, { limit: wanted, value: view.revision }));
    }, timeoutMs);
  });
}

/** A version as the contract shows it: retired or not, and the aliases that point to it, by name. */
export function describe(expert: ExpertEntry, version: VersionEntry): ExpertVersion {
  const aliases = [...expert.aliases].filter(([, alias]) => alias.version === version.expert.version);
  return {
    ...version.expert,
    retired: version.retired !== undefined,
    aliases: aliases.map(([name]) => name).sort(),
  };
}
