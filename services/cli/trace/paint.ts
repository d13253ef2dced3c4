/** Colours of the terminal that traces use. */
export type Colour = 'red' | 'green' | 'yellow' | 'magenta' | 'cyan' | 'dim' | 'bold';

const CODES: Readonly<Record<Colour, number>> = {
  bold: 1,
  dim: 2,
  red: 31,
  green: 32,
  yellow: 33,
  magenta: 35,
  cyan: 36,
};

/** Puts text into a colour, or leaves it alone. */
export type Paint = (text: string, colour: Colour | undefined) => string;

/** A painter; with `colour` false it changes nothing. */
export function painter(colour: boolean): Paint {
  return (text, name) => (colour && name && text !== '' ? `\x1b[${CODES[name]}m${text}\x1b[0m` : text);
}

/** Exactly `width` cells: padded with blanks, or cut with an ellipsis. One character counts as one cell. */
export function fit(text: string, width: number): string {
  const characters = [...text];
  if (characters.length <= width) return text + ' '.repeat(width - characters.length);
  return width <= 0 ? '' : `${characters.slice(0, width - 1).join('')}…`;
}

/** Cells of a text. */
export function cells(text: string): number {
  return [...text].length;
}
