import { SPAN, ZMESH } from '#shared/telemetry/semconv.js';
import type { PhaseStatistics, StoredSpan } from '#shared/telemetry/stored-trace.js';

const PASSES: readonly string[] = [SPAN.FIRST_PASS, SPAN.SECOND_PASS, SPAN.RESOLVE_MIXTURE];
const ENGINE_PHASES: readonly string[] = [SPAN.ENGINE_QUEUE, SPAN.ENGINE_PREFILL, SPAN.ENGINE_DECODE];

/** Limits of the statistics. */
export interface StatisticsOptions {
  /** Durations remembered for each series. Default 4096: about a minute of a busy local mesh, 32 KB. */
  readonly windowMax?: number;
  /** Series (kinds of spans) at most; further kinds are not counted. Default 256. */
  readonly seriesMax?: number;
}

/** Times of passes (by strategy), engine phases (by kind of request) and served calls, over all spans that arrived. */
export interface Statistics {
  add(span: StoredSpan): void;
  /** Passes first, then the engine's phases, then served calls. */
  read(): PhaseStatistics[];
}

interface Series {
  readonly phase: string;
  readonly group: string;
  readonly rank: number;
  readonly latest: number[];
  count: number;
  failed: number;
}

/** Empty statistics. They count every span, kept or not, so sampling and tail decisions do not bend them. */
export function createStatistics(options: StatisticsOptions = {}): Statistics {
  const { windowMax = 4096, seriesMax = 256 } = options;
  const bySeries = new Map<string, Series>();
  return {
    add(span) {
      const rank = rankOf(span);
      if (rank === undefined) return;
      const group = groupOf(span);
      const key = `${span.name}\n${group}`;
      let series = bySeries.get(key);
      if (!series) {
        if (bySeries.size >= seriesMax) return;
        series = { phase: span.name, group, rank, latest: [], count: 0, failed: 0 };
        bySeries.set(key, series);
      }
      series.latest[series.count % windowMax] = span.durationMs;
      series.count++;
      if (span.failed) series.failed++;
    },
    read: () =>
      [...bySeries.values()]
        .sort((a, b) => a.rank - b.rank || a.phase.localeCompare(b.phase) || a.group.localeCompare(b.group))
        .map(summarise),
  };
}

/**
 * The q-quantile of ascending values, q in [0, 1], between neighbours linearly (Hyndman and Fan's type 7, the default of
 * NumPy and R). NaN for no values.
 */
export function quantile(ascending: readonly number[], q: number): number {
  const at = (ascending.length - 1) * q;
  const low = ascending[Math.floor(at)] ?? Number.NaN;
  const high = ascending[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

function summarise(series: Series): PhaseStatistics {
  const ascending = [...series.latest].sort((a, b) => a - b);
  return {
    phase: series.phase,
    group: series.group,
    count: series.count,
    failed: series.failed,
    p50: quantile(ascending, 0.5),
    p90: quantile(ascending, 0.9),
    p99: quantile(ascending, 0.99),
    max: quantile(ascending, 1),
  };
}

function rankOf(span: StoredSpan): number | undefined {
  const pass = PASSES.indexOf(span.name);
  if (pass >= 0) return pass;
  const phase = ENGINE_PHASES.indexOf(span.name);
  if (phase >= 0) return PASSES.length + phase;
  return span.kind === 'server' ? PASSES.length + ENGINE_PHASES.length : undefined;
}

function groupOf(span: StoredSpan): string {
  const group = span.attributes[ENGINE_PHASES.includes(span.name) ? ZMESH.ENGINE_REQUEST : ZMESH.STRATEGY];
  return typeof group === 'string' ? group : '';
}
