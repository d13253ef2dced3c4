import { JobState } from '#proto/zmesh/v1/adaptation.js';
import { ExpertKind } from '#proto/zmesh/v1/expert_registry.js';
import { type GateResult, type Run, RunSpec } from '#proto/zmesh/v1/trainer.js';
import { canonicalLinears } from '#services/inference/model/canonical.js';
import type { ModelConfig } from '#services/inference/model/prepared.js';
import { encodeTaskItems } from '#shared/tasks/encode.js';
import type { TaskItem } from '#shared/tasks/task.js';
import type { FinishedRun } from './finished-run.js';
import type { PlannedRun } from './grid.js';
import { type EvidenceMesh, WIDE_MODEL } from './mesh.js';
import type { RunQuestions } from './questions.js';

/** A run of the trainer. */
export interface SvfRunOptions extends PlannedRun {
  readonly mesh: EvidenceMesh;
  readonly config: ModelConfig;
  /** Undefined = the preset's. */
  readonly rate: number | undefined;
  readonly questions: RunQuestions;
  /** False: no held-out test, as for a run of a sweep. */
  readonly test: boolean;
  readonly signal: AbortSignal;
}

/** Trains multipliers through the serving mesh and waits for the end. Throws where the run fails. */
export async function trainSvf(options: SvfRunOptions): Promise<FinishedRun> {
  const { mesh, way, task, seed, signal } = options;
  const startMs = performance.now();
  const name = nameOf(options);
  const spec = specOf(options, name);
  const { run } = await mesh.trainer.startRun({ requestId: `evidence-${name}`, spec }, { signal });
  let last: Run | undefined;
  for await (const { event } of mesh.trainer.watchRun({ id: run!.id, afterSequence: 0n }, { signal }))
    last = event?.run ?? last;
  if (last?.state !== JobState.SUCCEEDED)
    throw new Error(`${name}: ${last?.failure?.message ?? 'it did not end'}`);
  const { run: whole } = await mesh.trainer.getRun({ id: run!.id }, { signal });
  const { curve, gates, gate, expert } = whole!;
  const end = curve.at(-1);
  const [own] = gates;
  return {
    way: way.name,
    task,
    seed,
    parameters: multipliersIn(options),
    validations: curve.flatMap(({ step, validation }) =>
      validation === undefined ? [] : [{ step, right: validation }],
    ),
    bestStep: end?.bestStep ?? 0,
    bestValidation: end?.bestValidation ?? 0,
    steps: end?.step ?? 0,
    tokens: curve.reduce((sum, step) => sum + Number(step.tokens), 0),
    seconds: (performance.now() - startMs) / 1000,
    expert,
    ...(own ? { test: testOf(own, gate === 1) } : {}),
  };
}

function nameOf({ way, task, seed, rate, test }: SvfRunOptions): string {
  const name = `${task}-${way.name}${rate === undefined || test ? '' : `-${rate}`}-${seed}`;
  return name.toLowerCase().replaceAll(/[^a-z0-9._-]+/g, '-');
}

function specOf({ way, task, seed, rate, questions, test }: SvfRunOptions, name: string): RunSpec {
  const bytes = (items: readonly TaskItem[]): Uint8Array => Buffer.from(encodeTaskItems(items), 'utf8');
  const classifies = task === 'classification';
  return RunSpec.create({
    // Attention is factored in the other preparation of the same model.
    model: way.matrices === 'mlp' ? 'octo-nano' : WIDE_MODEL,
    // A model has one classification expert; each run gives another version of it.
    expert: classifies ? 'classifier' : name,
    task: {
      name: task,
      train: bytes(questions.train),
      validation: bytes(questions.validation),
      test: bytes(questions.test),
    },
    algorithm: way.algorithm,
    preset: way.preset,
    settings: {
      matrices: way.matrices,
      ...way.settings,
      ...(rate === undefined ? {} : { 'learning-rate': String(rate) }),
    },
    kind: classifies ? ExpertKind.CLASSIFIER : ExpertKind.TASK,
    seed: BigInt(seed),
    gate: { others: [], skip: !test },
    alias: 'evidence',
  });
}

/** Σ of the ranks of the trained matrices. */
function multipliersIn({ way, config }: SvfRunOptions): number {
  const trained = canonicalLinears(config).filter(
    ({ name }) => way.matrices === 'all' || name.includes('.mlp.') === (way.matrices === 'mlp'),
  );
  return trained.reduce((sum, { rows, columns }) => sum + Math.min(rows, columns), 0);
}

function testOf(own: GateResult, passed: boolean): NonNullable<FinishedRun['test']> {
  const { items, base, expert, difference: estimate, low, high, p } = own;
  return {
    items,
    base,
    expert,
    difference: { estimate, low, high },
    ...(Number.isNaN(p) ? {} : { p }),
    passed,
  };
}
