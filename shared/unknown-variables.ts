import { KNOWN_VARIABLES } from './known-variables.js';

/** A variable that looks like one of zmesh's and is none. */
export interface UnknownVariable {
  readonly name: string;
  /** The known one that is written most alike. */
  readonly nearest: string;
}

/** Kubernetes gives every pod such ones of the services beside it; the tests have theirs. */
const OTHERS = /_SERVICE_(?:HOST|PORT)|_PORT_\d+_|^ZMESH_TEST_/;

/** Variables `ZMESH_…` that no part of zmesh reads: most likely misspelt. Environments are shared, so they are no faults. */
export function unknownVariables(env: NodeJS.ProcessEnv): readonly UnknownVariable[] {
  const known = new Set(KNOWN_VARIABLES);
  return Object.keys(env)
    .filter((name) => name.startsWith('ZMESH_') && !known.has(name) && !OTHERS.test(name))
    .sort()
    .map((name) => ({ name, nearest: nearestOf(name) }));
}

function nearestOf(name: string): string {
  const distances = KNOWN_VARIABLES.map((known) => ({ known, distance: editDistance(name, known) }));
  return distances.reduce((best, one) => (one.distance < best.distance ? one : best)).known;
}

/** Levenshtein's distance: how many letters must be put in, left out or changed. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
