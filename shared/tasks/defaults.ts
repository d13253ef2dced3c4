import type { Json } from './item-faults.js';

/** What a task says once for all its questions. */
export interface TaskDefaults {
  /** The system message of questions without their own. */
  readonly system?: string | undefined;
  /** Text around every prompt, with `{prompt}` in it once. */
  readonly template?: string | undefined;
  /** The budget of questions without their own, tokens. */
  readonly maxTokens?: number | undefined;
  /** Fields of every verifier, under those of the question's own. */
  readonly verifier?: Json | undefined;
}

/** A question's JSON with what it leaves out. Only fills in: what is wrong stays wrong and is found later. */
export function withDefaults(json: Json, defaults: TaskDefaults): Json {
  const { system, template, maxTokens, verifier } = defaults;
  const filled: Record<string, unknown> = { ...json };
  if (system !== undefined) filled.system ??= system;
  if (maxTokens !== undefined) filled.max_tokens ??= maxTokens;
  if (verifier !== undefined && isObject(json.verifier ?? {}))
    filled.verifier = { ...verifier, ...(json.verifier as Json | undefined) };
  // A function as replacement: a prompt may hold `$&`.
  if (template !== undefined && typeof json.prompt === 'string' && json.prompt !== '')
    filled.prompt = template.replace('{prompt}', () => json.prompt as string);
  return filled;
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
