import { ZmeshError } from '#shared/errors.js';
import type { PartSizes } from '../runtime/gradient-runtime.js';
import type { GradientSequence } from './task.js';

/** A row: one prompt under one spectrum, and some of its answers as branches. */
export interface PlannedRow {
  /** Indices of the sequences that it computes. */
  readonly members: readonly number[];
  /** Tokens of the row: the prompt but its last token once, then that token and the answer but its last, for each member. */
  readonly tokens: number;
  /** Tokens of its answers. */
  readonly wanted: number;
}

/** Rows that are run together. */
export interface PlannedPart extends PartSizes {
  readonly members: readonly PlannedRow[];
  readonly bytes: number;
}

/** What planning needs to know. */
export interface PlanOptions {
  /** Bytes that one run may need. */
  readonly memoryBytes: number;
  bytesOf(sizes: PartSizes): number;
  /** The model's hidden size. */
  readonly width: number;
}

/** A token's attention over this many times the model's width in tokens costs as much as its linear layers. */
const ATTENTION_WIDTHS = 4;
/** Tokens beyond which a part takes no further row: what passes between operators would leave the caches, and others wait longer for its end. */
const PART_TOKENS = 1024;
/** Share of a part's tokens that may be padding. */
const PADDING_MAX = 0.1;
/** Tokens of padding that a part may always have: they cost less than another run, which reads all weights once more. */
const PADDING_TOKENS = 64;

/**
 * Cuts sequences into rows and rows into parts that fit the memory limit: sequences with one prompt and spectrum share a row
 * as far as it goes, rows of like length share a part. Equal tasks give equal plans. Throws TOO_LARGE for a sequence that does
 * not fit alone.
 */
export function planParts(
  sequences: readonly GradientSequence[],
  options: PlanOptions,
): readonly PlannedPart[] {
  const rows = sharedPrompts(sequences).flatMap((group) => rowsOf(group, sequences, options));
  // Longest first: a part's first row decides its width, and those after it pad little. Sorting is stable.
  rows.sort((a, b) => b.tokens - a.tokens);
  const parts: PlannedPart[] = [];
  for (const row of rows) {
    const last = parts.at(-1);
    const joined = last && partOf([...last.members, row], options);
    if (
      joined &&
      joined.bytes <= options.memoryBytes &&
      tokensOf(joined) <= PART_TOKENS &&
      padsLittle(joined)
    )
      parts[parts.length - 1] = joined;
    else parts.push(partOf([row], options));
  }
  return parts;
}

/** Indices of sequences by spectrum and prompt, in the order of first appearance. */
function sharedPrompts(sequences: readonly GradientSequence[]): readonly (readonly number[])[] {
  const groups = new Map<string, number[]>();
  sequences.forEach(({ prompt, spectrum }, index) => {
    const bytes = Buffer.from(prompt.buffer, prompt.byteOffset, prompt.byteLength);
    const key = `${spectrum} ${bytes.toString('latin1')}`;
    const group = groups.get(key);
    if (group) group.push(index);
    else groups.set(key, [index]);
  });
  return [...groups.values()];
}

/** Fills rows with a group's members in order; a new row begins where the next member does not fit. */
function rowsOf(
  group: readonly number[],
  sequences: readonly GradientSequence[],
  options: PlanOptions,
): PlannedRow[] {
  const rows: PlannedRow[] = [];
  for (const index of group) {
    const { prompt, answer } = sequences[index]!;
    const last = rows.at(-1);
    const longer = last && {
      members: [...last.members, index],
      tokens: last.tokens + answer.length,
      wanted: last.wanted + answer.length,
    };
    if (longer && longer.tokens <= sharedRowTokens(prompt.length, options) && fits(longer, options))
      rows[rows.length - 1] = longer;
    else rows.push(alone(index, { prompt, answer }, options));
  }
  return rows;
}

/**
 * How long a row with several answers grows at most. A longer row computes its prompt for more answers at once, but a row's
 * attention costs the square of its length, answers that do not see each other included. With a prompt of p tokens, and c the length
 * at which attention costs as much as everything else, the cost of an answer is least at p + √(p·(c + p)).
 */
function sharedRowTokens(promptTokens: number, { width }: PlanOptions): number {
  return promptTokens + Math.sqrt(promptTokens * (ATTENTION_WIDTHS * width + promptTokens));
}

function alone(
  index: number,
  { prompt, answer }: Pick<GradientSequence, 'prompt' | 'answer'>,
  options: PlanOptions,
): PlannedRow {
  const row = { members: [index], tokens: prompt.length - 1 + answer.length, wanted: answer.length };
  if (fits(row, options)) return row;
  const { bytes } = partOf([row], options);
  const message = `sequences[${index}]: its gradient over ${row.tokens} tokens needs ${bytes} bytes, the limit is ${options.memoryBytes}`;
  throw new ZmeshError('TOO_LARGE', message, {
    field: `sequences[${index}]`,
    limit: options.memoryBytes,
    value: bytes,
  });
}

const fits = (row: PlannedRow, options: PlanOptions): boolean =>
  partOf([row], options).bytes <= options.memoryBytes;

function partOf(members: readonly PlannedRow[], { bytesOf }: PlanOptions): PlannedPart {
  const sizes = {
    rows: members.length,
    tokensPerRow: Math.max(...members.map(({ tokens }) => tokens)),
    wanted: members.reduce((sum, { wanted }) => sum + wanted, 0),
  };
  return { ...sizes, members, bytes: bytesOf(sizes) };
}

/** Whether little of a part is padding. */
function padsLittle(part: PlannedPart): boolean {
  const computed = tokensOf(part);
  const padding = computed - part.members.reduce((sum, row) => sum + row.tokens, 0);
  return padding <= Math.max(PADDING_TOKENS, PADDING_MAX * computed);
}

/** Tokens that a part computes, padding included. */
const tokensOf = ({ rows, tokensPerRow }: PartSizes): number => rows * tokensPerRow;
