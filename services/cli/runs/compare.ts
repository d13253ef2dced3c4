import type { Run } from '#proto/zmesh/v1/trainer.js';
import { linePlot } from '#shared/plots/line-plot.js';
import { renderSvg } from '#shared/plots/theme.js';
import { renderTable } from '../render/table.js';
import { shortStateName } from './render.js';

/** Runs as columns: what came out first, then every fact and setting in which they differ. */
export function renderRunComparison(runs: readonly Run[]): string {
  const rows = [...outcomes(runs), ...differences(runs)];
  return renderTable(
    [{ title: 'run' }, ...runs.map(({ id }) => ({ title: id.slice(0, 12), align: 'right' as const }))],
    rows.map(([name, ...cells]) => [name, ...cells]),
  );
}

/** The validations of runs in one plot. */
export function comparisonSvg(runs: readonly Run[]): string {
  const last = Math.max(1, ...runs.map(({ curve }) => curve.at(-1)?.steps ?? 1));
  return renderSvg(
    linePlot({
      title: 'Share of right greedy answers on the validation questions',
      x: { label: 'step', low: 0, high: last },
      y: { label: 'validation', low: 0, high: 1 },
      series: runs.map(({ id, spec, curve }) => ({
        name: `${spec?.expert} (${id.slice(0, 6)})`,
        dots: true,
        points: curve.flatMap(({ step, validation }) =>
          validation === undefined ? [] : [{ x: step, y: validation }],
        ),
      })),
    }),
  );
}

type Row = readonly [name: string, ...cells: string[]];

function outcomes(runs: readonly Run[]): Row[] {
  const signed = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}`;
  const best = ({ curve }: Run): string => {
    const last = curve.at(-1);
    return last ? `${last.bestValidation.toFixed(3)} at ${last.bestStep} of ${last.steps}` : '';
  };
  const gate = ({ gates: [own] }: Run): string =>
    own ? `${signed(own.difference)} [${signed(own.low)}, ${signed(own.high)}]` : '';
  const total = (run: Run, of: 'tokens' | 'seconds'): string =>
    run.curve.reduce((sum, step) => sum + Number(step[of]), 0).toFixed(0);
  return [
    ['state', ...runs.map(shortStateName)],
    ['best validation', ...runs.map(best)],
    ['held out, against base', ...runs.map(gate)],
    ['tokens sampled', ...runs.map((run) => total(run, 'tokens'))],
    ['seconds of steps', ...runs.map((run) => total(run, 'seconds'))],
  ];
}

function differences(runs: readonly Run[]): Row[] {
  const facts = runs.map(
    ({ spec, settings, dataSha256 }): Readonly<Record<string, string>> => ({
      model: spec?.model ?? '',
      expert: spec?.expert ?? '',
      task: spec?.task?.name ?? '',
      data: dataSha256.slice(0, 12),
      algorithm: spec?.algorithm ?? '',
      preset: spec?.preset || 'default',
      seed: String(spec?.seed ?? 0n),
      ...settings,
    }),
  );
  const names = [...new Set(facts.flatMap((own) => Object.keys(own)))];
  return names
    .map((name): Row => [name, ...facts.map((own) => own[name] ?? '')])
    .filter(([, first, ...rest]) => rest.some((cell) => cell !== first));
}
