import type { PhaseStatistics, TraceSummary } from '#shared/telemetry/stored-trace.js';
import { clean, formatMs } from './label.js';
import { cells, fit, type Paint } from './paint.js';

/** Percentiles as lines: passes by strategy, engine phases by kind of request, served calls. Milliseconds. */
export function drawStatistics(statistics: readonly PhaseStatistics[], paint: Paint): string[] {
  if (statistics.length === 0) return ['no spans have arrived yet'];
  const head = ['span', 'by', 'count', 'failed', 'p50 ms', 'p90 ms', 'p99 ms', 'max ms'];
  const rows = statistics.map((line) => [
    clean(line.phase).replace(/^[\w.]+\.(?=\w+\/\w+$)/, ''),
    clean(line.group),
    String(line.count),
    String(line.failed),
    ...[line.p50, line.p90, line.p99, line.max].map(formatMs),
  ]);
  return table(head, rows, 2, paint);
}

/** The kept traces as lines, in the given order. */
export function drawList(traces: readonly TraceSummary[], paint: Paint): string[] {
  if (traces.length === 0) return ['no traces are kept yet'];
  const head = ['trace', 'started', 'service', 'name', 'spans', 'ms', 'kept'];
  const rows = traces.map((trace) => [
    trace.traceId,
    new Date(trace.startMs).toISOString().slice(11, 23),
    clean(trace.service),
    clean(trace.name).replace(/^[\w.]+\.(?=\w+\/\w+$)/, ''),
    String(trace.spans),
    formatMs(trace.durationMs),
    trace.complete ? trace.keep : `${trace.keep}, incomplete`,
  ]);
  return table(head, rows, 4, paint, new Set([6]));
}

/** Columns from `numbersFrom` on are aligned to the right, except those in `leftAgain`. */
function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  numbersFrom: number,
  paint: Paint,
  leftAgain: ReadonlySet<number> = new Set(),
): string[] {
  const widths = head.map((title, column) =>
    Math.max(cells(title), ...rows.map((row) => cells(row[column] ?? ''))),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((text, column) => {
        const width = widths[column] ?? 0;
        const right = column >= numbersFrom && !leftAgain.has(column);
        return right ? ' '.repeat(width - cells(text)) + text : fit(text, width);
      })
      .join('  ')
      .trimEnd();
  return [paint(line(head), 'dim'), ...rows.map(line)];
}
