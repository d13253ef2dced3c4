import type { TemplateBudget } from './budget.js';
import { Environment, type TemplateScope } from './library.js';

/** What an element of a list weighs, as in the budget. */
const ELEMENT_WEIGHT = 24;

/**
 * The names that every chat template may use: those of the library's `Template`, with a `range` that is refused before a
 * list is made. Nothing else of JavaScript can be reached: values of the interpreter are looked up in Maps alone.
 */
export function templateGlobals(
  variables: Readonly<Record<string, unknown>>,
  budget: TemplateBudget,
): TemplateScope {
  const environment = new Environment();
  const globals = {
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    raise_exception: (text: unknown): never => {
      throw new Error(String(text));
    },
    range: (first: unknown, second?: unknown, step: unknown = 1) => range(first, second, step, budget),
    strftime_now: (format: unknown) => strftime(new Date(), String(format)),
    ...variables,
  };
  for (const [name, value] of Object.entries(globals)) environment.set(name, value);
  return environment;
}

function range(first: unknown, second: unknown, step: unknown, budget: TemplateBudget): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  if (![start, stop, step].every(Number.isSafeInteger)) throw new Error('range() takes whole numbers');
  if (step === 0) throw new Error('range() step must not be zero');
  const [from, to, by] = [Number(start), Number(stop), Number(step)];
  const length = Math.max(0, Math.ceil((to - from) / by));
  budget.allow(length * ELEMENT_WEIGHT);
  return Array.from({ length }, (_, index) => from + index * by);
}

/** Python's strftime for the fields that the library knows; others stay as they are. Names of months are English. */
function strftime(date: Date, format: string): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const month = (style: 'long' | 'short'): string => date.toLocaleString('en-US', { month: style });
  const fields: Readonly<Record<string, () => string>> = {
    Y: () => String(date.getFullYear()),
    m: () => two(date.getMonth() + 1),
    d: () => two(date.getDate()),
    b: () => month('short'),
    B: () => month('long'),
    H: () => two(date.getHours()),
    M: () => two(date.getMinutes()),
    '%': () => '%',
  };
  return format.replace(/%([YmdbBHM%])/g, (_, field: string) => fields[field]!());
}
