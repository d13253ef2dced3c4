import { type AxisOptions, axisRange } from './axis.js';
import { drawFrame, type Frame, layFrame, type PlotSize } from './frame.js';
import { element, type Picture, text } from './svg.js';
import { fillClass } from './theme.js';

/** A bar's value, with its interval if it has one. NaN = no bar. */
export interface Bar {
  readonly value: number;
  readonly low?: number;
  readonly high?: number;
}

/** Groups of bars side by side. */
export interface BarPlotOptions extends PlotSize {
  readonly title: string;
  readonly y: AxisOptions;
  /** Names of the groups, from left to right. */
  readonly groups: readonly string[];
  /** One bar a group each, in the order of the groups. */
  readonly series: readonly { readonly name: string; readonly bars: readonly Bar[] }[];
}

/** Draws bars from 0, with whiskers for intervals. */
export function barPlot(options: BarPlotOptions): Picture {
  const { series, title, groups } = options;
  const legend = series.length > 1 ? series.map(({ name }, index) => ({ name, series: index })) : [];
  const values = series.flatMap(({ bars }) =>
    bars.flatMap(({ value, low, high }) => [value, low ?? value, high ?? value]),
  );
  const frame = layFrame(options, axisRange(withZero(options.y, values), [0, ...values]), legend);
  const room = (frame.right - frame.left) / Math.max(1, groups.length);
  const width = Math.min(48, (room * 0.8) / Math.max(1, series.length));
  const centre = (group: number): number => frame.left + room * (group + 0.5);
  const names = groups.map((name, group) =>
    text(name, centre(group), frame.bottom + 18, { 'text-anchor': 'middle' }),
  );
  const bars = series.flatMap(({ bars: own }, index) =>
    own.map((bar, group) =>
      drawBar(frame, bar, centre(group) + (index - series.length / 2) * width, width, index),
    ),
  );
  const body = drawFrame(frame, title, options.y.label, legend) + names.join('') + bars.join('');
  return { width: frame.width, height: frame.height, title, body };
}

/** Bars stand on 0: an axis that does not say otherwise ends there. */
function withZero(y: AxisOptions, values: readonly number[]): AxisOptions {
  const finite = values.filter(Number.isFinite);
  return {
    ...y,
    ...(y.low === undefined && finite.every((value) => value >= 0) ? { low: 0 } : {}),
    ...(y.high === undefined && finite.every((value) => value <= 0) ? { high: 0 } : {}),
  };
}

function drawBar(frame: Frame, { value, low, high }: Bar, x: number, width: number, series: number): string {
  if (!Number.isFinite(value)) return '';
  const [zero, end] = [frame.yOf(Math.max(frame.y.low, Math.min(frame.y.high, 0))), frame.yOf(value)];
  const bar = element('rect', {
    x: x + 1,
    y: Math.min(zero, end),
    width: width - 2,
    height: Math.abs(zero - end),
    class: fillClass(series),
  });
  if (low === undefined || high === undefined) return bar;
  return bar + drawWhisker(x + width / 2, frame.yOf(low), frame.yOf(high));
}

function drawWhisker(x: number, low: number, high: number): string {
  const line = (x1: number, y1: number, x2: number, y2: number): string =>
    element('line', { class: 'whisker', x1, y1, x2, y2 });
  return line(x, low, x, high) + line(x - 4, low, x + 4, low) + line(x - 4, high, x + 4, high);
}
