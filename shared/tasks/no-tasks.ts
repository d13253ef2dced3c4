import { ZmeshError } from '../errors.js';

/** The error for a path that holds no task: INVALID_FIELD, with what is missing. */
export function noTasks(path: string, why: string): ZmeshError {
  return new ZmeshError('INVALID_FIELD', `no tasks at ${path}: ${why}`, { field: 'tasks', value: path });
}
