import type { ExpertPublished, RegistryEvent } from '#proto/zmesh/v1/events.js';

/** One published version, as the registry's events tell it. */
export type CatalogEntry = Readonly<ExpertPublished>;

interface Expert {
  readonly versions: Map<string, CatalogEntry>;
  /** Alias → version. */
  readonly aliases: Map<string, string>;
}

/** What the registry holds, without vectors: versions and aliases by model and expert. Grows with the registry's events. */
export interface CatalogView {
  /** Takes in one change. Applying a change again alters nothing. */
  apply(event: RegistryEvent): void;
  /** Versions of an expert, in the order they became known; empty for an unknown one. */
  versions(model: string, expert: string): readonly CatalogEntry[];
  /** Version an alias points to; undefined if there is no such alias. */
  alias(model: string, expert: string, alias: string): string | undefined;
  /** Versions of the model that carry the alias, experts and adaptations, by name. */
  under(model: string, alias: string): readonly CatalogEntry[];
}

/** An empty view. */
export function createCatalogView(): CatalogView {
  const models = new Map<string, Map<string, Expert>>();
  const at = (model: string, name: string): Expert => {
    const experts = models.get(model) ?? new Map<string, Expert>();
    models.set(model, experts);
    const expert = experts.get(name) ?? { versions: new Map(), aliases: new Map() };
    experts.set(name, expert);
    return expert;
  };
  return {
    apply({ change }) {
      if (change?.$case === 'expertPublished') {
        const { model, expert, version } = change.value;
        at(model, expert).versions.set(version, change.value);
      } else if (change?.$case === 'aliasMoved') {
        const { model, expert, alias, version } = change.value;
        if (version === '') at(model, expert).aliases.delete(alias);
        else at(model, expert).aliases.set(alias, version);
      } else if (change?.$case === 'expertRetired') {
        const { versions } = at(change.value.model, change.value.expert);
        const entry = versions.get(change.value.version);
        if (entry) versions.set(entry.version, { ...entry, retired: true });
      }
    },
    versions: (model, expert) => [...(models.get(model)?.get(expert)?.versions.values() ?? [])],
    alias: (model, expert, alias) => models.get(model)?.get(expert)?.aliases.get(alias),
    under(model, alias) {
      return [...(models.get(model) ?? [])]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([, expert]) => expert.versions.get(expert.aliases.get(alias) ?? ''))
        .filter((entry) => entry !== undefined);
    },
  };
}
