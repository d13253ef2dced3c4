import type { ServedModel } from '#proto/zmesh/v1/inference.js';

/**
 * The models that several replicas serve together, by name. Where replicas serve different models under one name (one is
 * being replaced by another) it is the one that was served `before` as long as anybody has it, else the one that most have,
 * so that a name means one model at a time.
 * @param answers what each replica serves.
 * @param before fingerprint by name.
 */
export function mergeModels(
  answers: readonly (readonly ServedModel[])[],
  before: ReadonlyMap<string, string>,
): ServedModel[] {
  const byName = new Map<string, ServedModel[]>();
  for (const model of answers.flat()) byName.set(model.name, [...(byName.get(model.name) ?? []), model]);
  return [...byName.keys()].sort().map((name) => {
    const rivals = byName.get(name)!;
    const kept = rivals.find(({ fingerprint }) => fingerprint === before.get(name));
    return kept ?? mostServed(rivals);
  });
}

function mostServed(rivals: readonly ServedModel[]): ServedModel {
  const count = (one: ServedModel): number =>
    rivals.filter(({ fingerprint }) => fingerprint === one.fingerprint).length;
  // Between equals the fingerprint decides, so that all dispatchers choose alike.
  return [...rivals].sort((a, b) => count(b) - count(a) || (a.fingerprint < b.fingerprint ? -1 : 1))[0]!;
}
