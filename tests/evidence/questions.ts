import { heldOut } from '#shared/tasks/held-out.js';
import type { TaskItem } from '#shared/tasks/task.js';
import { questionsOf } from './mesh.js';

/** The questions of a run. */
export interface RunQuestions {
  readonly train: readonly TaskItem[];
  readonly validation: readonly TaskItem[];
  readonly test: readonly TaskItem[];
}

/** A demo task's questions; of the test split the first `count` that no other split has (those of labels share some prompts). */
export async function runQuestions(task: string, count: number): Promise<RunQuestions> {
  const train = await questionsOf(task, 'train');
  const validation = await questionsOf(task, 'val');
  const test = heldOut(await questionsOf(task, 'test'), [...train, ...validation]).slice(0, count);
  return { train, validation, test };
}
