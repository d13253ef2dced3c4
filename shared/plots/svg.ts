/** Attributes of an element; undefined ones are left out. */
export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** A drawing of its own size, to be placed in another or written to a file. */
export interface Picture {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** What it says, for those who cannot see it. */
  readonly title: string;
  /** SVG elements. */
  readonly body: string;
}

/** An SVG element. Children are markup; text belongs through `text`. */
export function element(
  name: string,
  attributes: Attributes,
  children: string | readonly string[] = '',
): string {
  const inside = typeof children === 'string' ? children : children.join('');
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(
      ([key, value]) =>
        ` ${key}="${typeof value === 'number' ? coordinate(value) : escapeXml(String(value))}"`,
    )
    .join('');
  return inside === '' ? `<${name}${written}/>` : `<${name}${written}>${inside}</${name}>`;
}

/** A line of text at a point. */
export function text(content: string, x: number, y: number, attributes: Attributes = {}): string {
  return element('text', { x, y, ...attributes }, escapeXml(content));
}

/** A number as SVG has it: at most two decimals, no exponent, the same bytes on every machine. */
export function coordinate(value: number): string {
  const rounded = Math.round(value * 100) / 100;
  return String(Object.is(rounded, -0) ? 0 : rounded);
}

/** Text that is safe inside markup and attributes; characters that XML forbids become U+FFFD. */
export function escapeXml(content: string): string {
  return (
    content
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones that XML 1.0 forbids.
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu, '\ufffd')
      .replace(/&/g, '&amp;')
      .replace(/</g, '&lt;')
      .replace(/>/g, '&gt;')
      .replace(/"/g, '&quot;')
  );
}

/** About how wide a text is at a font size, pixels: the page's fonts are not ours to measure. */
export function textWidth(content: string, size: number): number {
  return [...content].length * size * 0.58;
}

/** Pictures one under the other. */
export function stack(title: string, pictures: readonly Picture[]): Picture {
  let height = 0;
  const placed = pictures.map((picture) => {
    const group = element('g', { transform: `translate(0 ${coordinate(height)})` }, picture.body);
    height += picture.height;
    return group;
  });
  return { title, width: Math.max(...pictures.map(({ width }) => width)), height, body: placed.join('') };
}
