import type { ExpertRecord, RegistryRecord } from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';
import { parseExpertName } from '#shared/svf/names.js';
import { checkSpecFormat } from '#shared/svf/version.js';
import { isAdaptation } from './check-expert.js';
import type { Registry } from './registry.js';
import { isRemoved } from './retention.js';
import type { ExpertEntry, VersionEntry, View } from './view.js';

/** Format of the records of an export. */
export const EXPORT_FORMAT = 1;

/**
 * All records as they are at the call: models, then versions by name and age (experts before adaptations, which name them),
 * then aliases. Blobs are checked as they are read. Retired versions that lost their content are left out, and retired
 * adaptations of them. Throws CORRUPT, REGISTRY_UNAVAILABLE.
 */
export async function* exportRegistry(
  registry: Pick<Registry, 'view' | 'store' | 'getModel'>,
  signal: AbortSignal,
): AsyncGenerator<RegistryRecord> {
  const format = EXPORT_FORMAT;
  const models = [...registry.view.models.keys()].sort();
  const experts = [...registry.view.experts.entries()]
    .sort(([a, one], [b, two]) => Number(isMixture(one)) - Number(isMixture(two)) || (a < b ? -1 : 1))
    .map(([, expert]) => snapshot(registry.view, expert));
  for (const name of models) {
    signal.throwIfAborted();
    yield { format, record: { $case: 'model', value: await registry.getModel(name) } };
  }
  for (const { versions } of experts) {
    for (const expert of versions) {
      signal.throwIfAborted();
      const blob = async (sha256: string) =>
        sha256 === '' ? new Uint8Array() : registry.store.getBlob(sha256);
      const vectors = await blob(expert.vectorsSha256);
      const record = await blob(expert.recordSha256);
      yield { format, record: { $case: 'expert', value: { expert, vectors, record } } };
    }
  }
  for (const { aliases } of experts) {
    for (const value of aliases) yield { format, record: { $case: 'alias', value } };
  }
}

/** All versions of a name are of one kind. */
function isMixture({ versions }: ExpertEntry): boolean {
  return [...versions.values()].some(({ expert }) => isAdaptation(expert.spec!));
}

function snapshot(view: View, { model, name: expert, versions, aliases }: ExpertEntry) {
  return {
    versions: [...versions.values()]
      .filter((entry) => isWhole(view, entry))
      .map((entry) => ({ ...entry.expert, retired: entry.retired !== undefined, aliases: [] })),
    aliases: [...aliases]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([alias, { version }]) => ({ model, expert, alias, version })),
  };
}

/** False if its content was removed, or, of an adaptation, that of one of its arms. */
function isWhole(view: View, entry: VersionEntry): boolean {
  if (isRemoved(view, entry)) return false;
  const { spec } = entry.expert;
  return (spec?.mixture?.arms ?? []).every((arm) => {
    const { model = spec!.model, expert, selector = '' } = parseExpertName(arm.expert, 'expert');
    const used = view.experts.get(`${model}/${expert}`)?.versions.get(selector);
    return !used || !isRemoved(view, used);
  });
}

/**
 * Writes the records of an export. What is there already and equal is kept; what differs is refused, nothing is overwritten.
 * An interrupted restore can be run again. Throws what publishing throws, MODEL_CONFLICT, ALIAS_CONFLICT, CORRUPT,
 * INVALID_FIELD for another format, FORMAT_NEWER for an expert whose hash only a newer registry can check.
 */
export async function restoreRegistry(
  registry: Registry,
  records: AsyncIterable<RegistryRecord | undefined>,
): Promise<{ readonly created: number; readonly kept: number }> {
  let created = 0;
  let kept = 0;
  for await (const record of records) {
    if (await restoreOne(registry, record)) created += 1;
    else kept += 1;
  }
  return { created, kept };
}

/** True if something was written. */
async function restoreOne(registry: Registry, given: RegistryRecord | undefined): Promise<boolean> {
  if (!given?.record) throw new ZmeshError('MISSING_FIELD', 'record is required', { field: 'record' });
  if (given.format !== EXPORT_FORMAT) {
    const message = `record.format is ${given.format}, this registry reads ${EXPORT_FORMAT}`;
    throw new ZmeshError('INVALID_FIELD', message, {
      field: 'record.format',
      limit: EXPORT_FORMAT,
      value: given.format,
    });
  }
  const { record } = given;
  switch (record.$case) {
    case 'model':
      return registry.publishModel(record.value);
    case 'expert':
      if (record.value.expert) checkSpecFormat(record.value.expert);
      return restoreExpert(registry, record.value);
    case 'alias': {
      const { model, expert, alias, version } = record.value;
      const current = registry.view.experts.get(`${model}/${expert}`)?.aliases.get(alias)?.version;
      if (current === version) return false;
      await registry.setAlias({ model, expert, alias, version, expected: '' });
      return true;
    }
  }
}

async function restoreExpert(registry: Registry, record: ExpertRecord): Promise<boolean> {
  const { expert: given, vectors, record: history } = record;
  if (!given)
    throw new ZmeshError('MISSING_FIELD', 'record.expert.expert is required', {
      field: 'record.expert.expert',
    });
  const { spec, version, publishedAt } = given;
  const name = `${spec?.model}/${spec?.name}`;
  const known = { record: history, gate: given.gate, ...(publishedAt ? { publishedAt } : {}) };
  const publication = { spec, vectors, alias: '', ...known };
  const { expert, created } = await registry.publishExpert({ ...publication, expectedVersion: version });
  if (expert.retired && !given.retired) {
    const message = `${name}@${version} is retired here and not in the export`;
    throw new ZmeshError('EXPERT_RETIRED', message, {
      names: { model: spec!.model, expert: spec!.name, version },
    });
  }
  if (given.retired && !expert.retired) {
    await registry.retireExpert(`${name}@${version}`);
    return true;
  }
  return created;
}
