import type { TemplateBudget } from './budget.js';
import { checkGrowth, type GrowingOperation, isGrowing } from './growth.js';
import { Interpreter, type TemplateNode, type TemplateScope, type TemplateValue } from './library.js';

type FunctionValue = TemplateValue & { value(args: TemplateValue[], scope: TemplateScope): TemplateValue };

/** The fields of the library's syntax tree that are looked at here; which are there depends on `type`. */
interface Fields extends TemplateNode {
  readonly value?: TemplateNode | string;
  readonly body?: TemplateNode[];
  readonly operand?: TemplateNode;
  readonly filter?: Fields & { readonly callee?: Fields; readonly args?: TemplateNode[] };
  readonly object?: TemplateNode;
  readonly property?: Fields;
  readonly argument?: TemplateNode;
}

/** A node whose value is known already, so that nothing is evaluated twice. */
class Known {
  readonly type = 'Known';
  readonly value: TemplateValue;

  constructor(value: TemplateValue) {
    this.value = value;
  }
}

/** Nodes that only read or store what is there. */
const READING: ReadonlySet<string> = new Set([
  'Identifier',
  'StringLiteral',
  'IntegerLiteral',
  'FloatLiteral',
  'Ternary',
  'SelectExpression',
  'Set',
  'Macro',
  'Comment',
]);

/**
 * The library's interpreter under a budget: every node is a step, every value is weighed, and what would grow by a product
 * is refused before it is made. It throws TEMPLATE_FAILED, or whatever the template's own faults are.
 */
export class BoundedInterpreter extends Interpreter {
  readonly #budget: TemplateBudget;

  constructor(scope: TemplateScope, budget: TemplateBudget) {
    super(scope);
    this.#budget = budget;
  }

  override evaluate(node: TemplateNode | undefined, scope: TemplateScope): TemplateValue {
    if (node instanceof Known) return node.value;
    this.#budget.step();
    const value =
      node?.type === 'MemberExpression'
        ? this.#member(node as Fields, scope)
        : super.evaluate(node && this.#prepare(node as Fields, scope), scope);
    // `[] | first` gives JavaScript's undefined.
    if (value !== undefined && node) this.#budget.take(value, newShare(node as Fields));
    return value;
  }

  /** Evaluates what must be known beforehand. */
  #prepare(node: Fields, scope: TemplateScope): TemplateNode {
    if (node.type === 'Set' && node.body && !node.value)
      return { ...node, value: this.#block(node, scope) } as TemplateNode;
    if (node.type === 'FilterStatement') {
      const filtered = {
        type: 'FilterExpression',
        operand: this.#block(node, scope),
        filter: node.filter!,
      };
      return this.#prepare(filtered, scope);
    }
    const { filter } = node;
    const name = filter?.type === 'CallExpression' ? filter.callee?.value : filter?.value;
    if (node.type !== 'FilterExpression' || !isGrowing(name)) return node;
    const operand = new Known(this.evaluate(node.operand, scope));
    const values: TemplateValue[] = [];
    const args = (filter?.args ?? []).map((arg) => this.#argument(arg as Fields, scope, values));
    checkGrowth(name, operand.value, values, this.#budget);
    return { ...node, operand, filter: { ...filter, args } } as TemplateNode;
  }

  #block(node: Fields, scope: TemplateScope): Known {
    return new Known(this.evaluate({ type: 'Program', body: node.body } as TemplateNode, scope));
  }

  #argument(node: Fields, scope: TemplateScope, values: TemplateValue[]): TemplateNode {
    const inner = {
      KeywordArgumentExpression: node.value,
      KeywordSpreadExpression: node.argument,
      SpreadExpression: node.argument,
    };
    const isNested = Object.hasOwn(inner, node.type);
    const target = isNested ? inner[node.type as keyof typeof inner] : node;
    const known = new Known(this.evaluate(target as TemplateNode, scope));
    values.push(known.value);
    if (!isNested) return known;
    return {
      ...node,
      [node.type === 'KeywordArgumentExpression' ? 'value' : 'argument']: known,
    } as TemplateNode;
  }

  /** A member; a method that grows checks its arguments when it is called, wherever that is. */
  #member(node: Fields, scope: TemplateScope): TemplateValue {
    const object = new Known(this.evaluate(node.object, scope));
    const value = super.evaluate({ ...node, object } as TemplateNode, scope);
    if (value.type !== 'FunctionValue' || object.value.type !== 'StringValue') return value;
    const name = methodName(object.value, value);
    return name === null ? value : this.#guard(value as FunctionValue, name, object.value);
  }

  #guard(method: FunctionValue, name: GrowingOperation, receiver: TemplateValue): TemplateValue {
    const FunctionClass = method.constructor as new (fn: FunctionValue['value']) => TemplateValue;
    return new FunctionClass((args, scope) => {
      checkGrowth(name, receiver, args, this.#budget);
      return method.value(args, scope);
    });
  }
}

function methodName(receiver: TemplateValue, method: TemplateValue): GrowingOperation | null {
  for (const [name, builtin] of receiver.builtins) if (builtin === method && isGrowing(name)) return name;
  return null;
}

/** Joined texts share the memory of their parts until they are searched, so they count a quarter. */
function newShare({ type, property }: Fields): number {
  if (type === 'MemberExpression') return property?.type === 'SliceExpression' ? 1 : 0;
  if (type === 'BinaryExpression') return 0.25;
  return READING.has(type) ? 0 : 1;
}
