import type { TemplateBudget } from './budget.js';
import type { TemplateValue } from './library.js';

/** Operations whose result can be the product of their inputs; all others give about as much as they take. */
export type GrowingOperation = 'replace' | 'join' | 'indent' | 'tojson' | 'split';

/** Deepest indentation of `tojson`; people use 2 or 4. */
const JSON_INDENT_MAX = 16;

/** Whether a filter or method is one of the growing operations. */
export function isGrowing(name: unknown): name is GrowingOperation {
  return typeof name === 'string' && Object.hasOwn(RESULT_WEIGHT, name);
}

/** Refuses a growing operation before it is done, by the size that its result will have. Throws TEMPLATE_FAILED. */
export function checkGrowth(
  name: GrowingOperation,
  operand: TemplateValue,
  args: readonly TemplateValue[],
  budget: TemplateBudget,
): void {
  budget.allow(RESULT_WEIGHT[name](operand, args.flatMap(flatten), budget));
}

const RESULT_WEIGHT: Readonly<
  Record<GrowingOperation, (operand: TemplateValue, args: TemplateValue[], budget: TemplateBudget) => number>
> = {
  replace(operand, args) {
    const [old, replacement] = textsOf(args);
    const text = textOf(operand);
    if (old === undefined || replacement === undefined) return 0;
    return text.length + count(text, old) * replacement.length;
  },
  join(operand, args, budget) {
    const separator = textsOf(args)[0] ?? '';
    const list = operand.value;
    const gaps = Array.isArray(list) ? list.length : textOf(operand).length;
    return budget.weigh(operand) + gaps * separator.length;
  },
  indent(operand, args) {
    const width = numbersOf(args)[0] ?? 4;
    const text = textOf(operand);
    return text.length + (count(text, '\n') + 1) * Math.max(0, width);
  },
  tojson(operand, args, budget) {
    const indent = Math.max(0, ...numbersOf(args));
    if (indent > JSON_INDENT_MAX)
      throw new Error(`tojson indents by at most ${JSON_INDENT_MAX}, not ${indent}`);
    const separators = textsOf(args).reduce((sum, { length }) => sum + length, 0);
    // A member weighs at least 16, so there are at most a sixteenth as many separators.
    return budget.weigh(operand) * (1 + separators / 16);
  },
  split(operand, args) {
    const text = textOf(operand);
    const [separator] = textsOf(args);
    const parts = 1 + (separator === undefined ? countSpaces(text) : count(text, separator));
    return text.length + 16 * parts;
  },
};

/** Lists and keyword arguments count as their members. */
function flatten(value: TemplateValue): TemplateValue[] {
  if (value.value instanceof Map) return [...value.value.values()].flatMap(flatten);
  return Array.isArray(value.value) ? (value.value as TemplateValue[]) : [value];
}

function textOf({ value }: TemplateValue): string {
  return typeof value === 'string' ? value : '';
}

function textsOf(args: readonly TemplateValue[]): string[] {
  return args.flatMap(({ value }) => (typeof value === 'string' ? [value] : []));
}

function numbersOf(args: readonly TemplateValue[]): number[] {
  return args.flatMap(({ value }) => (typeof value === 'number' ? [value] : []));
}

function count(text: string, part: string): number {
  if (part === '') return text.length + 1;
  let found = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) found++;
  return found;
}

function countSpaces(text: string): number {
  let found = 0;
  for (const _ of text.matchAll(/\s+/g)) found++;
  return found;
}
