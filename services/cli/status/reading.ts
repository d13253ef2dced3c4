import type { Sample } from './exposition.js';
import type { Page, Scrape } from './scrape.js';

/** Which samples: those that have all of these labels. */
export type Labels = Readonly<Record<string, string>>;

/** Sums over all processes, and what was added between two scrapes. */
export interface Reading {
  /** Levels now. */
  level(name: string, labels?: Labels): number;
  /** What a counter grew by; undefined where nobody exports it. */
  increase(name: string, labels?: Labels): number | undefined;
  /** Quantile q of a histogram, as Prometheus interpolates it; undefined where nothing was measured. */
  quantile(name: string, q: number, labels?: Labels): number | undefined;
  /** Values of a label among the samples of a name, sorted. */
  values(name: string, label: string): readonly string[];
}

/** Reads `now`; what grew is counted from `before`, where there is none from each process's start. */
export function readingOf(now: Scrape, before?: Scrape): Reading {
  const grown = grownBetween(now, before);
  const all = now.pages.flatMap(({ samples }) => samples);
  return {
    level: (name, labels = {}) => sum(all.filter((sample) => matches(sample, name, labels))),
    increase(name, labels = {}) {
      const matching = grown.filter((sample) => matches(sample, name, labels));
      return matching.length === 0 ? undefined : sum(matching);
    },
    quantile(name, q, labels = {}) {
      const buckets = new Map<number, number>();
      for (const sample of grown.filter((one) => matches(one, `${name}_bucket`, labels))) {
        const bound = sample.labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(sample.labels.le);
        buckets.set(bound, (buckets.get(bound) ?? 0) + sample.value);
      }
      return bucketQuantile(
        q,
        [...buckets].sort(([a], [b]) => a - b),
      );
    },
    values: (name, label) =>
      [...new Set(all.filter((one) => one.name === name).map(({ labels }) => labels[label] ?? ''))].sort(),
  };
}

/** A quantile of cumulative buckets [upper bound, count], rising; linear within a bucket. Undefined if they are empty. */
export function bucketQuantile(
  q: number,
  buckets: readonly (readonly [bound: number, count: number])[],
): number | undefined {
  const total = buckets.at(-1)?.[1] ?? 0;
  if (total === 0) return undefined;
  const rank = q * total;
  let [lower, below] = [0, 0];
  for (const [bound, count] of buckets) {
    // The last bucket has no upper bound: what is in it is at least this.
    if (bound === Number.POSITIVE_INFINITY) return lower;
    if (count >= rank && count > below) return lower + ((bound - lower) * (rank - below)) / (count - below);
    [lower, below] = [bound, count];
  }
  return lower;
}

function grownBetween(now: Scrape, before: Scrape | undefined): readonly Sample[] {
  return now.pages.flatMap((page) => {
    const earlier = before?.pages.find(({ http, life }) => http === page.http && life === page.life);
    return earlier ? differences(page, earlier) : page.samples;
  });
}

function differences(page: Page, earlier: Page): readonly Sample[] {
  const past = new Map(earlier.samples.map((sample) => [keyOf(sample), sample.value]));
  return page.samples.map((sample) => ({ ...sample, value: sample.value - (past.get(keyOf(sample)) ?? 0) }));
}

const keyOf = ({ name, labels }: Sample): string => JSON.stringify([name, labels]);

const matches = (sample: Sample, name: string, labels: Labels): boolean =>
  sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value);

const sum = (samples: readonly Sample[]): number => samples.reduce((total, { value }) => total + value, 0);
