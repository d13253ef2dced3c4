/** Where one wanted logit row goes. */
export type Sink =
  | { readonly kind: 'token'; readonly continuation: number; readonly index: number }
  | { readonly kind: 'logits'; readonly row: number };

/** The tokens of one row of a Score, with what is wanted of them. */
export interface ScoreRow {
  readonly tokens: Int32Array;
  readonly positions: Int32Array;
  /** null = causal. */
  readonly branches: Int32Array | null;
  readonly wanted: Int32Array;
  /** −1 = none. */
  readonly targets: Int32Array;
  /** One for each wanted. */
  readonly sinks: readonly Sink[];
}

/** What a row is built from. */
export interface ScoreRowParts {
  readonly prompt: Int32Array;
  /** Prompt tokens [trunkBegin, trunkEnd) lead the row. */
  readonly trunkBegin: number;
  readonly trunkEnd: number;
  /** Continuations that branch off after the prompt's end; empty unless trunkEnd is the prompt's end. */
  readonly members: readonly number[];
  readonly continuations: readonly Int32Array[];
  /** True if the logits after prompt token `position` are asked for. */
  readonly logitsAt: (position: number) => number | null;
}

/**
 * Builds a row: a piece of the prompt as the trunk, then every member's tokens but its last as a branch. The logits after
 * the prompt's last token score each member's first token, so that token is wanted once for each.
 */
export function buildScoreRow(parts: ScoreRowParts): ScoreRow {
  const { prompt, trunkBegin, trunkEnd, members, continuations } = parts;
  const tokens: number[] = [];
  const positions: number[] = [];
  const branches: number[] = [];
  const wanted: number[] = [];
  const targets: number[] = [];
  const sinks: Sink[] = [];
  const want = (target: number, sink: Sink): void => {
    wanted.push(tokens.length - 1);
    targets.push(target);
    sinks.push(sink);
  };
  const feed = (token: number, position: number, branch: number): void => {
    tokens.push(token);
    positions.push(position);
    branches.push(branch);
  };
  for (let position = trunkBegin; position < trunkEnd; position++) {
    feed(prompt[position]!, position, -1);
    const row = parts.logitsAt(position);
    if (row !== null) want(-1, { kind: 'logits', row });
  }
  for (const member of members)
    want(continuations[member]![0]!, { kind: 'token', continuation: member, index: 0 });
  members.forEach((member, branch) => {
    const continuation = continuations[member]!;
    for (let i = 0; i + 1 < continuation.length; i++) {
      feed(continuation[i]!, prompt.length + i, branch);
      want(continuation[i + 1]!, { kind: 'token', continuation: member, index: i + 1 });
    }
  });
  return {
    tokens: Int32Array.from(tokens),
    positions: Int32Array.from(positions),
    branches: members.length > 1 ? Int32Array.from(branches) : null,
    wanted: Int32Array.from(wanted),
    targets: Int32Array.from(targets),
    sinks,
  };
}

/** What a piece of a long continuation is built from. */
export interface LongRowParts {
  readonly prompt: Int32Array;
  readonly continuation: Int32Array;
  /** Its index. */
  readonly member: number;
  /** Fed tokens [begin, end) of the prompt's last token followed by the continuation. */
  readonly begin: number;
  readonly end: number;
  /** Row of the answer for the logits after the prompt's last token; null = not asked for. */
  readonly logitsRow: number | null;
}

/** Builds a piece of one long continuation, causal. */
export function buildLongRow(parts: LongRowParts): ScoreRow {
  const { prompt, continuation, member, begin, end } = parts;
  const count = end - begin;
  const fed = (i: number): number => (i === 0 ? prompt.at(-1)! : continuation[i - 1]!);
  const indices = Array.from({ length: count }, (_, i) => i);
  const sinks: Sink[] = indices.map((i) => ({ kind: 'token', continuation: member, index: begin + i }));
  const targets = [...continuation.subarray(begin, end)];
  const wanted = [...indices];
  if (begin === 0 && parts.logitsRow !== null) {
    wanted.unshift(0);
    targets.unshift(-1);
    sinks.unshift({ kind: 'logits', row: parts.logitsRow });
  }
  return {
    tokens: Int32Array.from(indices, (i) => fed(begin + i)),
    positions: Int32Array.from(indices, (i) => prompt.length - 1 + begin + i),
    branches: null,
    wanted: Int32Array.from(wanted),
    targets: Int32Array.from(targets),
    sinks,
  };
}
