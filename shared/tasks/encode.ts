import { canonicalJson } from './hash.js';
import type { TaskItem } from './task.js';

/** Questions as a task file, JSON Lines, templates and defaults applied: what `parseTaskItems` reads back to the same questions. */
export function encodeTaskItems(items: readonly TaskItem[]): string {
  return items.map((item) => `${canonicalJson(jsonOf(item))}\n`).join('');
}

function jsonOf({ id, prompt, system, answers, maxTokens, verifier }: TaskItem): Record<string, unknown> {
  return { id, prompt, system, answers, max_tokens: maxTokens, verifier };
}
