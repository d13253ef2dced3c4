import { ExpertKind, type ExpertVersion } from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';
import { OTHER } from '#shared/svf/names.js';

/**
 * What follows for routing when `promoted` comes under an alias that `present` versions carry. Throws LABEL_AMBIGUOUS where
 * nothing could be routed any more: two experts of one label, or two classification experts.
 * @returns what its owner should know, a sentence each.
 */
export function promotionNotes(
  promoted: ExpertVersion,
  present: readonly ExpertVersion[],
  alias: string,
): string[] {
  const others = present.filter(({ spec }) => spec?.name !== promoted.spec?.name);
  const rival = others.find((other) => clash(promoted, other));
  if (rival) {
    const name = `${rival.spec?.model}/${rival.spec?.name}`;
    const what = isClassifier(rival)
      ? 'is the classification expert'
      : `carries the label "${rival.spec?.label}"`;
    const message = `${name} ${what} under "${alias}" already: nothing could be routed with both; move its alias first`;
    throw new ZmeshError('LABEL_AMBIGUOUS', message, { names: { expert: name } });
  }
  const after = [...others, promoted];
  const notes: string[] = [];
  if (promoted.spec?.kind === ExpertKind.TASK && promoted.spec.label === '')
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

const isClassifier = ({ spec }: ExpertVersion): boolean => spec?.kind === ExpertKind.CLASSIFIER;

function clash(a: ExpertVersion, b: ExpertVersion): boolean {
  if (isClassifier(a) || isClassifier(b)) return isClassifier(a) && isClassifier(b);
  return (a.spec?.label ?? '') !== '' && a.spec?.label === b.spec?.label;
}
