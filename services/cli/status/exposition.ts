/** One sample of a page of metrics. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', '\\': '\\', '"': '"' };

/** Reads Prometheus' text format 0.0.4; lines that are no sample are passed over. */
export function parseExposition(page: string): readonly Sample[] {
  return page.split('\n').flatMap((line) => {
    const [, name, labels = '', number = ''] = LINE.exec(line.trim()) ?? [];
    if (name === undefined) return [];
    return [{ name, labels: Object.fromEntries(labelsOf(labels)), value: numberOf(number) }];
  });
}

const labelsOf = (text: string): readonly [string, string][] =>
  [...text.matchAll(LABEL)].map(([, label = '', value = '']) => [
    label,
    value.replace(/\\(.)/g, (whole, escaped: string) => ESCAPES[escaped] ?? whole),
  ]);

function numberOf(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY;
  return text === '-Inf' ? Number.NEGATIVE_INFINITY : Number(text);
}
