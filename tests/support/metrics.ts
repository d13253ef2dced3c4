import { readRun } from '#deploy/local/run-file.js';
import { parseExposition, type Sample } from '#services/cli/status/exposition.js';

/** What one process exports. */
export interface ScrapedPage {
  /** Name of the process in the run file, `inference-2`. */
  readonly process: string;
  readonly page: string;
  readonly samples: readonly Sample[];
}

/** Reads the metrics of every process of a local mesh that has some. */
export async function scrapeMesh(home: string): Promise<readonly ScrapedPage[]> {
  const processes = readRun(home)?.processes ?? [];
  return Promise.all(
    processes
      .filter(({ http }) => http !== undefined)
      .map(async ({ name, http }) => {
        const page = await (await fetch(`http://${http}/metrics`)).text();
        return { process: name, page, samples: parseExposition(page) };
      }),
  );
}

/** Sum over every process of the samples with this name whose labels hold all of `labels`. */
export function sumOf(
  pages: readonly ScrapedPage[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const matching = pages
    .flatMap(({ samples }) => samples)
    .filter(
      (sample) =>
        sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    );
  return matching.reduce((sum, { value }) => sum + value, 0);
}
