import type { ExpertVersion } from '#proto/zmesh/v1/expert_registry.js';
import { ExpertGate, ExpertKind } from '#proto/zmesh/v1/expert_registry.js';
import type { ServedModel } from '#proto/zmesh/v1/inference.js';
import type { Catalog } from '#shared/catalog/follow.js';
import type { CatalogEntry, CatalogView } from '#shared/catalog/view.js';
import { type Reason, ZmeshError } from '#shared/errors.js';
import {
  BASE,
  type ExpertName,
  formatExpertName,
  isVersion,
  isVersionPrefix,
  parseExpertName,
} from '#shared/svf/names.js';

/** An exact version and the name it was asked for by. */
export interface ResolvedExpert {
  /** `model/expert@version`, 64 hex digits. */
  readonly exact: string;
  /** The name as it was meant: `math@stable`. */
  readonly requested: string;
  /** What is known of it; undefined for an exact version while the registry is away: inference checks it. */
  readonly entry: CatalogEntry | undefined;
}

/** What resolving names needs. */
export interface ResolveContext {
  readonly model: ServedModel;
  readonly catalog: Catalog;
  /** Alias that a name without `@` stands for. */
  readonly routedAlias: string;
  /** Asks the registry for what the view does not have (yet): a publish and the next request may race with the watch. */
  readonly lookUp: (name: string) => Promise<ExpertVersion>;
}

/**
 * Resolves `expert`, `expert@alias`, `expert@version` (whole, or 8 hex digits or more of it), optionally with `model/`, to an
 * exact version. Throws UNKNOWN_EXPERT, UNKNOWN_ALIAS, UNKNOWN_VERSION, EXPERT_RETIRED, BASIS_MISMATCH (another model's),
 * INVALID_FIELD (no name, or an ambiguous beginning of a version), REGISTRY_UNAVAILABLE (unknown while the registry is away).
 */
export async function resolveExpert(
  text: string,
  field: string,
  context: ResolveContext,
): Promise<ResolvedExpert> {
  const { model, catalog, routedAlias } = context;
  const given = parseExpertName(text, field);
  if (given.expert === BASE) {
    const message = `${field}: "${BASE}" is the unadapted model, not an expert; use the strategy none`;
    throw new ZmeshError('INVALID_FIELD', message, { field, value: text });
  }
  if (given.model !== undefined && given.model !== model.name) {
    throw new ZmeshError(
      'BASIS_MISMATCH',
      `${text} belongs to the model ${given.model}, the request is for ${model.name}`,
      {
        field,
        names: { expert: text, model: model.name },
      },
    );
  }
  const selector = given.selector ?? routedAlias;
  const name = { model: model.name, expert: given.expert, selector };
  const requested = formatExpertName({ ...name, model: undefined });
  const view = catalog.view();
  if (
    catalog.ageS() > 0 &&
    isVersion(selector) &&
    !view?.versions(model.name, given.expert).some((e) => e.version === selector)
  )
    return { exact: formatExpertName(name), requested, entry: undefined };
  const entry = servable(await find(view, name, field, context), model);
  return { exact: exactName(entry), requested, entry };
}

/** As resolveExpert, for what must have vectors. Throws INVALID_FIELD for an adaptation too. */
export async function resolveTaskExpert(
  text: string,
  field: string,
  context: ResolveContext,
): Promise<ResolvedExpert> {
  const found = await resolveExpert(text, field, context);
  if (!found.entry?.mixture) return found;
  const message = `${field}: ${found.exact} is an adaptation, not an expert; use the strategy adaptation`;
  throw new ZmeshError('INVALID_FIELD', message, { field, value: text });
}

/** `model/expert@version` of an entry. */
export function exactName(entry: CatalogEntry): string {
  return formatExpertName({ model: entry.model, expert: entry.expert, selector: entry.version });
}

/** The entry, if the model can be served with it. Throws EXPERT_RETIRED or BASIS_MISMATCH. */
export function servable(entry: CatalogEntry, model: ServedModel): CatalogEntry {
  const names = { expert: exactName(entry), model: model.name };
  if (entry.retired) throw new ZmeshError('EXPERT_RETIRED', `${names.expert} was retired`, { names });
  if (entry.basisId !== model.basisId) {
    const message = `${names.expert} belongs to the basis ${entry.basisId}, ${model.name} has ${model.basisId}`;
    throw new ZmeshError('BASIS_MISMATCH', message, { names, limit: model.basisId, value: entry.basisId });
  }
  return entry;
}

type FullName = ExpertName & { readonly model: string; readonly selector: string };

async function find(
  view: CatalogView | undefined,
  name: FullName,
  field: string,
  context: ResolveContext,
): Promise<CatalogEntry> {
  const found = view && seek(view, name, field);
  if (found && !(found instanceof ZmeshError)) return found;
  const ageS = context.catalog.ageS();
  if (found instanceof ZmeshError && ageS === 0)
    return context.lookUp(formatExpertName(name)).then(entryOf, (error) => {
      throw ZmeshError.from(error).reason === 'REGISTRY_UNAVAILABLE' ? found : error;
    });
  throw away(formatExpertName(name), context.catalog);
}

/** The entry in the view, or why it is not there. Throws INVALID_FIELD for an ambiguous beginning of a version. */
function seek(view: CatalogView, name: FullName, field: string): CatalogEntry | ZmeshError {
  const versions = view.versions(name.model, name.expert);
  const miss = (reason: Reason, what: string): ZmeshError =>
    new ZmeshError(reason, what, { field, names: { expert: formatExpertName(name), model: name.model } });
  if (versions.length === 0)
    return miss('UNKNOWN_EXPERT', `${name.model} has no expert or adaptation "${name.expert}"`);
  if (!isVersionPrefix(name.selector)) {
    const version = view.alias(name.model, name.expert, name.selector);
    const found = versions.find((entry) => entry.version === version);
    return found ?? miss('UNKNOWN_ALIAS', `${name.model}/${name.expert} has no alias "${name.selector}"`);
  }
  const found = versions.filter((entry) => entry.version.startsWith(name.selector));
  if (found.length > 1) {
    const message = `${field}: ${found.length} versions of ${name.expert} begin with "${name.selector}"`;
    throw new ZmeshError('INVALID_FIELD', message, { field, value: name.selector, limit: 1 });
  }
  return (
    found[0] ?? miss('UNKNOWN_VERSION', `${name.model}/${name.expert} has no version "${name.selector}"`)
  );
}

/** The error for what cannot be known while the registry is away. */
export function away(what: string, catalog: Catalog): ZmeshError {
  const ageS = Number(catalog.ageS().toFixed(1));
  const seen = catalog.view() ? `was last seen ${ageS} s ago` : 'has not been seen yet';
  return new ZmeshError('REGISTRY_UNAVAILABLE', `${what}: the expert registry ${seen}`, {
    retryAfterMs: 1000,
    value: ageS,
  });
}

function entryOf(found: ExpertVersion): CatalogEntry {
  const { spec, version, retired, gate } = found;
  if (!spec) throw new ZmeshError('INTERNAL', 'the registry sent an expert version without its spec');
  const { model, name: expert, label, description, basisId, kind, mixture, categories } = spec;
  return {
    model,
    expert,
    version,
    label,
    description,
    classifier: kind === ExpertKind.CLASSIFIER,
    basisId,
    retired,
    mixture,
    categories,
    gateFailed: gate === ExpertGate.FAILED,
  };
}
