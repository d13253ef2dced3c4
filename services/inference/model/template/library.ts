import * as jinja from '@huggingface/jinja';

/**
 * What is used of `@huggingface/jinja`, with types: its own declarations import each other without file extensions, so that
 * TypeScript resolves them to nothing.
 */

/** A node of the syntax tree. */
export interface TemplateNode {
  readonly type: string;
}

/** A value at run time; the library does not export the classes. */
export interface TemplateValue {
  readonly type: string;
  readonly value: unknown;
  /** Methods and attributes that the value has by itself. */
  readonly builtins: ReadonlyMap<string, TemplateValue>;
  toString(): string;
}

/** A scope of variables. */
export interface TemplateScope {
  set(name: string, value: unknown): unknown;
}

/** Walks a syntax tree; all of its own recursion goes through `evaluate`. */
export interface TemplateInterpreter {
  run(program: TemplateNode): TemplateValue;
  evaluate(node: TemplateNode | undefined, scope: TemplateScope): TemplateValue;
}

export const Environment: new () => TemplateScope = jinja.Environment;

export const Interpreter: new (scope: TemplateScope) => TemplateInterpreter = jinja.Interpreter;

/** The syntax tree of a template, read with the options of the library's own `Template`. Throws what the library throws. */
export function parseTemplate(source: string): TemplateNode {
  return jinja.parse(jinja.tokenize(source, { lstrip_blocks: true, trim_blocks: true }));
}
