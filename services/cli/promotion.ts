import { ExpertKind, type ExpertVersion } from '#proto/zmesh/v1/expert_registry.js';
import type { Experts } from '#shared/client/client.js';
import { ZmeshError } from '#shared/errors.js';
import { OTHER, ROUTED_ALIAS } from '#shared/svf/names.js';
import { listAll } from './commands/experts-list.js';
import type { Io } from './io.js';

/** What follows for routing when a version comes under an alias. */
export interface RoutingEffect {
  /** Why nothing could be routed any more. */
  readonly clash: ZmeshError | undefined;
  /** What its owner should know, a sentence each. */
  readonly notes: readonly string[];
}

/** What follows for routing when `version` comes under `alias`: nothing, unless that is the alias that is routed. Asks the registry for the model's experts. */
export async function routingEffect(
  experts: Experts,
  io: Io,
  { version, alias }: { readonly version: ExpertVersion; readonly alias: string },
): Promise<RoutingEffect> {
  if (alias !== ROUTED_ALIAS) return { clash: undefined, notes: [] };
  const all = await listAll(experts, io, { model: version.spec?.model });
  const present = all.filter(({ aliases }) => aliases.includes(alias));
  return { clash: routingClash(version, present, alias), notes: promotionNotes(version, present) };
}

/** Tells people at a terminal. */
export function printEffect({ clash, notes }: RoutingEffect, io: Io): void {
  for (const note of clash ? [clash.message, ...notes] : notes) io.err.write(`note: ${note}\n`);
}

/** LABEL_AMBIGUOUS where nothing could be routed any more with `version` under the alias: two experts of one label, or two classification experts. */
export function routingClash(
  version: ExpertVersion,
  present: readonly ExpertVersion[],
  alias: string,
): ZmeshError | undefined {
  const rival = othersThan(version, present).find((other) => clash(version, other));
  if (!rival) return undefined;
  const name = `${rival.spec?.model}/${rival.spec?.name}`;
  const what = isClassifier(rival)
    ? 'is the classification expert'
    : `carries the label "${rival.spec?.label}"`;
  const message = `${name} ${what} under "${alias}" already: nothing can be routed with both; move its alias first`;
  return new ZmeshError('LABEL_AMBIGUOUS', message, { names: { expert: name } });
}

/** What the owner of `version` should know when it comes under the routed alias that `present` versions carry, a sentence each. */
export function promotionNotes(version: ExpertVersion, present: readonly ExpertVersion[]): string[] {
  const after = [...othersThan(version, present), version];
  const notes: string[] = [];
  if (version.spec?.kind === ExpertKind.TASK && version.spec.label === '')
    notes.push('it has no label, so pass 1 never chooses it; requests can name it');
  const labels = after.filter((one) => !isClassifier(one)).flatMap(({ spec }) => spec?.label || []);
  const published = [...new Set([...labels, OTHER])].sort();
  for (const { spec } of after.filter(isClassifier)) {
    const trained = spec?.categories ?? [];
    if (trained.length > 0 && [...trained].sort().join() !== published.join())
      notes.push(
        `${spec?.name} was trained on the labels ${trained.join(', ')}, published are now ${published.join(', ')}: auto falls back to the prompt until it is trained again`,
      );
  }
  return notes;
}

const othersThan = ({ spec }: ExpertVersion, present: readonly ExpertVersion[]): ExpertVersion[] =>
  present.filter((one) => one.spec?.name !== spec?.name);

const isClassifier = ({ spec }: ExpertVersion): boolean => spec?.kind === ExpertKind.CLASSIFIER;

function clash(a: ExpertVersion, b: ExpertVersion): boolean {
  if (isClassifier(a) || isClassifier(b)) return isClassifier(a) && isClassifier(b);
  return (a.spec?.label ?? '') !== '' && a.spec?.label === b.spec?.label;
}
