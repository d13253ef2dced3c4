import { element, escapeXml, type Picture } from './svg.js';

/** Colours of series, in order, for a light and a dark page; told apart with the common colour blindnesses too (after Okabe and Ito 2008). */
const SERIES: readonly (readonly [light: string, dark: string])[] = [
  ['#0072b2', '#56b4e9'],
  ['#d55e00', '#ff8c42'],
  ['#009e73', '#34d399'],
  ['#aa4499', '#e599d5'],
  ['#b8860b', '#f0c419'],
  ['#555555', '#bbbbbb'],
  ['#332288', '#a5a1ff'],
  ['#882255', '#ff7eb6'],
];

/** Number of series that look different. */
export const SERIES_MAX = SERIES.length;

/** Plain classes and no CSS variables: converters to PNG and PDF know nothing else. */
const colours = (index: 0 | 1, back: string, ink: string, faint: string): string =>
  [
    `text{fill:${ink}}`,
    `.back{fill:${back}}`,
    `.grid{stroke:${faint}}`,
    `.axis,.whisker{stroke:${ink}}`,
    ...SERIES.map((pair, i) => `.stroke${i}{stroke:${pair[index]}}.fill${i}{fill:${pair[index]}}`),
  ].join('');

const STYLE = [
  'text{font:12px system-ui,sans-serif}',
  '.title{font-size:14px;font-weight:600}',
  '.axis,.line{fill:none}',
  '.line{stroke-width:2;stroke-linejoin:round}',
  '.band{stroke:none;opacity:.2}',
  '.dark{fill:#111}.pale{fill:#fff}',
  colours(0, '#ffffff', '#1f2328', '#d8dde3'),
  `@media (prefers-color-scheme:dark){${colours(1, '#0d1117', '#e6edf3', '#30363d')}.dark{fill:#111}.pale{fill:#fff}}`,
].join('');

/** The class that fills with a series' colour. */
export function fillClass(series: number): string {
  return `fill${series % SERIES_MAX}`;
}

/** The class that strokes with a series' colour. */
export function strokeClass(series: number): string {
  return `stroke${series % SERIES_MAX}`;
}

/** A picture as an SVG file, readable on light and dark pages. Equal pictures give equal bytes. Ends with a line break. */
export function renderSvg({ width, height, title, body }: Picture): string {
  const size = { width, height, viewBox: `0 0 ${width} ${height}` };
  const head = `<title>${escapeXml(title)}</title><style>${STYLE}</style>`;
  const back = element('rect', { class: 'back', width, height });
  return `${element('svg', { xmlns: 'http://www.w3.org/2000/svg', ...size, role: 'img' }, head + back + body)}\n`;
}
