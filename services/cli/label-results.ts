import { confusionMatrix } from '#shared/plots/confusion.js';
import { stack } from '#shared/plots/svg.js';
import { renderSvg } from '#shared/plots/theme.js';
import type { LabelResult } from './eval/labels.js';
import { accuracyOf, accuracyText } from './eval/tables.js';
import { renderTable } from './render/table.js';

/** How pass 1 labelled questions: accuracy by strategy, and what was taken for what. */
export function renderLabelResults(results: readonly LabelResult[]): string {
  return renderTable(
    [
      { title: 'labels' },
      { title: 'pass 1 by' },
      { title: 'questions', align: 'right' },
      { title: 'right' },
      { title: 'abstained', align: 'right' },
      { title: 'most often confused' },
    ],
    results.map(({ task, strategy, asked, right, abstained, confusion }) => [
      task,
      strategy,
      String(asked),
      accuracyText(accuracyOf(right, asked)),
      String(abstained),
      worst(confusion),
    ]),
  );
}

/** The confusion matrices of label tasks, one under the other, as an SVG file. */
export function drawLabelResults(results: readonly LabelResult[]): string {
  const pictures = results.map(({ task, strategy, confusion }) =>
    confusionMatrix({ title: `${task} by ${strategy}`, counts: confusion }),
  );
  return renderSvg(stack(results.map(({ task, strategy }) => `${task} by ${strategy}`).join(', '), pictures));
}

function worst(confusion: LabelResult['confusion']): string {
  const errors = Object.entries(confusion).flatMap(([truth, row]) =>
    Object.entries(row)
      .filter(([given]) => given !== truth)
      .map(([given, count]) => ({ truth, given, count })),
  );
  return errors
    .sort((a, b) => b.count - a.count)
    .slice(0, 2)
    .map(({ truth, given, count }) => `${truth} as ${given} ${count}×`)
    .join(', ');
}
