import { ZmeshError } from '#shared/errors.js';
import type { TemplateValue } from './library.js';

/** What a template may use. Chosen by judgement; tests hold that 4096 messages fit. */
export interface TemplateLimits {
  /** Expressions evaluated and values weighed. */
  readonly steps: number;
  /** Weight of one value: characters, and 16 for every element of a list or mapping. */
  readonly valueWeight: number;
  /** Weight of all values that are made. */
  readonly totalWeight: number;
}

/** Nesting of lists and mappings; real conversations nest three deep. */
const DEPTH_MAX = 64;
/** What an element takes beside its characters. */
const ELEMENT_WEIGHT = 16;
/** What a number or another small value weighs. */
const SCALAR_WEIGHT = 8;

/** The limits for a conversation of so many characters. Text that the template adds may be 1 Mi, whatever the conversation. */
export function limitsFor(characters: number): TemplateLimits {
  const valueWeight = 1_048_576 + 4 * characters;
  return { steps: 2_000_000, valueWeight, totalWeight: 64 * valueWeight };
}

/** Counts what one rendering uses. Every method throws TEMPLATE_FAILED, with limit and value, when a limit is crossed. */
export class TemplateBudget {
  readonly limits: TemplateLimits;
  #steps = 0;
  #made = 0;
  readonly #weights = new WeakMap<object, number>();
  #changeable = false;

  constructor(limits: TemplateLimits) {
    this.limits = limits;
  }

  /** Counts one step. */
  step(): void {
    if (++this.#steps > this.limits.steps) this.#refuse('takes more steps', this.limits.steps, this.#steps);
  }

  /** Counts a value that an expression gave; `share`: how much of it is new, 0 for a value that is only read. */
  take(value: TemplateValue, share: number): void {
    this.#made += this.weigh(value) * share;
    if (this.#made > this.limits.totalWeight)
      this.#refuse('makes more text', this.limits.totalWeight, Math.ceil(this.#made));
  }

  /** Characters (and elements) of a value, as often as they would be printed. */
  weigh(value: TemplateValue): number {
    this.#changeable = false;
    return this.#weigh(value, 0);
  }

  /** Refuses a value before it is made. */
  allow(weight: number): void {
    if (weight > this.limits.valueWeight)
      this.#refuse('makes a larger value', this.limits.valueWeight, weight);
  }

  #weigh(value: TemplateValue, depth: number): number {
    if (value.type === 'StringValue') {
      const { length } = value.value as string;
      this.allow(length);
      return length;
    }
    const content = value.value;
    if (!Array.isArray(content) && !(content instanceof Map)) return SCALAR_WEIGHT;
    const known = this.#weights.get(value);
    if (known !== undefined) return known;
    if (depth >= DEPTH_MAX) this.#refuse('nests values deeper', DEPTH_MAX, depth + 1);
    return this.#weighMembers(value, content, depth);
  }

  #weighMembers(
    value: object & TemplateValue,
    content: unknown[] | Map<string, unknown>,
    depth: number,
  ): number {
    const before = this.#changeable;
    // A namespace can be written to later, so neither it nor what holds it keeps its weight.
    this.#changeable = value.type === 'NamespaceValue';
    let weight = 0;
    for (const [key, member] of content.entries()) {
      this.step();
      weight += ELEMENT_WEIGHT + (typeof key === 'string' ? key.length : 0);
      weight += this.#weigh(member as TemplateValue, depth + 1);
      this.allow(weight);
    }
    if (!this.#changeable) this.#weights.set(value, weight);
    this.#changeable ||= before;
    return weight;
  }

  #refuse(what: string, limit: number, value: number): never {
    const message = `the chat template ${what} than it may: the limit is ${limit}, it came to ${value}`;
    throw new ZmeshError('TEMPLATE_FAILED', message, { limit, value });
  }
}
