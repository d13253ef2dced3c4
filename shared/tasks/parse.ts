import { ZmeshError } from '../errors.js';
import { type TaskDefaults, withDefaults } from './defaults.js';
import { itemFaults, type Json } from './item-faults.js';
import type { Split, TaskItem } from './task.js';
import type { VerifierSpec } from './verifier.js';

/** Most faults that one error lists. */
const FAULTS_MAX = 20;

/**
 * Parses a task file, JSON Lines: `{"id", "prompt", "system"?, "answers"?, "max_tokens"?, "split"?, "verifier": {"type", …}}`,
 * one question a line; empty lines do not count. `source` is what faults call the file; `defaults` fill what a line leaves out.
 * Throws INVALID_FIELD with every fault (the first 20), each as `source:line: what`.
 */
export function parseTaskItems(text: string, source: string, defaults: TaskDefaults = {}): TaskItem[] {
  const { items, faults } = readItems(rowsOf(text, source), defaults);
  if (faults.length === 0 && items.length === 0) faults.push(`${source}: holds no question`);
  throwFaults(faults);
  return items.map(({ item }) => item);
}

/** One question as it was found: its JSON, or what is wrong with it. */
export interface Row {
  /** `file:line`, for faults. */
  readonly place: string;
  readonly json: Json | string;
}

/** A sound question, where it stands, and the split it names. */
export interface PlacedItem {
  readonly item: TaskItem;
  readonly place: string;
  readonly split: Split | undefined;
}

/** The rows of a JSON Lines text. */
export function rowsOf(text: string, source: string): Row[] {
  return text.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return [];
    return [{ place: `${source}:${index + 1}`, json: parseLine(line) }];
  });
}

/** All sound questions among rows, and every fault, each with its place. An id may stand once. */
export function readItems(
  rows: Iterable<Row>,
  defaults: TaskDefaults,
): { items: PlacedItem[]; faults: string[] } {
  const faults: string[] = [];
  const items: PlacedItem[] = [];
  const placeOf = new Map<string, string>();
  for (const { place, json: given } of rows) {
    const json = typeof given === 'string' ? given : withDefaults(given, defaults);
    const found = typeof json === 'string' ? [json] : itemFaults(json);
    faults.push(...found.map((fault) => `${place}: ${fault}`));
    if (found.length > 0 || typeof json === 'string') continue;
    const item = toItem(json);
    const earlier = placeOf.get(item.id);
    if (earlier !== undefined) faults.push(`${place}: id "${item.id}" stands in ${earlier} too`);
    placeOf.set(item.id, place);
    items.push({ item, place, split: json.split as Split | undefined });
  }
  return { items, faults };
}

/** Throws INVALID_FIELD with the first 20 faults, one a line; nothing without faults. */
export function throwFaults(faults: readonly string[]): void {
  if (faults.length === 0) return;
  const more = faults.length > FAULTS_MAX ? [`and ${faults.length - FAULTS_MAX} more`] : [];
  const text = [...faults.slice(0, FAULTS_MAX), ...more].join('\n');
  throw new ZmeshError('INVALID_FIELD', `bad tasks:\n${text}`, { field: 'tasks', value: faults.length });
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
