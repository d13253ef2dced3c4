/** What became of one answer. */
export interface Verdict {
  /** In [−1, 1]: +1 for right and −1 for wrong where a verifier only knows these. */
  readonly reward: number;
  /** True if the answer counts as right: a reward above 0. */
  readonly correct: boolean;
  /** Why, for people: what was found and what was expected, or where a program failed. Never empty. */
  readonly detail: string;
}

/** Most characters of a detail; what models write has no length of its own. */
const DETAIL_MAX = 400;

/** A right or a wrong answer: reward +1 or −1. */
export function verdict(correct: boolean, detail: string): Verdict {
  return { reward: correct ? 1 : -1, correct, detail: shortened(detail) };
}

/** A verdict about what was found in an answer. `found` undefined = nothing was. */
export function compared(correct: boolean, found: string | undefined, expected: string): Verdict {
  if (found === undefined) return verdict(correct, `no answer was found; expected ${quoted(expected)}`);
  return verdict(
    correct,
    correct ? `found ${quoted(found)}` : `found ${quoted(found)}, expected ${quoted(expected)}`,
  );
}

/** A text of bounded length, cut with `…`. */
export function shortened(text: string, charactersMax = DETAIL_MAX): string {
  return text.length <= charactersMax ? text : `${text.slice(0, charactersMax - 1)}…`;
}

function quoted(text: string): string {
  return JSON.stringify(shortened(text, 80));
}
