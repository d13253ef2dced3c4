import type { ChatMessage } from '#proto/zmesh/v1/common.js';
import type { TaskItem } from './task.js';

/** A question as messages: its system message, if it has one, and the user's. */
export function messagesOf(item: Pick<TaskItem, 'system' | 'prompt'>): ChatMessage[] {
  const user = { role: 'user', content: item.prompt };
  return item.system === undefined ? [user] : [{ role: 'system', content: item.system }, user];
}
