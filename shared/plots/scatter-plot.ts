import { type AxisOptions, axisRange } from './axis.js';
import { drawFrame, drawNumberAxis, layFrame, numberScale, type PlotSize } from './frame.js';
import { element, type Picture, text } from './svg.js';
import { fillClass } from './theme.js';

/** Points that belong together. */
export interface ScatterSeries {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number; readonly label?: string }[];
}

/** Points over numbers. */
export interface ScatterPlotOptions extends PlotSize {
  readonly title: string;
  readonly x: AxisOptions;
  readonly y: AxisOptions;
  readonly series: readonly ScatterSeries[];
}

/** Draws points, each with its label beside it if it has one. Points that are not finite are left out. */
export function scatterPlot(options: ScatterPlotOptions): Picture {
  const { series, title } = options;
  const legend = series.length > 1 ? series.map(({ name }, index) => ({ name, series: index })) : [];
  const all = series.flatMap(({ points }) => points);
  const frame = layFrame(
    options,
    axisRange(
      options.y,
      all.map(({ y }) => y),
    ),
    legend,
  );
  const { range, of: xOf } = numberScale(
    frame,
    options.x,
    all.map(({ x }) => x),
  );
  const dots = series.flatMap(({ points }, index) =>
    points
      .filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y))
      .map(({ x, y, label }) => {
        const [cx, cy] = [xOf(x), frame.yOf(y)];
        const dot = element('circle', { cx, cy, r: 4, class: fillClass(index) });
        return label === undefined ? dot : dot + text(label, cx + 7, cy + 4);
      }),
  );
  const axes =
    drawFrame(frame, title, options.y.label, legend) + drawNumberAxis(frame, options.x.label, range, xOf);
  return { width: frame.width, height: frame.height, title, body: axes + dots.join('') };
}
