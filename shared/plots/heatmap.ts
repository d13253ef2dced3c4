import { rangeOf } from './axis.js';
import { element, type Picture, text, textWidth } from './svg.js';

/** A table of numbers in colours. */
export interface HeatmapOptions {
  readonly title: string;
  /** What the rows and the columns are. */
  readonly rowLabel: string;
  readonly columnLabel: string;
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  /** By row and column; NaN = empty. */
  readonly values: readonly (readonly number[])[];
  /** `sequential`: from little to much; `diverging`: blue below 0, red above, white at 0. Default sequential. */
  readonly colours?: 'sequential' | 'diverging';
  /** What the palest and the darkest colour mean. Default: the values' own range; for diverging, ± the largest. */
  readonly low?: number;
  readonly high?: number;
  /** The text in each cell. Default: the value with two decimals. */
  readonly labels?: readonly (readonly string[])[];
}

type Colour = readonly [number, number, number];

/** Stops from little to much: pale to dark, so that print keeps the order. */
const SEQUENTIAL: readonly Colour[] = [
  [247, 251, 255],
  [198, 219, 239],
  [107, 174, 214],
  [33, 113, 181],
  [8, 48, 107],
];
const DIVERGING: readonly Colour[] = [
  [33, 102, 172],
  [146, 197, 222],
  [247, 247, 247],
  [244, 165, 130],
  [178, 24, 43],
];
const CELL = { width: 76, height: 34 };

/** Draws a table with a coloured cell and its number for each value, and names at the left and above. */
export function heatmap(options: HeatmapOptions): Picture {
  const { title, rows, columns, values, labels } = options;
  const colourOf = colourScale(options);
  const left = Math.ceil(30 + Math.max(0, ...rows.map((name) => textWidth(name, 12))));
  const tilt = Math.max(0, ...columns.map((name) => textWidth(name, 12)));
  const tilted = tilt > CELL.width - 8;
  const top = 58 + (tilted ? Math.ceil(tilt * 0.5) : 0);
  const xOf = (column: number): number => left + column * CELL.width;
  const yOf = (row: number): number => top + row * CELL.height;
  const names = [
    ...rows.map((name, row) => text(name, left - 8, yOf(row) + 21, { 'text-anchor': 'end' })),
    ...columns.map((name, column) => columnName(name, xOf(column) + CELL.width / 2, top - 8, tilted)),
  ];
  const cells = values.flatMap((own, row) =>
    own.map((value, column) =>
      Number.isFinite(value)
        ? drawCell(
            xOf(column),
            yOf(row),
            colourOf(value),
            labels?.[row]?.[column] ?? value.toFixed(2).replace('-', '−'),
          )
        : '',
    ),
  );
  const height = yOf(rows.length) + 30;
  const middle = (top + yOf(rows.length)) / 2;
  const body = [
    text(title, 14, 20, { class: 'title' }),
    ...names,
    ...cells,
    text(options.columnLabel, xOf(columns.length / 2), height - 8, { 'text-anchor': 'middle' }),
    text(options.rowLabel, 14, middle, {
      'text-anchor': 'middle',
      transform: `rotate(-90 14 ${Math.round(middle)})`,
    }),
  ];
  const spare = tilted ? tilt * 0.87 : 0;
  const width = Math.ceil(Math.max(xOf(columns.length) + 18 + spare, 28 + textWidth(title, 14.5)));
  return { width, height, title, body: body.join('') };
}

function columnName(name: string, x: number, y: number, tilted: boolean): string {
  if (!tilted) return text(name, x, y, { 'text-anchor': 'middle' });
  return text(name, x, y, { transform: `rotate(-30 ${Math.round(x)} ${Math.round(y)})` });
}

function drawCell(x: number, y: number, colour: Colour, content: string): string {
  const fill = `rgb(${colour.join(',')})`;
  // Relative luminance of sRGB decides whether black or white is readable on it.
  const bright =
    colour.reduce((sum, part, i) => sum + (part / 255) ** 2.2 * [0.2126, 0.7152, 0.0722][i]!, 0) > 0.35;
  const cell = element('rect', {
    x,
    y,
    width: CELL.width - 2,
    height: CELL.height - 2,
    fill,
  });
  const ink = { 'text-anchor': 'middle', class: bright ? 'dark' : 'pale' };
  return cell + text(content, x + CELL.width / 2 - 1, y + 21, ink);
}

/** The colour of each value; the same for all that lie beyond an end. */
function colourScale({
  values,
  colours = 'sequential',
  low,
  high,
}: HeatmapOptions): (value: number) => Colour {
  const range = rangeOf(values.flat());
  const far = Math.max(Math.abs(low ?? range.low), Math.abs(high ?? range.high));
  const [from, to] = colours === 'diverging' ? [-far, far] : [low ?? range.low, high ?? range.high];
  const stops = colours === 'diverging' ? DIVERGING : SEQUENTIAL;
  return (value) => {
    const at = Math.max(0, Math.min(1, (value - from) / (to - from || 1))) * (stops.length - 1);
    const below = Math.min(Math.floor(at), stops.length - 2);
    const mix = (i: 0 | 1 | 2): number =>
      Math.round(stops[below]![i] + (at - below) * (stops[below + 1]![i] - stops[below]![i]));
    return [mix(0), mix(1), mix(2)];
  };
}
