import { JobState } from '#proto/zmesh/v1/adaptation.js';
import { ExpertGate } from '#proto/zmesh/v1/expert_registry.js';
import { type GateResult, type Run, RunPhase, type RunStep } from '#proto/zmesh/v1/trainer.js';
import { renderFacts, renderTable } from '../render/table.js';
import { shortName } from '../render/units.js';

/** Columns and their widths. A step leaves empty what its algorithm does not have. */
const COLUMNS = {
  step: 9,
  reward: 9,
  loss: 10,
  KL: 8,
  gradient: 10,
  'tokens/s': 10,
  seconds: 9,
  validation: 12,
  kept: 11,
} as const;

/** The first line of a run's growing table. */
export function stepHeader(): string {
  return lineOf(Object.keys(COLUMNS));
}

/** One step of a run as a line; of a step that was shown before, its validation alone. */
export function stepLine(step: RunStep, { again = false }: { readonly again?: boolean } = {}): string {
  const trained = step.seconds > 0 && !again;
  const has = (name: keyof typeof METRICS_OF): boolean => trained && METRICS_OF[name] in step.metrics;
  return lineOf([
    `${step.step}/${step.steps}`,
    has('reward') ? step.reward.toFixed(3) : '',
    has('loss') ? step.loss.toFixed(3) : '',
    has('KL') && step.kl !== 0 ? step.kl.toFixed(3) : '',
    has('gradient') ? step.gradientNorm.toPrecision(3) : '',
    trained && step.tokens > 0n ? (Number(step.tokens) / step.seconds).toFixed(0) : '',
    trained ? step.seconds.toFixed(1) : '',
    step.validation === undefined ? '' : step.validation.toFixed(3),
    `${step.bestValidation.toFixed(3)}@${step.bestStep}`,
  ]);
}

/** What algorithms call what a column shows. */
const METRICS_OF = { reward: 'reward', loss: 'loss', KL: 'kl', gradient: 'gradient-norm' } as const;

function lineOf(cells: readonly string[]): string {
  const widths = Object.values(COLUMNS);
  return `${cells.map((cell, i) => cell.padStart(widths[i]!)).join('')}\n`;
}

/** A run's state in words, with what went wrong in a sentence. */
export function stateName(run: Run): string {
  const { failure } = run;
  return failure ? `${stateWord(run)}: ${failure.message} (${failure.reason})` : stateWord(run);
}

/** A run's state in a word or two, what went wrong by its reason alone: for tables. */
export function shortStateName(run: Run): string {
  return run.failure ? `${stateWord(run)}: ${run.failure.reason}` : stateWord(run);
}

function stateWord({ state, phase }: Run): string {
  const training = state === JobState.RUNNING && phase !== RunPhase.UNSPECIFIED;
  return (training ? PHASE_NAMES.get(phase) : STATE_NAMES.get(state)) ?? String(state);
}

const lower = (names: Readonly<Record<string, number>>): ReadonlyMap<number, string> =>
  new Map(Object.entries(names).map(([name, value]) => [value, name.toLowerCase()]));
const STATE_NAMES = lower(JobState);
const PHASE_NAMES = lower(RunPhase);

/** What became of a run. */
export function renderRunResult(run: Run): string {
  const notes = [...run.gateFailures, ...run.gateWarnings.map((warning) => `harm: ${warning}`)];
  const told = notes.length > 0 ? `\n${notes.map((note) => `- ${note}\n`).join('')}` : '';
  return `${renderFacts(facts(run))}${told}${run.gates.length > 0 ? `\n${renderGates(run.gates)}` : ''}`;
}

/** Runs as a table. */
export function renderRuns(runs: readonly Run[]): string {
  return renderTable(
    [
      { title: 'run' },
      { title: 'expert' },
      { title: 'task' },
      { title: 'algorithm' },
      { title: 'state' },
      { title: 'gate' },
      { title: 'version' },
      { title: 'created' },
    ],
    runs.map((run) => [
      run.id,
      `${run.spec?.model}/${run.spec?.expert}`,
      run.spec?.task?.name ?? '',
      run.spec?.algorithm ?? '',
      shortStateName(run),
      gateName(run.gate),
      run.expert === '' ? '' : shortName(run.expert),
      isoTime(run.createdAt),
    ]),
  );
}

/** Comparisons of an expert with the base on held-out questions. */
export function renderGates(gates: readonly GateResult[]): string {
  const signed = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}`;
  return renderTable(
    [
      { title: 'held-out task' },
      { title: 'questions', align: 'right' },
      { title: 'base', align: 'right' },
      { title: 'expert', align: 'right' },
      { title: 'difference, 95 %' },
      { title: 'McNemar p', align: 'right' },
      { title: '' },
    ],
    gates.map((gate) => [
      gate.task,
      String(gate.items),
      gate.base.toFixed(3),
      gate.expert.toFixed(3),
      `${signed(gate.difference)} [${signed(gate.low)}, ${signed(gate.high)}]`,
      Number.isNaN(gate.p) ? '' : gate.p.toPrecision(2),
      gate.harm ? 'harm' : '',
    ]),
  );
}

function facts(run: Run): [string, string][] {
  const best = run.curve.at(-1);
  return [
    ['run', run.id],
    ['expert', run.expert === '' ? 'none was published' : run.expert],
    ['state', stateName(run)],
    ['gate', gateName(run.gate) || 'not tested'],
    ['task', `${run.spec?.task?.name}, data ${run.dataSha256.slice(0, 12)}`],
    ['algorithm', `${run.spec?.algorithm}, preset ${run.spec?.preset || 'default'}, seed ${run.spec?.seed}`],
    ['kept', best ? keptText(best) : ''],
    ['attempts', run.attempts > 1 ? String(run.attempts) : ''],
  ];
}

function keptText({ bestStep, bestValidation, step, steps }: RunStep): string {
  const at = bestStep === 0 ? 'step 0, the start before training' : `step ${bestStep}`;
  return `${at}, validation ${bestValidation.toFixed(3)}; ${step} of ${steps} steps done`;
}

function gateName(gate: ExpertGate): string {
  if (gate === ExpertGate.PASSED) return 'passed';
  return gate === ExpertGate.FAILED ? 'failed' : '';
}

function isoTime(time: Run['createdAt']): string {
  return time ? `${new Date(Number(time.seconds) * 1000).toISOString().slice(0, 19)}Z` : '';
}
