import type { RegistryEvent } from '#proto/zmesh/v1/events.js';
import type { Advice } from '#proto/zmesh/v1/trainer.js';
import type { CatalogEntry, CatalogView } from '#shared/catalog/view.js';
import { OTHER } from '#shared/svf/names.js';
import type { JobKind } from './jobs/job.js';

/** Advice and the kind of job that would follow it. */
export interface Advised {
  readonly kind: JobKind;
  readonly advice: Advice;
}

/**
 * What a change of the registry asks for: a classification expert under the routed alias whose labels are no longer the
 * published ones should be trained again; a routed adaptation that mixes an older version of an expert whose alias moved
 * should be searched for again. Empty for a change that asks for nothing.
 */
export function adviceOn({ change, revision }: RegistryEvent, view: CatalogView, alias: string): Advised[] {
  if (change?.$case !== 'aliasMoved' || change.value.alias !== alias) return [];
  const { model, expert, version } = change.value;
  const routed = view.under(model, alias);
  const moved = routed.find((entry) => entry.expert === expert);
  return [
    ...retraining(routed).map(({ subject, why }) => advised('run', { model, subject, why, revision })),
    ...(version === '' || !moved || moved.classifier || moved.mixture
      ? []
      : outdated(routed, moved).map(({ subject, why }) =>
          advised('adaptation', { model, subject, why, revision }),
        )),
  ];
}

function advised(kind: JobKind, advice: Advice): Advised {
  return { kind, advice };
}

const exactName = ({ model, expert, version }: CatalogEntry): string => `${model}/${expert}@${version}`;

function retraining(routed: readonly CatalogEntry[]): { subject: string; why: string }[] {
  const labels = routed
    .filter(({ classifier, label }) => !classifier && label !== '')
    .map(({ label }) => label);
  const published = [...new Set([...labels, OTHER])].sort();
  return routed
    .filter(({ classifier, categories }) => classifier && categories.length > 0)
    .filter(({ categories }) => [...categories].sort().join() !== published.join())
    .map((judge) => ({
      subject: exactName(judge),
      why: `it was trained on the labels ${judge.categories.join(', ')}; published are ${published.join(', ')}`,
    }));
}

function outdated(routed: readonly CatalogEntry[], moved: CatalogEntry): { subject: string; why: string }[] {
  const current = `${moved.expert}@${moved.version}`;
  return routed
    .filter(({ mixture }) =>
      (mixture?.arms ?? []).some(({ expert }) => expert.startsWith(`${moved.expert}@`) && expert !== current),
    )
    .map((adaptation) => ({
      subject: exactName(adaptation),
      why: `it mixes an older version of ${moved.expert} than ${moved.version.slice(0, 12)}, which is routed to now`,
    }));
}
