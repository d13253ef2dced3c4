import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '#shared/paths.js';
import type { Picture } from '#shared/plots/svg.js';
import { renderSvg } from '#shared/plots/theme.js';

/** A part of docs/evidence.md that one command writes. */
export interface EvidencePart {
  /** Name of the part: `experts`, `strategies`. */
  readonly name: string;
  readonly markdown: string;
  /** Pictures by file name, in docs/evidence/. */
  readonly pictures: Readonly<Record<string, Picture>>;
}

const PAGE = 'docs/evidence.md';
const HEAD = `# Evidence

What training, mixing and routing do for accuracy, measured on the embedded model's own tasks by \`npm run evidence\`. Each part
says the command that wrote it and the grid it ran. Numbers are as they came out.
`;

/** Writes a part into docs/evidence.md, in the place of its last edition, and its pictures beside it. */
export function writePart({ name, markdown, pictures }: EvidencePart): string {
  const path = join(projectRoot, PAGE);
  const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
  const present = presentPage(path);
  const block = `${begin}\n${markdown.trim()}\n${end}\n`;
  const from = present.indexOf(begin);
  const to = present.indexOf(end);
  const page =
    from < 0 || to < 0
      ? `${present}\n${block}`
      : `${present.slice(0, from)}${block}${present.slice(to + end.length + 1)}`;
  mkdirSync(join(projectRoot, 'docs/evidence'), { recursive: true });
  for (const [file, picture] of Object.entries(pictures))
    writeFileSync(join(projectRoot, 'docs/evidence', file), renderSvg(picture));
  writeFileSync(path, page);
  return PAGE;
}

function presentPage(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return HEAD;
  }
}

/** A table in Markdown; the first column to the left, the others to the right. */
export function markdownTable(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(titles), line(titles.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

/** `0.62 [.55, .69]`. */
export function withInterval({
  estimate,
  low,
  high,
}: {
  readonly estimate: number;
  readonly low: number;
  readonly high: number;
}): string {
  return `${estimate.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;
}

/** `+0.12 [−0.01, +0.24]`. */
export function signedInterval({
  estimate,
  low,
  high,
}: {
  readonly estimate: number;
  readonly low: number;
  readonly high: number;
}): string {
  const signed = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(2)}`;
  return `${signed(estimate)} [${signed(low)}, ${signed(high)}]`;
}
