import { parseExposition, type Sample } from './exposition.js';
import type { Target } from './targets.js';

/** What one process told. */
export interface Page extends Target {
  /** Name of its service; empty if it did not answer. */
  readonly service: string;
  /** Which life of the process it was: counters begin anew with each. */
  readonly life: string;
  readonly samples: readonly Sample[];
  /** Why there is nothing. */
  readonly fault?: string;
}

/** What all told at one time. */
export interface Scrape {
  /** performance.now's clock. */
  readonly atMs: number;
  readonly pages: readonly Page[];
}

const TIMEOUT_MS = 2000;

/** Reads the metrics of every target at once. A target that does not answer is a page with a fault; never throws. */
export async function scrape(targets: readonly Target[]): Promise<Scrape> {
  const pages = await Promise.all(targets.map(readPage));
  return { atMs: performance.now(), pages };
}

async function readPage(target: Target): Promise<Page> {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(`http://${target.http}/metrics`, { signal });
    const text = await response.text();
    if (!response.ok) throw new Error(`/metrics answered ${response.status}`);
    const samples = parseExposition(text);
    const info = samples.find(({ name }) => name === 'target_info')?.labels ?? {};
    const { service_name: service = '', service_instance_id: life = '' } = info;
    return { ...target, service, life, samples };
  } catch (error) {
    return { ...target, service: '', life: '', samples: [], fault: whyOf(error as Error) };
  }
}

/** fetch hides what happened behind `fetch failed`. */
function whyOf(error: Error): string {
  const { code, message } = (error.cause ?? {}) as Partial<NodeJS.ErrnoException>;
  if (code === 'ECONNREFUSED') return 'nobody listens';
  if (error.name === 'TimeoutError') return `no answer within ${TIMEOUT_MS} ms`;
  return code ?? message ?? error.message;
}
