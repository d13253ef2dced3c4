import assert from 'node:assert/strict';
import type { VerifierSpec } from './verifier.js';

/** What is wrong with a specification that holds one `value`; `shape` says what values look like, in words and as a pattern. */
export function valueFault(
  spec: Readonly<Record<string, unknown>>,
  shape: { readonly pattern: RegExp; readonly words: string },
): string | undefined {
  const { value } = spec;
  if (typeof value === 'string' && shape.pattern.test(value)) return undefined;
  return `verifier.value must be ${shape.words}, not ${JSON.stringify(value) ?? 'missing'}`;
}

/** The `value` of a specification that has one. */
export function expectedValue(spec: VerifierSpec): string {
  assert(spec.type !== 'list-program', 'a list-program has tests, not a value');
  return spec.value;
}

/** The first group of the last match of a global pattern; undefined if there is none. */
export function lastMatch(text: string, pattern: RegExp): string | undefined {
  return [...text.matchAll(pattern)].at(-1)?.[1];
}
