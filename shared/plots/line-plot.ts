import { type AxisOptions, axisRange } from './axis.js';
import { drawFrame, drawNumberAxis, type Frame, layFrame, numberScale, type PlotSize } from './frame.js';
import { coordinate, element, type Picture } from './svg.js';
import { fillClass, strokeClass } from './theme.js';

/** One line. */
export interface LineSeries {
  readonly name: string;
  /** In the order they are joined; a point that is not finite breaks the line. */
  readonly points: readonly { readonly x: number; readonly y: number }[];
  /** Shade between low and high around the line. */
  readonly band?: readonly { readonly x: number; readonly low: number; readonly high: number }[];
  readonly dashed?: boolean;
  /** A dot at every point. Default: only where a point stands alone. */
  readonly dots?: boolean;
  /** Colour number. Default: the place in the list. */
  readonly colour?: number;
}

/** Lines over numbers. */
export interface LinePlotOptions extends PlotSize {
  readonly title: string;
  readonly x: AxisOptions;
  readonly y: AxisOptions;
  readonly series: readonly LineSeries[];
  /** Places that are marked with a vertical line and nothing else. */
  readonly marks?: readonly number[];
}

/** Draws lines with bands, axes and a legend (left out for a single line). */
export function linePlot(options: LinePlotOptions): Picture {
  const { series, title } = options;
  const legend = series.map(({ name, dashed, colour }, index) => ({
    name,
    series: colour ?? index,
    ...(dashed ? { dashed } : {}),
  }));
  const shown = series.length > 1 ? legend : [];
  const ys = series.flatMap(({ points, band = [] }) => [
    ...points.map(({ y }) => y),
    ...band.flatMap(({ low, high }) => [low, high]),
  ]);
  const frame = layFrame(options, axisRange(options.y, ys), shown);
  const xs = series.flatMap(({ points }) => points.map(({ x }) => x));
  const { range, of: xOf } = numberScale(frame, options.x, xs);
  const marks = (options.marks ?? []).map((x) =>
    element('line', {
      class: 'axis',
      'stroke-dasharray': '2 4',
      x1: xOf(x),
      x2: xOf(x),
      y1: frame.top,
      y2: frame.bottom,
    }),
  );
  const body = [
    drawFrame(frame, title, options.y.label, shown),
    drawNumberAxis(frame, options.x.label, range, xOf),
    ...marks,
    ...series.map((line, index) => drawSeries(line, line.colour ?? index, frame, xOf)),
  ];
  return { width: frame.width, height: frame.height, title, body: body.join('') };
}

function drawSeries(line: LineSeries, colour: number, frame: Frame, xOf: (x: number) => number): string {
  const at = (x: number, y: number): string => `${coordinate(xOf(x))} ${coordinate(frame.yOf(y))}`;
  const drawn: string[] = [];
  const band = (line.band ?? []).filter(({ low, high }) => Number.isFinite(low) && Number.isFinite(high));
  if (band.length > 1) {
    const edge = [
      ...band.map(({ x, high }) => at(x, high)),
      ...[...band].reverse().map(({ x, low }) => at(x, low)),
    ];
    drawn.push(element('path', { class: `band ${fillClass(colour)}`, d: `M${edge.join('L')}Z` }));
  }
  for (const run of unbroken(line.points)) {
    if (run.length > 1)
      drawn.push(
        element('path', {
          class: `line ${strokeClass(colour)}`,
          d: `M${run.map(({ x, y }) => at(x, y)).join('L')}`,
          'stroke-dasharray': line.dashed ? '5 4' : undefined,
        }),
      );
    if (line.dots || run.length === 1)
      for (const { x, y } of run)
        drawn.push(element('circle', { cx: xOf(x), cy: frame.yOf(y), r: 3, class: fillClass(colour) }));
  }
  return drawn.join('');
}

/** Runs of finite points. */
function unbroken(points: LineSeries['points']): { x: number; y: number }[][] {
  const runs: { x: number; y: number }[][] = [[]];
  for (const point of points) {
    if (Number.isFinite(point.x) && Number.isFinite(point.y)) runs.at(-1)!.push(point);
    else if (runs.at(-1)!.length > 0) runs.push([]);
  }
  return runs.filter((run) => run.length > 0);
}
