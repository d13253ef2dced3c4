import type { ExpertPublished, ModelPublished, RegistryEvent } from '#proto/zmesh/v1/events.js';
import {
  ExpertGate,
  ExpertKind,
  type ExpertVersion,
  type ModelManifest,
} from '#proto/zmesh/v1/expert_registry.js';
import { timestamp } from '#shared/timestamp.js';
import type { RemovalRecord, StoredRecord } from './records.js';

/** A record that somebody is told of. */
export type ToldRecord = Exclude<StoredRecord, RemovalRecord>;

/** The event that tells a record's change. */
export function changeOf(
  record: ToldRecord,
  at: { readonly revision: number; readonly time: Date },
): RegistryEvent {
  return { revision: BigInt(at.revision), time: timestamp(at.time), change: kindOfChange(record) };
}

function kindOfChange(record: ToldRecord): NonNullable<RegistryEvent['change']> {
  switch (record.kind) {
    case 'model':
      return { $case: 'modelPublished', value: modelPublished(record.manifest) };
    case 'version':
      return { $case: 'expertPublished', value: expertPublished(record.expert, false) };
    case 'alias': {
      const { model, expert, alias, version = '' } = record;
      return { $case: 'aliasMoved', value: { model, expert, alias, version } };
    }
    case 'retired': {
      const { model, expert, version } = record;
      return { $case: 'expertRetired', value: { model, expert, version } };
    }
  }
}

function modelPublished(manifest: ModelManifest): ModelPublished {
  return { model: manifest.name, fingerprint: manifest.fingerprint };
}

/** What the event of a version's publication says. */
export function expertPublished(expert: ExpertVersion, retired: boolean): ExpertPublished {
  const spec = expert.spec!;
  return {
    model: spec.model,
    expert: spec.name,
    version: expert.version,
    label: spec.label,
    description: spec.description,
    classifier: spec.kind === ExpertKind.CLASSIFIER,
    basisId: spec.basisId,
    retired,
    mixture: spec.mixture,
    categories: spec.categories,
    gateFailed: expert.gate === ExpertGate.FAILED,
  };
}
