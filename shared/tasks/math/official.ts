import { officialLastBoxed } from './boxed.js';
import { latexNumber } from './latex-number.js';

/**
 * Extraction and comparison of MATH answers as the published code of Transformer² does (`evaluation/fishfarm`,
 * `competation_math.py`), rule by rule and in its order, except for its last step: it lets sympy simplify the difference of
 * two expressions; here only expressions without variables are compared, by value, at its tolerance of 1e-3.
 */
export function officialAnswer(completion: string): string | undefined {
  const parts = completion.split('The answer is: ');
  if (parts.length < 2) return officialLastBoxed(completion);
  const sentence = parts.at(-1)!.split('.\n')[0]!.trim();
  return (sentence.endsWith('.') ? sentence.slice(0, -1) : sentence).trim();
}

/** True if the published code takes both for the same; two missing answers are. */
export function officialEqual(gold: string | undefined, found: string | undefined): boolean {
  if (gold === undefined || found === undefined) return gold === found;
  const [a, b] = [officialNormal(gold), officialNormal(found)];
  // Where normalising fails there, the texts are compared as they are.
  if (a === undefined || b === undefined) return sameMath(gold, found) || gold === found;
  return sameMath(a, b) || a === b;
}

/** The published `_strip_string`; undefined where it raises. */
export function officialNormal(text: string): string | undefined {
  let string = text
    .replaceAll('\n', '')
    .replaceAll('\\!', '')
    .replaceAll('\\\\', '\\')
    .replaceAll('tfrac', 'frac')
    .replaceAll('dfrac', 'frac')
    .replaceAll('\\left', '')
    .replaceAll('\\right', '')
    .replaceAll('^{\\circ}', '')
    .replaceAll('^\\circ', '')
    .replaceAll('\\$', '');
  const beforeUnits = string.split('\\text{ ');
  if (beforeUnits.length > 2) return undefined;
  string = beforeUnits[0]!.replaceAll('\\%', '').replaceAll(' .', ' 0.').replaceAll('{.', '{0.');
  if (string === '') return string;
  if (string.startsWith('.')) string = `0${string}`;
  const sides = string.split('=');
  if (sides.length === 2 && sides[0]!.length <= 2) string = sides[1]!;
  const rooted = bracedRoots(string);
  const fractions = rooted === undefined ? undefined : bracedFractions(rooted.replaceAll(' ', ''));
  if (fractions === undefined) return undefined;
  if (fractions === '0.5') return '\\frac{1}{2}';
  const [, a, b] = /^(-?(?:0|[1-9]\d*))\/(-?(?:0|[1-9]\d*))$/.exec(fractions) ?? [];
  return a !== undefined && a !== '-0' && b !== '-0' ? `\\frac{${a}}{${b}}` : fractions;
}

/** `\sqrt3` → `\sqrt{3}`. */
function bracedRoots(string: string): string | undefined {
  const [first = '', ...rest] = string.split('\\sqrt');
  if (rest.includes('')) return undefined;
  return (
    first +
    rest
      .map((part) => (part.startsWith('{') ? `\\sqrt${part}` : `\\sqrt{${part[0]}}${part.slice(1)}`))
      .join('')
  );
}

/** `\frac12` → `\frac{1}{2}`, `\frac1{72}` → `\frac{1}{72}`. */
function bracedFractions(string: string): string | undefined {
  const [first = '', ...rest] = string.split('\\frac');
  let braced = first;
  for (const part of rest) {
    if (part === '') return undefined;
    if (part.startsWith('{')) braced += `\\frac${part}`;
    else if (part.length < 2) return string;
    else if (part[1] === '{') braced += `\\frac{${part[0]}}${part.slice(1)}`;
    else braced += `\\frac{${part[0]}}{${part[1]}}${part.slice(2)}`;
  }
  return braced;
}

/** The published `math_equal`, percentages included: x equals x/100 and 100x. */
function sameMath(gold: string, found: string): boolean {
  const [x, y] = [pythonFloat(gold), pythonFloat(found)];
  if (x !== undefined && y !== undefined)
    return [y / 100, y, y * 100].some((candidate) => isClose(candidate, x, 1e-4));
  if (gold === '') return false;
  const [a, b] = [gold.trim(), found.trim()];
  if (sameWithoutBrackets(a, b) || sameTuple(a, b)) return true;
  const [u, v] = [latexNumber(a), latexNumber(b)];
  // There π is a symbol without a value: only what simplifies to the same is equal.
  const relative = /\\pi/.test(a + b) ? 1e-9 : 1e-3;
  return u !== undefined && v !== undefined && isClose(u, v, relative);
}

/** All brackets are dropped: those around only where the gold is bracketed and the other does not open with another kind. */
function sameWithoutBrackets(gold: string, found: string): boolean {
  const outer =
    (gold.startsWith('[') && gold.endsWith(']') && !found.startsWith('(')) ||
    (gold.startsWith('(') && gold.endsWith(')') && !found.startsWith('['));
  const bare = (text: string): string =>
    (outer ? text.replace(/^[[\]()]+|[[\]()]+$/g, '') : text).replace(/[{}()]/g, '');
  return bare(gold) === bare(found);
}

function sameTuple(a: string, b: string): boolean {
  const wrapped = (text: string, open: string, close: string) =>
    text.startsWith(open) && text.endsWith(close);
  const both = (open: string, close: string) => wrapped(a, open, close) && wrapped(b, open, close);
  if (!both('[', ']') && !both('(', ')')) return false;
  const [p, q] = [a.slice(1, -1).split(','), b.slice(1, -1).split(',')];
  return p.length === q.length && p.every((part, i) => sameMath(part, q[i]!));
}

/** What Python's `float` makes of a text without commas; undefined where it raises. */
function pythonFloat(text: string): number | undefined {
  const plain = text.replaceAll(',', '').trim();
  return /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/.test(plain) ? Number(plain) : undefined;
}

/** Python's `math.isclose` with an absolute tolerance of 0. */
export function isClose(a: number, b: number, relative: number): boolean {
  return a === b || Math.abs(a - b) <= relative * Math.max(Math.abs(a), Math.abs(b));
}
