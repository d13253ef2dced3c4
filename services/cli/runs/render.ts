import { JobState } from '#proto/zmesh/v1/adaptation.js';
import { ExpertGate } from '#proto/zmesh/v1/expert_registry.js';
import { type GateResult, type Run, RunPhase, type RunStep } from '#proto/zmesh/v1/trainer.js';
import { renderFacts, renderTable } from '../render/table.js';
import { shortName } from '../render/units.js';

const COLUMNS = ['step', 'reward', 'KL', 'gradient', 'tokens/s', 'seconds', 'validation', 'best'] as const;
const WIDTH = 11;

/** The first line of a run's growing table. */
export function stepHeader(): string {
  return `${COLUMNS.map((title) => title.padStart(WIDTH)).join('')}\n`;
}

/** One step of a run as a line; of a step that was shown before, its validation alone. */
export function stepLine(step: RunStep, { again = false }: { readonly again?: boolean } = {}): string {
  const trained = step.answers > 0 && !again;
  const cells = [
    `${step.step}/${step.steps}`,
    trained ? step.reward.toFixed(3) : '',
    trained && step.kl !== 0 ? step.kl.toFixed(3) : '',
    trained ? step.gradientNorm.toPrecision(3) : '',
    trained && step.seconds > 0 ? (Number(step.tokens) / step.seconds).toFixed(0) : '',
    trained ? step.seconds.toFixed(1) : '',
    step.validation === undefined ? '' : step.validation.toFixed(3),
    `${step.bestValidation.toFixed(3)}@${step.bestStep}`,
  ];
  return `${cells.map((cell) => cell.padStart(WIDTH)).join('')}\n`;
}

/** A run's state in words. */
export function stateName({ state, phase, failure }: Run): string {
  const name = STATE_NAMES.get(state) ?? String(state);
  if (failure) return `${name}: ${failure.message} (${failure.reason})`;
  return state === JobState.RUNNING && phase !== RunPhase.UNSPECIFIED ? `${PHASE_NAMES.get(phase)}` : name;
}

const lower = (names: Readonly<Record<string, number>>): ReadonlyMap<number, string> =>
  new Map(Object.entries(names).map(([name, value]) => [value, name.toLowerCase()]));
const STATE_NAMES = lower(JobState);
const PHASE_NAMES = lower(RunPhase);

/** What became of a run. */
export function renderRunResult(run: Run): string {
  return `${renderFacts(facts(run))}${run.gates.length > 0 ? `\n${renderGates(run.gates)}` : ''}`;
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
      stateName(run),
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
    ['best', best ? `validation ${best.bestValidation.toFixed(3)} after step ${best.bestStep}` : ''],
    ['attempts', run.attempts > 1 ? String(run.attempts) : ''],
  ];
}

function gateName(gate: ExpertGate): string {
  if (gate === ExpertGate.PASSED) return 'passed';
  return gate === ExpertGate.FAILED ? 'failed' : '';
}

function isoTime(time: Run['createdAt']): string {
  return time ? `${new Date(Number(time.seconds) * 1000).toISOString().slice(0, 19)}Z` : '';
}
