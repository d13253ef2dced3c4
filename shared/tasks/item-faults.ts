import { SPLITS } from './task.js';
import { VERIFIERS, type VerifierType } from './verifier.js';

/** A parsed JSON object. */
export type Json = Readonly<Record<string, unknown>>;

/** Fields of a question. */
export const ITEM_FIELDS = ['id', 'prompt', 'system', 'answers', 'max_tokens', 'split', 'verifier'] as const;
/** Largest budget a question may name, tokens. */
export const MAX_TOKENS_MAX = 1_048_576;

/** Everything that is wrong with a question, a few words each; empty = it is sound. */
export function itemFaults(json: Json): string[] {
  const faults = fieldFaults(json, ITEM_FIELDS);
  const { id, prompt, system, answers } = json;
  if (typeof id !== 'string' || id === '') faults.push('id must be a text that is not empty');
  if (typeof prompt !== 'string' || prompt === '') faults.push('prompt must be a text that is not empty');
  if (system !== undefined && typeof system !== 'string') faults.push('system must be a text');
  if (
    answers !== undefined &&
    !(Array.isArray(answers) && answers.every((answer) => typeof answer === 'string'))
  )
    faults.push('answers must be a list of texts');
  if (json.split !== undefined && !(SPLITS as readonly unknown[]).includes(json.split))
    faults.push(`split must be one of ${SPLITS.join(', ')}, not ${JSON.stringify(json.split)}`);
  for (const fault of [budgetFault(json.max_tokens), verifierFault(json.verifier)])
    if (fault !== undefined) faults.push(fault);
  return faults;
}

/** One fault for each field that is not among `fields`. */
export function fieldFaults(json: Json, fields: readonly string[]): string[] {
  return Object.keys(json)
    .filter((key) => !fields.includes(key))
    .map((key) => `"${key}" is not a field (${fields.join(', ')})`);
}

/** What is wrong with a budget in tokens; undefined = nothing, or there is none. */
export function budgetFault(budget: unknown): string | undefined {
  if (budget === undefined) return undefined;
  if (Number.isInteger(budget) && Number(budget) >= 1 && Number(budget) <= MAX_TOKENS_MAX) return undefined;
  return `max_tokens must be a whole number from 1 to ${MAX_TOKENS_MAX}, not ${JSON.stringify(budget)}`;
}

/** What is wrong with a verifier's specification; undefined = it is sound. */
export function verifierFault(spec: unknown): string | undefined {
  if (typeof spec !== 'object' || spec === null || Array.isArray(spec)) return 'verifier must be an object';
  const { type, ...rest } = spec as Json;
  if (typeof type !== 'string' || !Object.hasOwn(VERIFIERS, type)) {
    const known = Object.keys(VERIFIERS).join(', ');
    return `verifier.type must be one of ${known}, not ${JSON.stringify(type) ?? 'missing'}`;
  }
  const verifier = VERIFIERS[type as VerifierType];
  const extra = Object.keys(rest).find((key) => !(verifier.fields as readonly string[]).includes(key));
  if (extra !== undefined) return `verifier."${extra}" is not a field of ${type}`;
  return verifier.fault(rest);
}
