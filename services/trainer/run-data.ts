import { ExpertKind } from '#proto/zmesh/v1/expert_registry.js';
import type { RunSpec, TrainingTask } from '#proto/zmesh/v1/trainer.js';
import { ZmeshError } from '#shared/errors.js';
import { checkName, OTHER } from '#shared/svf/names.js';
import { taskHash } from '#shared/tasks/hash.js';
import { heldOut } from '#shared/tasks/held-out.js';
import { parseTaskItems } from '#shared/tasks/parse.js';
import type { TaskItem } from '#shared/tasks/task.js';

/** The questions of a run. */
export interface RunData {
  readonly train: readonly TaskItem[];
  readonly validation: readonly TaskItem[];
  /** Held-out questions: none of them is trained on or selects. May be empty. */
  readonly test: readonly TaskItem[];
  /** Held-out questions of other tasks. */
  readonly others: readonly { readonly name: string; readonly items: readonly TaskItem[] }[];
  /** SHA-256 over the task's questions, 64 hex digits. */
  readonly sha256: string;
}

/**
 * Reads the questions of a run. Throws MISSING_FIELD, INVALID_FIELD (faults with their lines; a test question that is also
 * trained on or selected by), TOO_LARGE.
 */
export function readRunData(spec: RunSpec, bytesMax: number): RunData {
  const { task, gate } = spec;
  if (!task) throw missing('spec.task');
  checkName(task.name, 'spec.task.name');
  const others = gate?.others ?? [];
  const bytes = [task.train, task.validation, task.test, ...others.map(({ test }) => test)];
  const total = bytes.reduce((sum, { length }) => sum + length, 0);
  if (total > bytesMax) {
    const message = `the questions of the run have ${total} bytes, the limit is ${bytesMax}`;
    throw new ZmeshError('TOO_LARGE', message, { field: 'spec.task', limit: bytesMax, value: total });
  }
  const train = questions(task, 'train');
  const validation = questions(task, 'validation');
  checkLabels(spec, train);
  const test = task.test.length > 0 ? questions(task, 'test') : [];
  const used = [...train, ...validation];
  const clean = heldOut(test, used);
  if (clean.length < test.length) {
    const shared = test.find((item) => !clean.includes(item));
    const message = `spec.task.test: ${test.length - clean.length} of its questions are trained on or selected by too, e.g. "${shared?.id}"`;
    throw new ZmeshError('INVALID_FIELD', message, {
      field: 'spec.task.test',
      value: test.length - clean.length,
      limit: 0,
    });
  }
  return {
    train,
    validation,
    test: clean,
    others: others.map(({ name, test: own }, i) => ({
      name: checkName(name, `spec.gate.others[${i}].name`),
      items: heldOut(parse(own, `spec.gate.others[${i}].test`), used),
    })),
    sha256: taskHash({ train, val: validation, test }),
  };
}

/** The labels that a run for a classification expert trains: those its questions have, and `other`. Empty for task experts. */
export function categoriesOf({ kind }: RunSpec, { train }: RunData): string[] {
  if (kind !== ExpertKind.CLASSIFIER) return [];
  const labels = train.flatMap(({ verifier }) => (verifier.type === 'label' ? [verifier.value] : []));
  return [...new Set([...labels, OTHER])].sort();
}

/** A classification expert learns labels: each of its questions must ask for one. */
function checkLabels({ kind }: RunSpec, train: readonly TaskItem[]): void {
  if (kind !== ExpertKind.CLASSIFIER) return;
  const other = train.find(({ verifier }) => verifier.type !== 'label');
  if (!other) return;
  const message = `spec.task.train: a classification expert is trained on labels, "${other.id}" has the verifier ${other.verifier.type}`;
  throw new ZmeshError('INVALID_FIELD', message, { field: 'spec.task.train', value: other.verifier.type });
}

function questions(task: TrainingTask, part: 'train' | 'validation' | 'test'): TaskItem[] {
  if (task[part].length === 0) throw missing(`spec.task.${part}`);
  return parse(task[part], `spec.task.${part}`);
}

function parse(bytes: Uint8Array, field: string): TaskItem[] {
  let text: string;
  try {
    text = new TextDecoder('utf8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ZmeshError('INVALID_FIELD', `${field}: is not UTF-8`, { field, cause });
  }
  return parseTaskItems(text, field);
}

function missing(field: string): ZmeshError {
  return new ZmeshError('MISSING_FIELD', `${field}: is missing`, { field });
}
