import { SPAN } from '#shared/telemetry/semconv.js';
import type { StoredTrace } from '#shared/telemetry/stored-trace.js';
import { type Bar, drawBar, drawScale } from './bar.js';
import { clean, failureText, formatMs, spanDetail, spanLabel } from './label.js';
import { type Colour, cells, fit, type Paint } from './paint.js';
import { type Row, traceRows } from './tree.js';

const BAR_MIN = 12;
const SERVICE_MAX = 16;
const MS_WIDTH = 9;
const ROWS_MAX = 400;

/** Cells of the columns: service, name, bar (0 = none), time. */
interface Columns {
  readonly service: number;
  readonly name: number;
  readonly bar: number;
}

/**
 * A trace as lines for a terminal of `columns` cells (40 at least are used): service, tree of names, bar on a common time
 * axis, milliseconds. Queue bars are ░ and prefill bars ▒, so that the engine's phases can be told apart without colours.
 * Narrow terminals lose the bars first, then the services.
 */
export function drawWaterfall(trace: StoredTrace, columns: number, paint: Paint): string[] {
  const width = Math.max(40, columns);
  const rows = traceRows(trace.spans);
  const layout = layOut(rows, width);
  const { summary } = trace;
  const lines = header(trace, width, paint);
  if (layout.bar > 0) {
    const scale = drawScale(summary.durationMs, layout.bar, formatMs);
    lines.push(paint(' '.repeat(layout.service + layout.name) + scale, 'dim').trimEnd());
  }
  for (const row of rows.slice(0, ROWS_MAX)) {
    lines.push(drawRow(row, trace, layout, paint));
    if (row.folded.spans > 0) lines.push(paint(fit(foldedText(row, layout), width).trimEnd(), 'dim'));
    if (row.origin) {
      const text = `${' '.repeat(layout.service)}${row.below}${failureText(row.span)}`;
      lines.push(paint(fit(text, width).trimEnd(), 'red'));
    }
  }
  if (rows.length > ROWS_MAX) lines.push(`… and ${rows.length - ROWS_MAX} more spans (--json shows all)`);
  return lines;
}

function foldedText({ below, folded }: Row, { service }: Columns): string {
  const text = `… ${folded.spans} shorter ones, ${formatMs(folded.durationMs)} ms together (--json shows all)`;
  return `${' '.repeat(service)}${below}${text}`;
}

function header({ summary }: StoredTrace, width: number, paint: Paint): string[] {
  const when = new Date(summary.startMs).toISOString().replace('T', ' ').replace('Z', ' UTC');
  const parts = [
    `${formatMs(summary.durationMs)} ms`,
    `${summary.spans} span${summary.spans === 1 ? '' : 's'}`,
    `${summary.services} service${summary.services === 1 ? '' : 's'}`,
    when,
  ];
  if (summary.keep === 'slow' || summary.keep === 'failed') parts.push(`kept: ${summary.keep}`);
  const lines = [
    paint(`trace ${summary.traceId}`, 'bold'),
    paint(fit(parts.join(' · '), width).trimEnd(), 'dim'),
  ];
  if (!summary.complete)
    lines.push(paint('incomplete: some spans are still open or were not sent', 'yellow'));
  return lines;
}

function layOut(rows: readonly Row[], width: number): Columns {
  const services = Math.max(...rows.map((row) => cells(clean(row.span.service))));
  const names = Math.max(...rows.map((row) => cells(nameText(row)))) + 2;
  if (width < 60) return { service: 0, name: width - MS_WIDTH, bar: 0 };
  const service = Math.min(services, SERVICE_MAX) + 2;
  const rest = width - service - MS_WIDTH;
  const bar = Math.max(BAR_MIN, rest - names, Math.floor(rest * 0.3));
  return { service, name: rest - bar, bar };
}

function drawRow(row: Row, trace: StoredTrace, layout: Columns, paint: Paint): string {
  const { span } = row;
  const colour = colourOf(row);
  const service = layout.service > 0 ? `${fit(clean(span.service), layout.service - 2)}  ` : '';
  const name = fit(nameText(row), layout.name - 1);
  const label = row.guide + spanLabel(span);
  const named =
    cells(label) < layout.name - 1
      ? paint(name.slice(0, label.length), colour) + paint(name.slice(label.length), 'dim')
      : paint(name, colour);
  const bar: Bar = {
    startMs: span.startMs - trace.summary.startMs,
    durationMs: span.durationMs,
    fill: isWait(span.name) ? '░' : span.name === SPAN.ENGINE_PREFILL ? '▒' : 'solid',
  };
  const drawn = paint(drawBar(bar, trace.summary.durationMs, layout.bar), colour);
  const time = `${span.failed ? '✗ ' : ''}${formatMs(span.durationMs)}`.padStart(MS_WIDTH);
  return `${paint(service, 'dim')}${named} ${drawn}${paint(time, span.failed ? 'red' : undefined)}`;
}

const isWait = (name: string): boolean => name === SPAN.ENGINE_QUEUE || name === SPAN.JOB_QUEUE;

function nameText(row: Row): string {
  const detail = spanDetail(row.span);
  return `${row.guide}${spanLabel(row.span)}${detail === '' ? '' : `  ${detail}`}`;
}

function colourOf({ span, pass }: Row): Colour | undefined {
  if (span.failed) return 'red';
  if (isWait(span.name)) return 'yellow';
  if (span.kind === 'producer' || span.kind === 'consumer') return 'magenta';
  if (pass === undefined) return undefined;
  return pass === 'first' ? 'cyan' : 'green';
}
