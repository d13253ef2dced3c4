/** The specification of a verifier that compares with one text. */
export interface ValueSpec {
  readonly value: string;
}

/** What is wrong with a specification that holds one `value`; `shape` says what values look like, in words and as a pattern. */
export function valueFault(
  spec: Readonly<Record<string, unknown>>,
  shape: { readonly pattern: RegExp; readonly words: string },
): string | undefined {
  const { value } = spec;
  if (typeof value === 'string' && shape.pattern.test(value)) return undefined;
  return `verifier.value must be ${shape.words}, not ${JSON.stringify(value) ?? 'missing'}`;
}

/** What is wrong with a field that is one of a few words, or absent; undefined = nothing. */
export function choiceFault(
  spec: Readonly<Record<string, unknown>>,
  field: string,
  choices: readonly string[],
): string | undefined {
  const value = spec[field];
  if (value === undefined || choices.includes(value as string)) return undefined;
  return `verifier.${field} must be one of ${choices.join(', ')}, not ${JSON.stringify(value)}`;
}

/** The first group of the last match of a global pattern; undefined if there is none. */
export function lastMatch(text: string, pattern: RegExp): string | undefined {
  let found: string | undefined;
  for (const match of text.matchAll(pattern)) found = match[1];
  return found;
}
