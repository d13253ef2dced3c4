import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from '#shared/paths.js';
import { loadTasks } from '#shared/tasks/load.js';
import { verify } from '#shared/tasks/verifier.js';

const TASKS = join(projectRoot, 'models/octo-nano/tasks');

/** Another answer of the same shape that cannot be right: a digit or letter changed, or an operation added that changes lengths. */
function corrupt(answer: string, type: string): string {
  if (type === 'number') return answer.replace(/(\d)(?!.*\d)/s, (digit) => String((Number(digit) + 1) % 10));
  if (type === 'list-program') return `${answer} then double`;
  return `${answer}x`;
}

test('every listed answer of the embedded tasks passes its verifier, and a corrupted one fails', async () => {
  let right = 0;
  for (const split of ['train', 'val', 'test'] as const) {
    for (const task of await loadTasks(TASKS, split)) {
      for (const item of task.items) {
        const listed = item.verifier.type === 'label' ? [item.verifier.value] : item.answers;
        assert(listed.length > 0, `${item.id} lists no answer`);
        for (const answer of listed) {
          assert((await verify(answer, item)).correct, `${item.id}: ${answer}`);
          const wrong = corrupt(answer, item.verifier.type);
          assert(!(await verify(wrong, item)).correct, `${item.id}: ${wrong}`);
          right++;
        }
      }
    }
  }
  assert(right > 20_000, `only ${right} answers were checked`);
});

test('a folder of tasks, one task folder and one file load alike', async () => {
  const all = await loadTasks(TASKS);
  assert.deepEqual(
    all.map(({ name, items }) => [name, items.length]),
    [
      ['arithmetic', 400],
      ['arithmetic-two-step', 400],
      ['classification', 425],
      ['compare', 400],
      ['greeting', 50],
      ['list-program', 400],
      ['list-program-two-step', 400],
      ['ordering', 400],
      ['ordering-six', 400],
    ],
  );
  const greeting = all.find(({ name }) => name === 'greeting');
  assert.deepEqual(await loadTasks(join(TASKS, 'greeting')), [greeting]);
  const [file] = await loadTasks(join(TASKS, 'greeting', 'test.jsonl'));
  assert.deepEqual(file?.items, greeting?.items);
  assert.equal(file?.name, 'test');
});

test('a path without tasks is refused with what is missing', async () => {
  const empty = await mkdtemp(join(tmpdir(), 'zmesh-tasks-'));
  try {
    await assert.rejects(loadTasks(empty), {
      reason: 'INVALID_FIELD',
      message: `no tasks at ${empty}: neither it nor a folder in it holds questions of the split test`,
    });
    const missing = join(empty, 'nowhere');
    await assert.rejects(loadTasks(missing), {
      reason: 'INVALID_FIELD',
      message: `no tasks at ${missing}: there is no such file or folder`,
    });
  } finally {
    await rm(empty, { recursive: true });
  }
});
