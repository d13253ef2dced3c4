import { ZmeshError } from '#shared/errors.js';
import type { TaskItem } from './task.js';
import { VERIFIERS, type VerifierSpec } from './verifier.js';

const FIELDS = new Set(['id', 'prompt', 'system', 'answers', 'max_tokens', 'verifier']);
/** Most faults that one error lists. */
const FAULTS_MAX = 20;
/** Largest budget a question may name, tokens. */
const MAX_TOKENS_MAX = 1_048_576;

type Json = Readonly<Record<string, unknown>>;

/**
 * Parses a task file, JSON Lines: `{"id", "prompt", "system"?, "answers"?, "max_tokens"?, "verifier": {"type", …}}`, one
 * question a line; empty lines do not count. `source` is what faults call the file.
 * Throws INVALID_FIELD with every fault (the first 20), each as `source:line: what`.
 */
export function parseTaskItems(text: string, source: string): TaskItem[] {
  const faults: string[] = [];
  const items: TaskItem[] = [];
  const lineOf = new Map<string, number>();
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const add = (fault: string): number => faults.push(`${source}:${index + 1}: ${fault}`);
    const json = parseLine(line);
    if (typeof json === 'string') {
      add(json);
      continue;
    }
    const found = itemFaults(json);
    for (const fault of found) add(fault);
    if (found.length > 0) continue;
    const item = toItem(json);
    const earlier = lineOf.get(item.id);
    if (earlier !== undefined) add(`id "${item.id}" stands in line ${earlier} too`);
    lineOf.set(item.id, index + 1);
    items.push(item);
  }
  if (faults.length === 0 && items.length === 0) faults.push(`${source}: holds no question`);
  if (faults.length > 0) throw bad(faults);
  return items;
}

function parseLine(line: string): Json | string {
  try {
    const json: unknown = JSON.parse(line);
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Json;
    return 'must be a JSON object';
  } catch (error) {
    return `is not JSON: ${(error as Error).message}`;
  }
}

function itemFaults(json: Json): string[] {
  const faults = Object.keys(json)
    .filter((key) => !FIELDS.has(key))
    .map((key) => `"${key}" is not a field (${[...FIELDS].join(', ')})`);
  const { id, prompt, system, answers, max_tokens: budget } = json;
  if (typeof id !== 'string' || id === '') faults.push('id must be a text that is not empty');
  if (typeof prompt !== 'string' || prompt === '') faults.push('prompt must be a text that is not empty');
  if (system !== undefined && typeof system !== 'string') faults.push('system must be a text');
  if (
    answers !== undefined &&
    !(Array.isArray(answers) && answers.every((answer) => typeof answer === 'string'))
  )
    faults.push('answers must be a list of texts');
  if (
    budget !== undefined &&
    !(Number.isInteger(budget) && Number(budget) >= 1 && Number(budget) <= MAX_TOKENS_MAX)
  )
    faults.push(
      `max_tokens must be a whole number from 1 to ${MAX_TOKENS_MAX}, not ${JSON.stringify(budget)}`,
    );
  const fault = verifierFault(json.verifier);
  if (fault !== undefined) faults.push(fault);
  return faults;
}

function verifierFault(spec: unknown): string | undefined {
  if (typeof spec !== 'object' || spec === null || Array.isArray(spec)) return 'verifier must be an object';
  const { type, ...rest } = spec as Json;
  if (typeof type !== 'string' || !Object.hasOwn(VERIFIERS, type)) {
    const known = Object.keys(VERIFIERS).join(', ');
    return `verifier.type must be one of ${known}, not ${JSON.stringify(type) ?? 'missing'}`;
  }
  const only = type === 'list-program' ? 'tests' : 'value';
  const extra = Object.keys(rest).find((key) => key !== only);
  if (extra !== undefined) return `verifier."${extra}" is not a field of ${type}`;
  return VERIFIERS[type as VerifierSpec['type']].fault(rest);
}

/** `json` is sound. */
function toItem(json: Json): TaskItem {
  return {
    id: json.id as string,
    prompt: json.prompt as string,
    system: json.system as string | undefined,
    answers: (json.answers ?? []) as string[],
    maxTokens: json.max_tokens as number | undefined,
    verifier: json.verifier as VerifierSpec,
  };
}

function bad(faults: readonly string[]): ZmeshError {
  const more = faults.length > FAULTS_MAX ? [`and ${faults.length - FAULTS_MAX} more`] : [];
  const text = [...faults.slice(0, FAULTS_MAX), ...more].join('\n');
  return new ZmeshError('INVALID_FIELD', `bad tasks:\n${text}`, { field: 'tasks', value: faults.length });
}
