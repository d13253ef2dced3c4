import { type AxisOptions, axisRange, type Range, tickLabel, ticks } from './axis.js';
import { element, text, textWidth } from './svg.js';
import { strokeClass } from './theme.js';

/** Size of a plot, pixels. */
export interface PlotSize {
  /** Default 720. */
  readonly width?: number;
  /** Default 340. */
  readonly height?: number;
}

/** One entry of a legend. */
export interface LegendEntry {
  readonly name: string;
  /** Which series' colour. */
  readonly series: number;
  readonly dashed?: boolean;
}

/** Where values lie in a plot. */
export interface Frame {
  readonly width: number;
  readonly height: number;
  /** Edges of the field of values, pixels. */
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly y: Range;
  /** Height of a value, pixels from the top. */
  yOf(value: number): number;
}

const ROW = 18;

/** Lays a plot out: title, legend, room for the labels of the vertical axis. */
export function layFrame(size: PlotSize, y: Range, legend: readonly LegendEntry[]): Frame {
  const { width = 720, height = 340 } = size;
  const widest = Math.max(...ticks(y).map((tick) => textWidth(tickLabel(tick), 12)));
  const left = Math.ceil(34 + widest);
  const right = width - 18;
  const top = 34 + legendRows(legend, right - left).length * ROW;
  const bottom = height - 46;
  const yOf = (value: number): number => bottom - ((value - y.low) / (y.high - y.low)) * (bottom - top);
  return { width, height, left, right, top, bottom, y, yOf };
}

/** Title, legend, vertical axis with grid, and the field's lower edge. */
export function drawFrame(
  frame: Frame,
  title: string,
  yLabel: string,
  legend: readonly LegendEntry[],
): string {
  const { left, right, top, bottom, yOf } = frame;
  const lines = ticks(frame.y).map((tick) => {
    const y = yOf(tick);
    const label = text(tickLabel(tick), left - 6, y + 4, { 'text-anchor': 'end' });
    return element('line', { class: 'grid', x1: left, x2: right, y1: y, y2: y }) + label;
  });
  const middle = (top + bottom) / 2;
  return [
    text(title, left, 20, { class: 'title' }),
    ...lines,
    text(yLabel, 14, middle, { 'text-anchor': 'middle', transform: `rotate(-90 14 ${Math.round(middle)})` }),
    element('path', { class: 'axis', d: `M${left} ${top}V${bottom}H${right}` }),
    ...drawLegend(frame, legend),
  ].join('');
}

/** The horizontal axis of numbers. */
export function drawNumberAxis(
  frame: Frame,
  label: string,
  range: Range,
  xOf: (value: number) => number,
): string {
  const { left, right, bottom } = frame;
  const marks = ticks(range, 8).map((tick) => {
    const x = xOf(tick);
    const mark = element('line', { class: 'axis', x1: x, x2: x, y1: bottom, y2: bottom + 4 });
    return mark + text(tickLabel(tick), x, bottom + 18, { 'text-anchor': 'middle' });
  });
  return [...marks, text(label, (left + right) / 2, bottom + 38, { 'text-anchor': 'middle' })].join('');
}

/** The horizontal place of numbers in a frame. */
export function numberScale(frame: Frame, options: AxisOptions, values: Iterable<number>) {
  const range = axisRange(options, values);
  const { left, right } = frame;
  const of = (value: number): number =>
    left + ((value - range.low) / (range.high - range.low)) * (right - left);
  return { range, of };
}

/** Legend entries in rows that fit a width. */
function legendRows(legend: readonly LegendEntry[], width: number): LegendEntry[][] {
  const rows: LegendEntry[][] = [];
  let used = Number.POSITIVE_INFINITY;
  for (const entry of legend) {
    const needs = entryWidth(entry);
    if (used + needs > width) {
      rows.push([]);
      used = 0;
    }
    rows.at(-1)!.push(entry);
    used += needs;
  }
  return rows;
}

function drawLegend(frame: Frame, legend: readonly LegendEntry[]): string[] {
  return legendRows(legend, frame.right - frame.left).flatMap((row, index) => {
    const y = 38 + index * ROW;
    let x = frame.left;
    return row.map((entry) => {
      const line = element('line', {
        x1: x,
        x2: x + 20,
        y1: y - 4,
        y2: y - 4,
        'stroke-width': 3,
        'stroke-dasharray': entry.dashed ? '5 4' : undefined,
        class: strokeClass(entry.series),
      });
      const label = text(entry.name, x + 26, y);
      x += entryWidth(entry);
      return line + label;
    });
  });
}

function entryWidth({ name }: LegendEntry): number {
  return 26 + textWidth(name, 12) + 18;
}
