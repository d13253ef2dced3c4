/** Longest expression that is evaluated, characters; answers are model's text and recursion follows its brackets. */
const LENGTH_MAX = 400;

/** Where reading stands. */
interface Cursor {
  readonly text: string;
  at: number;
}

/**
 * The value of a constant LaTeX expression as a float: numbers, + − * / ^, `\frac`, `\sqrt` (also `\sqrt[n]`), `\pi`,
 * `\cdot`, `\times`, `\div`, brackets, products without a sign between a number and `\sqrt`, `\pi` or a bracket. Undefined
 * for all else: variables, functions, a number right before `\frac` (a mixed number for some, a product for others), or a
 * value that is not finite.
 */
export function latexNumber(text: string): number | undefined {
  if (text.length > LENGTH_MAX) return undefined;
  const cursor: Cursor = { text: text.replace(/\s|\\[,;!: ]|\\left|\\right/g, ''), at: 0 };
  const value = sum(cursor);
  return cursor.at === cursor.text.length && Number.isFinite(value) ? value : undefined;
}

/** NaN stands for "cannot be read" on the way up: it survives all arithmetic. */
function sum(cursor: Cursor): number {
  let value = product(cursor);
  for (;;) {
    if (take(cursor, '+')) value += product(cursor);
    else if (take(cursor, '-')) value -= product(cursor);
    else return value;
  }
}

function product(cursor: Cursor): number {
  let value = signed(cursor);
  for (;;) {
    if (take(cursor, '*') || take(cursor, '\\cdot') || take(cursor, '\\times')) value *= signed(cursor);
    else if (take(cursor, '/') || take(cursor, '\\div')) value /= signed(cursor);
    else if (/^(\\sqrt|\\pi|\()/.test(cursor.text.slice(cursor.at, cursor.at + 5))) value *= power(cursor);
    else return value;
  }
}

function signed(cursor: Cursor): number {
  if (take(cursor, '-')) return -signed(cursor);
  if (take(cursor, '+')) return signed(cursor);
  return power(cursor);
}

function power(cursor: Cursor): number {
  const base = atom(cursor);
  if (!take(cursor, '^')) return base;
  if (take(cursor, '{')) return base ** closed(cursor, '}');
  // Without braces TeX raises to one character alone.
  const digit = cursor.text[cursor.at++];
  return digit !== undefined && /\d/.test(digit) ? base ** Number(digit) : Number.NaN;
}

function atom(cursor: Cursor): number {
  if (take(cursor, '(')) return closed(cursor, ')');
  if (take(cursor, '{')) return closed(cursor, '}');
  if (take(cursor, '\\pi')) return Math.PI;
  if (take(cursor, '\\frac') || take(cursor, '\\dfrac') || take(cursor, '\\tfrac'))
    return argument(cursor) / argument(cursor);
  if (take(cursor, '\\sqrt')) {
    const degree = take(cursor, '[') ? closed(cursor, ']') : 2;
    const radicand = argument(cursor);
    return degree === 2 ? Math.sqrt(radicand) : degree === 3 ? Math.cbrt(radicand) : radicand ** (1 / degree);
  }
  const [digits] = /^(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)?(?:\.\d+)?/.exec(cursor.text.slice(cursor.at)) ?? [''];
  cursor.at += digits.length;
  return digits === '' || cursor.text.startsWith('\\frac', cursor.at)
    ? Number.NaN
    : Number(digits.replaceAll(',', ''));
}

/** What a command takes: braces, or one digit. */
function argument(cursor: Cursor): number {
  if (take(cursor, '{')) return closed(cursor, '}');
  const digit = cursor.text[cursor.at++];
  return digit !== undefined && /\d/.test(digit) ? Number(digit) : Number.NaN;
}

function closed(cursor: Cursor, end: string): number {
  const value = sum(cursor);
  return take(cursor, end) ? value : Number.NaN;
}

function take(cursor: Cursor, token: string): boolean {
  if (!cursor.text.startsWith(token, cursor.at)) return false;
  cursor.at += token.length;
  return true;
}
