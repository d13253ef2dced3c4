import { Priority } from '#proto/zmesh/v1/common.js';
import { fault } from '#shared/field.js';
import type { PriorityClass } from './engine/task.js';

/** A request's priority class; not given = interactive. Throws INVALID_FIELD. */
export function priorityClass(priority: Priority): PriorityClass {
  if (priority === Priority.BATCH) return 'batch';
  if (priority === Priority.INTERACTIVE || priority === Priority.UNSPECIFIED) return 'interactive';
  throw fault('priority', `there is no priority ${priority}`, { value: priority });
}
