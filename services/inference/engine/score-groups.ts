/** Continuations that are scored together: all as branches of one row, or one alone that is longer than a row may be. */
export interface ScoreGroup {
  /** Indices of the continuations. */
  readonly members: readonly number[];
  /** Tokens fed beside the prompt: every token but each continuation's last, whose successor nobody asks for. */
  readonly fed: number;
}

/**
 * Groups continuations in their order so that each group's fed tokens and one prompt token fit into `rowTokens`; one that
 * does not fit even alone is a group of its own. No continuations = one empty group, for the prompt's logits.
 */
export function groupContinuations(lengths: readonly number[], rowTokens: number): readonly ScoreGroup[] {
  const groups: { members: number[]; fed: number }[] = [{ members: [], fed: 0 }];
  lengths.forEach((length, index) => {
    const last = groups.at(-1)!;
    const fed = length - 1;
    if (last.members.length === 0 || last.fed + fed + 1 <= rowTokens) {
      last.members.push(index);
      last.fed += fed;
    } else groups.push({ members: [index], fed });
  });
  return groups;
}
