import type { ServedModel } from '#proto/zmesh/v1/inference.js';
import type { Catalog } from '#shared/catalog/follow.js';
import type { CatalogEntry } from '#shared/catalog/view.js';
import { ZmeshError } from '#shared/errors.js';
import { away, exactName, servable } from './resolve.js';

/** A label that pass 1 can choose and the expert behind it. */
export interface RoutedLabel {
  /** The label; never `other`. */
  readonly label: string;
  readonly description: string;
  /** `model/expert@version`. */
  readonly exact: string;
  /** `expert@alias`. */
  readonly requested: string;
}

/** What is published for a model under the routed alias. */
export interface Routing {
  /** By label. */
  readonly labels: readonly RoutedLabel[];
  /** The classification expert; undefined if none. */
  readonly classifier: CatalogEntry | undefined;
}

/** Most labels of one model: inference scores up to 256 continuations, and one of them is `other`. */
export const LABELS_MAX = 255;

/**
 * What routing can choose from for a model. Throws LABEL_AMBIGUOUS (two experts with one label, or two classification
 * experts), BASIS_MISMATCH, EXPERT_RETIRED, TOO_LARGE (too many labels), REGISTRY_UNAVAILABLE (never seen).
 */
export function routingOf(model: ServedModel, catalog: Catalog, alias: string): Routing {
  const view = catalog.view();
  if (!view) throw away(`experts of ${model.name}`, catalog);
  const entries = view.under(model.name, alias).map((entry) => servable(entry, model));
  const [classifier, second] = entries.filter((entry) => entry.classifier);
  if (classifier && second) {
    throw ambiguous(
      `two classification experts are published for ${model.name} as "${alias}"`,
      classifier,
      second,
    );
  }
  const byLabel = new Map<string, CatalogEntry>();
  for (const entry of entries) {
    if (entry.classifier || entry.label === '') continue;
    const rival = byLabel.get(entry.label);
    if (rival)
      throw ambiguous(
        `two experts of ${model.name} carry the label "${entry.label}" as "${alias}"`,
        rival,
        entry,
      );
    byLabel.set(entry.label, entry);
  }
  if (byLabel.size > LABELS_MAX) {
    const message = `${model.name} has ${byLabel.size} labels as "${alias}", at most ${LABELS_MAX} can be told apart`;
    throw new ZmeshError('TOO_LARGE', message, { limit: LABELS_MAX, value: byLabel.size });
  }
  const labels = [...byLabel.values()]
    .sort((a, b) => (a.label < b.label ? -1 : 1))
    .map((entry) => ({
      label: entry.label,
      description: entry.description,
      exact: exactName(entry),
      requested: `${entry.expert}@${alias}`,
    }));
  return { labels, classifier };
}

function ambiguous(message: string, a: CatalogEntry, b: CatalogEntry): ZmeshError {
  return new ZmeshError('LABEL_AMBIGUOUS', `${message}: ${a.expert} and ${b.expert}`, {
    names: { model: a.model, expert: exactName(a), other: exactName(b) },
  });
}

/** The error for a strategy that has nothing to choose from; `why` defaults to there being no label. */
export function noRoutedExperts(
  model: ServedModel,
  alias: string,
  why = `no expert with a label is published as "${alias}"`,
): ZmeshError {
  return new ZmeshError('NO_ROUTED_EXPERTS', `${model.name} cannot be routed: ${why}`, {
    names: { model: model.name, alias },
  });
}
