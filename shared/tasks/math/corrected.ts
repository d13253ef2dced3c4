import { lastBoxed } from './boxed.js';
import { latexNumber } from './latex-number.js';
import { isClose, officialNormal } from './official.js';

/** Two ways of writing one constant agree to this; a rounded decimal is not the number that it was rounded from. */
const RELATIVE = 1e-9;

/** What an answer says at its end: the last box, else what follows the last "answer is", to the end of its line or sentence. */
export function correctedAnswer(completion: string): string | undefined {
  const boxed = lastBoxed(completion);
  if (boxed !== undefined) return boxed;
  const said = [...completion.matchAll(/[aA]nswer is:?\s*([^\n]+)/g)].at(-1)?.[1];
  return said?.split(/\.(?:\s|$)/)[0]?.trim() || undefined;
}

/**
 * True if both are one text after normalising, constants of one value, or lists in the same brackets whose elements agree
 * in their order. Brackets tell open from closed intervals, 50 is not 0.5, and a missing answer equals nothing.
 */
export function correctedEqual(gold: string, found: string): boolean {
  const [a, b] = [correctedNormal(gold), correctedNormal(found)];
  if (a === '' || b === '') return false;
  if (a === b) return true;
  const [x, y] = [latexNumber(a), latexNumber(b)];
  if (x !== undefined && y !== undefined) return isClose(x, y, RELATIVE);
  const [p, q] = [elements(a), elements(b)];
  if (p.length !== q.length || p.length < 2 || a[0] !== b[0] || a.at(-1) !== b.at(-1))
    return bare(a) === bare(b);
  return p.every((part, i) => correctedEqual(part, q[i]!));
}

/** The published normalising, after what it forgets: dollars around, `\text{…}`, small spaces, separators of thousands. */
export function correctedNormal(text: string): string {
  const plain = text
    .trim()
    .replace(/^\$+|\$+$/g, '')
    .replace(/\\(?:text|mbox|mathrm|textbf|mathbf)\{([^{}]*)\}/g, (_, inner: string) =>
      inner.startsWith(' ') ? '' : inner,
    )
    .replaceAll(',\\!', '')
    .replace(/\\[,;: ]|~|\\quad/g, '')
    .replace(/−/g, '-')
    .replace(/[.\s]+$/, '');
  const normal = officialNormal(plain) ?? plain;
  return normal.replace(/^\$+|\$+$/g, '').replaceAll(' ', '');
}

/** The parts of a list in brackets, split at commas outside of inner brackets; the whole where there are no brackets. */
function elements(text: string): string[] {
  const inner = /^(?:\\\{|[[(])(.*?)(?:\\\}|[\])])$/s.exec(text)?.[1];
  if (inner === undefined) return [text];
  const parts: string[] = [''];
  let depth = 0;
  for (const character of inner) {
    if ('([{'.includes(character)) depth++;
    if (')]}'.includes(character)) depth--;
    if (character === ',' && depth === 0) parts.push('');
    else parts[parts.length - 1] += character;
  }
  return parts;
}

/** Braces group and do not show. */
function bare(text: string): string {
  return text.replace(/[{}]/g, '');
}
